"""From a normalised volume to logits: windows, network, stitching.

Takes arrays and a model folder and gives logits; may not know CTs, files of images or labelmaps.
"""
