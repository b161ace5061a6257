"""Start the stand-in application, and open a module in it."""

import importlib.util
import os
import re
import sys
import tempfile
import types
from pathlib import Path

RIG = Path(__file__).resolve().parent
SOURCE = "FLARESEG_SLICER_SOURCE"
"""Variable with a copy of Slicer's source: its own Python files are taken instead of ours."""
_state: dict[str, object] = {}


def start():
    """Return the application; the first call makes it."""
    if "app" not in _state:
        os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
        import slicer

        slicer.__path__.append(str(partsOfSlicer()))
        from Testing.slicer.rig import SampleData, ctk, hierarchy, qt

        sys.modules |= {"qt": qt, "ctk": ctk, "SampleData": SampleData}
        _state["app"] = slicer.app = _makeApp(qt)
        _nameWidgets(slicer, ctk, qt)
        hierarchy.install(slicer)
        _makeScene(slicer)
    return _state["app"]


def partsOfSlicer():
    """Return the folder with ScriptedLoadableModule and others: Slicer's own if it is at hand."""
    source = os.environ.get(SOURCE)
    return Path(source) / "Base" / "Python" / "slicer" if source else RIG / "slicer_parts"


def _nameWidgets(slicer, ctk, qt):
    """Give the names of widgets that Slicer's parameterNodeWrapper asks for."""
    from Testing.slicer.rig import qmrml

    slicer.qMRMLNodeComboBox, slicer.qMRMLWidget = qmrml.qMRMLNodeComboBox, qmrml.qMRMLWidget
    if os.environ.get(SOURCE):
        text = (partsOfSlicer() / "parameterNodeWrapper" / "guiConnectors.py").read_text("utf-8")
        for owner, place in ((ctk, r"ctk\.(ctk\w+)"), (slicer, r"slicer\.(qMRML\w+)")):
            for name in set(re.findall(place, text)) - set(dir(owner)):
                setattr(owner, name, type(name, (qt.QWidget,), {}))


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
    module.instance = getattr(module, name)(types.SimpleNamespace(path=str(path), name=name))
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

        def moduleManager(self):
            return modules

        def userSettings(self):
            return settings

    @qt.adopt
    class ModuleManager(qt.QObject):
        """As qSlicerModuleManager: tells before a module is unloaded."""

        moduleAboutToBeUnloaded = qt.Signal(str)

    app = qt.adopt(App)(["rig"])
    modules = qt.equip(ModuleManager())
    app.setStyle("Fusion")
    app.setQuitOnLastWindowClosed(False)
    app.mainWindow = qt.QMainWindow()
    app.mainWindow.objectName = "qSlicerMainWindow"
    folder = Path(tempfile.mkdtemp(prefix="rig-"))
    app.temporaryPath = str(folder / "temporary")
    app.cachePath = str(folder / "cache")
    settings = qt.QSettings(str(folder / "Slicer.ini"), qt.QSettings.IniFormat)
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
        "Sequences": slicer.vtkSlicerSequencesLogic,
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
