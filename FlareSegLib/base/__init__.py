"""What everything stands on: grids and volumes, labels, settings, errors, progress, files, memory.

Takes nothing and gives plain values; may not know images, networks or reports.
"""
