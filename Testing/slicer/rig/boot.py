"""Start the stand-in application, and open a module in it."""

import importlib.util
import os
import sys
import tempfile
import types
from pathlib import Path

RIG = Path(__file__).resolve().parent
_state: dict[str, object] = {}


def start():
    """Return the application; the first call makes it."""
    if "app" not in _state:
        os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
        import slicer

        slicer.__path__.append(str(RIG / "slicer_parts"))
        from Testing.slicer.rig import SampleData, ctk, qt

        sys.modules |= {"qt": qt, "ctk": ctk, "SampleData": SampleData}
        _state["app"] = slicer.app = _makeApp(qt)
        _makeScene(slicer)
    return _state["app"]


def openModule(name, path):
    """Return the panel of a module, set up as Slicer does."""
    module = loadModule(name, path)
    widget = getattr(module, f"{name}Widget")(newParent())
    widget.setup()
    return widget


def newParent():
    """Return the widget in which Slicer puts the panel of a module."""
    import qt

    parent = qt.QWidget()
    parent.setLayout(qt.QVBoxLayout())
    return parent


def loadModule(name, path):
    """Return the Python module of a scripted module, registered as Slicer does."""
    import slicer

    folder = str(Path(path).parent)
    if folder not in sys.path:
        sys.path.insert(0, folder)
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    setattr(slicer.modules, name.lower(), types.SimpleNamespace(path=str(path), name=name))
    module.instance = getattr(module, name)(types.SimpleNamespace())
    return module


def _makeApp(qt):
    class App(qt.QApplication):
        """The parts of qSlicerApplication that the module and slicer.util use."""

        startupCompleted = qt.Signal()
        isTesting = False

        def testingEnabled(self):
            return self.isTesting

        def startupEnvironment(self):
            return qt.QProcessEnvironment.systemEnvironment()

        def layoutManager(self):
            return None  # no views

    app = qt.adopt(App)(["rig"])
    app.setStyle("Fusion")
    app.setQuitOnLastWindowClosed(False)
    app.mainWindow = qt.QMainWindow()
    app.mainWindow.objectName = "qSlicerMainWindow"
    folder = Path(tempfile.mkdtemp(prefix="rig-"))
    app.temporaryPath = str(folder / "temporary")
    app.cachePath = str(folder / "cache")
    app.slicerUserSettingsFilePath = str(folder / "settings" / "Slicer.ini")
    for path in (app.temporaryPath, app.cachePath):
        Path(path).mkdir()
    return app


def _makeScene(slicer):
    import vtk

    scene = slicer.mrmlScene = slicer.vtkMRMLScene()
    logic = slicer.vtkSlicerApplicationLogic()
    logic.SetMRMLScene(scene)
    colors = logic.GetColorLogic()
    colors.SetMRMLScene(scene)
    colors.AddDefaultColorNodes()
    logic.SetModuleLogic("Colors", colors)
    slicer.app.applicationLogic = lambda: logic
    slicer.modules = types.SimpleNamespace()
    kinds = {
        "Segmentations": slicer.vtkSlicerSegmentationsModuleLogic,
        "Terminologies": slicer.vtkSlicerTerminologiesModuleLogic,
        "Volumes": slicer.vtkSlicerVolumesLogic,
    }
    vtk.vtkObject.GlobalWarningDisplayOff()  # Slicer's own terminology files are not in the wheel
    for name, kind in kinds.items():
        made = kind()
        made.SetMRMLScene(scene)
        made.SetMRMLApplicationLogic(logic)
        logic.SetModuleLogic(name, made)
        setattr(slicer.modules, name.lower(), types.SimpleNamespace(logic=lambda made=made: made))
    vtk.vtkObject.GlobalWarningDisplayOn()
    _watchHierarchy(slicer, scene, vtk)


def _watchHierarchy(slicer, scene, vtk):
    """Make an item for each node that people see, as Slicer's Qt plugins do."""
    kind = slicer.vtkMRMLSubjectHierarchyNode

    def ensureNode(*_):
        if not scene.GetNumberOfNodesByClass("vtkMRMLSubjectHierarchyNode"):
            scene.AddNode(kind())

    @vtk.calldata_type(vtk.VTK_OBJECT)
    def added(_caller, _event, node):
        hierarchy = kind.GetSubjectHierarchyNode(scene)
        isSeen = node.IsA("vtkMRMLDisplayableNode") and not node.GetHideFromEditors()
        if isSeen and not hierarchy.GetItemByDataNode(node):
            hierarchy.CreateItem(hierarchy.GetSceneItemID(), node)

    ensureNode()
    scene.AddObserver(scene.NodeAddedEvent, added)
    scene.AddObserver(scene.EndCloseEvent, ensureNode, 10.0)
