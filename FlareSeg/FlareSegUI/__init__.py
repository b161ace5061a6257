"""The parts of the Slicer module FlareSeg.

Widget    the panel: asks and shows             Parameter  what can be chosen, kept in the scene
Logic     for scripts and other modules         Job        start, cancel, finished, failed
Runner    the process that does the work        Launchers  how it starts: Slicer 5.12, Slicer 5.10
Folder    files of a run while it lasts         Result     what it hands over, to segments
Nodes     MRML volume to file, segmentations    Checks     why Apply is disabled
Packages  onnxruntime in a folder of its own    Models     models on this computer
Frames    all frames of a sequence              FlareSegSubjectHierarchyPlugin  right-click
Steps, Words, TimeLeft  what a run says, for people
Colors, Views, Export, Dicom, NextSteps, Doubt  what follows a run    Samples  the sample CT
PromptSection a lesion at once: PromptClient its process, PromptNodes markups and segments
OrganList, ResultTable, BatchSection, ModelSection, PackageSection  parts of the panel
"""
