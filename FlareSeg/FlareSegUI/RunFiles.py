"""Names of the files in the folder of a run, for the panel and for the worker's Scripts.

The worker has no Slicer: nothing is imported here. What is in a file is said where it is written.
"""

CT, LABELMAP, REPORT = "ct.nrrd", "organs.nrrd", "report.json"
LABELS, PLACE = "labels.npy", "labels.json"
DOUBT, DOUBT_ARRAY = "doubt.nii.gz", "doubt.npy"
EXPORT, LAYERS, LAYER = "export.json", "layers.json", "layer_{}.npy"
MODEL, MADE = "model.json", "model.txt"
