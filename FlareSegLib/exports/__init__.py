"""What other programs want of a result: masks, label tables, meshes, DICOM reports and pictures.

Takes the CT, labels and rows of a run and writes files beside the labelmap; measures nothing.
"""
