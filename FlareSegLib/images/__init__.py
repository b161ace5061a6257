"""From files to volumes in HU, and from labelmaps to files: NIfTI, NRRD, MHA, DICOM, DICOM SEG.

Takes paths and gives checked volumes, or takes labelmaps and writes them; may not resample, run a
network or measure.
"""
