"""Paper 4's way from a box to a mask: slices embedded by a network, boxes decoded from embeddings.

slices > train (teacher, then the student by distillation) > volume (3-D) and export. It does not
ship: see training/LOG.md for its figures beside the crop network's.
"""
