"""The parts of the Slicer module FlareSeg.

Parameter     what a user can choose, kept in the scene      Widget   the panel: asks and shows
Logic         start, cancel, finished, failed                Runner   the process that does the work
Launchers     how it is started: Slicer 5.12, Slicer 5.10   Steps    what it does, in words
Nodes         MRML volume to file, labelmap to segmentation  Checks   why Apply is disabled
Dependencies  packages, installed with consent               Models   models on this computer
OrganList, ResultTable, BatchSection  parts of the panel     Samples  the sample CT
"""
