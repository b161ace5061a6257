"""From a box, a line or a click to the segment of one thing: lesion, cyst, node, vessel.

Takes a CT and prompts in mm; gives a mask in a box of its voxels, volume, HU and diameters. Knows
no organs, and no windows of the pipeline: the network looks at the surroundings of the box alone.
session.py has the order of the steps.
"""
