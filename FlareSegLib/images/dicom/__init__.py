"""DICOM: which files make a series, its volume, and DICOM SEG."""
