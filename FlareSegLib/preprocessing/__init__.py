"""From a volume to what the network takes: orientation, the body, spacing, intensity.

Takes volumes in HU and gives volumes; may not open files or know the network.
"""
