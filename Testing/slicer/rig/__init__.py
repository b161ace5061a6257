"""A stand-in for the Slicer application: enough of it to open and use the panel without Slicer.

Real:     MRML, segmentations, storage, terminologies, subject hierarchy, slicer.util (slicer-core)
Stand-in: qt (PySide6 in PythonQt's manner), ctk, qMRML widgets, slicer.app, slicer.modules, and in
          slicer_parts/ the Python files of Slicer that are on no package index

    from Testing.slicer.rig import boot
    app = boot.start()          # once per process
    widget = boot.openModule("FlareSeg", Path("FlareSeg/FlareSeg.py"))

It shows that the module's code runs and what it does to the scene. It does not show the look of
CTK, ownership under PythonQt, launchers, Windows or macOS.
"""
