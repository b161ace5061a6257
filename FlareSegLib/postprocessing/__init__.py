"""From logits to a clean labelmap on the grid of the CT.

Takes logits and a grid and gives labels; may not run a network or write.
"""
