"""The parts of the Slicer module FlareSeg.

Widget    the panel: asks and shows             Parameter  what can be chosen, kept in the scene
Logic     for scripts and other modules         Job        start, cancel, finished, failed
Runner    the process that does the work        Launchers  how it starts: Slicer 5.12, Slicer 5.10
Folder    of a run while it lasts: RunFiles     Result     what it hands over, to segments: Voxels
Nodes     MRML volume to file, segmentations    Checks     why Apply is disabled
Packages  onnxruntime in a folder of its own    Models     models on this computer
Frames    all frames of a sequence              FlareSegSubjectHierarchyPlugin  right-click
Ears, Steps, Words, TimeLeft  what a run says, for people             Samples  the sample CT
Colors, Views, Doubt, NextSteps  what follows a run: Export, Dicom, Layers to files
PromptSection a lesion at once: PromptButtons, PromptHistory, PromptClient its process,
              PromptNodes its markups, Lesions its segments, Corrections organs that were there
RunSection, RunDisplay, Readiness, ResultView, ResultTable, OrganList, BatchSection, ModelSection,
PackageSection  parts of the panel
"""
