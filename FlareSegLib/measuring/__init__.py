"""From labels, their CT and the logits to numbers: volumes, HU, lengths, phase, confidence, flags.

Takes volumes, labelmaps and logits and gives rows; may not change a label, read a CT or write.
"""
