"""From CTs with labels to a confidence per organ: degraded copies, what a model says, a fit.

Takes prepared cases and a model folder and gives confidence.json; may not train a network.
"""
