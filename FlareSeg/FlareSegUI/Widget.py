"""The panel: asks and shows. Nothing is computed here; see Logic.py."""

import sys

import qt
import slicer
import vtk
from slicer import vtkMRMLScalarVolumeNode
from slicer.ScriptedLoadableModule import ScriptedLoadableModuleWidget
from slicer.util import VTKObservationMixin

from FlareSegUI import Models, Nodes
from FlareSegUI.Frames import browserOf
from FlareSegUI.Logic import FlareSegLogic
from FlareSegUI.ModelSection import ModelSection
from FlareSegUI.OrganList import OrganList
from FlareSegUI.Parameter import ALL_ORGANS, FlareSegParameterNode
from FlareSegUI.PromptSection import PromptSection
from FlareSegUI.RunSection import RunSection

_MODIFIED = vtk.vtkCommand.ModifiedEvent
_PACKAGES = ("FlareSegUI", "FlareSegLib")


class FlareSegWidget(ScriptedLoadableModuleWidget, VTKObservationMixin):
    """The panel of the module FlareSeg."""

    def __init__(self, parent: object = None, logic: FlareSegLogic | None = None) -> None:
        """Take the collaborators; Slicer gives the parent only."""
        VTKObservationMixin.__init__(self)
        self.logic = logic  # before the base class, which calls setup() when there is no parent
        self._parameterNode: FlareSegParameterNode | None = None
        self._guiTag = None
        self._volumeID: str | None = None
        ScriptedLoadableModuleWidget.__init__(self, parent)

    def setup(self) -> None:
        """Build the panel."""
        ScriptedLoadableModuleWidget.setup(self)
        widget = slicer.util.loadUI(self.resourcePath("UI/FlareSeg.ui"))
        self.layout.addWidget(widget)
        self.ui = slicer.util.childWidgetVariables(widget)
        widget.setMRMLScene(slicer.mrmlScene)
        self.logic = self.logic or FlareSegLogic()
        self.job = self.logic.panelJob
        self.organs = OrganList(self.ui.organList, self.onOrgansChanged)
        self.runs = RunSection(self.ui, self.job, lambda: self._parameterNode)
        self.models = ModelSection(self.ui, self.runs.updateButtons, self.runs.onConvert)
        self.prompts = PromptSection(
            self.layout, self.logic.promptRunner, self._volume, self.runs.result.showTable
        )
        self._connectButtons()
        for event, method in (
            (slicer.mrmlScene.StartCloseEvent, self.onSceneStartClose),
            (slicer.mrmlScene.EndCloseEvent, self.onSceneEndClose),
        ):
            self.addObserver(slicer.mrmlScene, event, method)
        slicer.app.connect("aboutToQuit()", self.onAboutToQuit)
        self.initializeParameterNode()

    def _connectButtons(self) -> None:
        ui = self.ui
        ui.allButton.connect("clicked(bool)", lambda _=False: self.organs.choose(ALL_ORGANS))
        ui.noneButton.connect("clicked(bool)", lambda _=False: self.organs.choose(""))
        for keys, method in (
            ("Ctrl+Return", self.runs.onApplyKeys),
            ("Ctrl+Enter", self.runs.onApplyKeys),
            ("Esc", self.runs.onCancelKey),
        ):
            shortcut = qt.QShortcut(qt.QKeySequence(keys), ui.inputsSection.parent())
            shortcut.setContext(qt.Qt.WidgetWithChildrenShortcut)
            shortcut.connect("activated()", method)

    def cleanup(self) -> None:
        """Slicer ends, or the module is reloaded: end the job too."""
        self.runs.rest()
        self.job.cancel(wait=True)
        self.prompts.close()
        self.runs.result.close()
        self.setParameterNode(None)
        self.removeObservers()
        slicer.app.disconnect("aboutToQuit()", self.onAboutToQuit)

    def _volume(self) -> vtkMRMLScalarVolumeNode | None:
        return self._parameterNode.inputVolume if self._parameterNode is not None else None

    def onAboutToQuit(self) -> None:
        """Slicer ends: end the job too."""
        self.prompts.close()
        self.job.cancel(wait=True)

    def onReload(self) -> None:
        """Forget the packages too, so that Reload loads what was edited."""
        for name in [name for name in sys.modules if name.split(".")[0] in _PACKAGES]:
            del sys.modules[name]
        ScriptedLoadableModuleWidget.onReload(self)

    def enter(self) -> None:
        """The panel is opened."""
        self.initializeParameterNode()

    def exit(self) -> None:
        """The panel is left: it need not follow the scene."""
        self.runs.rest()
        if self._parameterNode is not None and not self.job.isRunning:
            self.setParameterNode(None)

    def onSceneStartClose(self, _caller: object, _event: object) -> None:
        """The volume goes: a run that works on it ends; a batch goes on."""
        if self.job.isOfScene:
            self.job.cancel(wait=True)
        self.prompts.close()
        self.runs.result.close()
        self.setParameterNode(None)

    def onSceneEndClose(self, _caller: object, _event: object) -> None:
        """Start anew in the empty scene."""
        if getattr(self.parent, "isEntered", True):
            self.initializeParameterNode()

    # Parameter node

    def initializeParameterNode(self) -> None:
        """Take the state from the scene; choose the volume that is shown if none was chosen."""
        self.setParameterNode(self.logic.getParameterNode())
        if self._parameterNode.inputVolume is None:
            first = Nodes.firstVolume()
            if first is not None:
                self._parameterNode.inputVolume = first

    def setParameterNode(self, parameters: FlareSegParameterNode | None) -> None:
        """Bind the widgets to a parameter node, or to none."""
        if self._parameterNode is not None:
            self._parameterNode.disconnectGui(self._guiTag)
            self.removeObserver(*self._observed)
        self._parameterNode = parameters
        if parameters is None:
            return
        self._volumeID = _idOf(parameters.inputVolume)
        self._guiTag = parameters.connectGui(self.ui)
        self.runs.batch.show(parameters)
        self.models.show(parameters)
        self._observed = (parameters.parameterNode, _MODIFIED, self.onParametersChanged)
        self.addObserver(*self._observed)
        self.onParametersChanged()

    def onParametersChanged(self, _caller: object = None, _event: object = None) -> None:
        """Show the state of the parameter node."""
        self.runs.display.said = ""
        self._followModel()
        self._followVolume()
        self.organs.show(self._parameterNode.organs)
        self.ui.framesCheckBox.visible = browserOf(self._parameterNode.inputVolume) is not None
        self.runs.result.show()
        self.runs.updateButtons()

    def _followModel(self) -> None:
        """List the organs of the chosen model; all of them, if it lacks one that was ticked."""
        labels = Models.labelsOf(self._parameterNode.modelFolder)
        self.organs.follow(labels)
        self.runs.result.followModel()
        ticked = set(self._parameterNode.organs.split(",")) - {ALL_ORGANS, ""}
        if ticked - set(labels.keys):
            self._parameterNode.organs = ALL_ORGANS

    def _followVolume(self) -> None:
        """Where another CT was chosen, offer its own segmentation, or a new one."""
        volume = self._parameterNode.inputVolume
        if _idOf(volume) == self._volumeID or self.job.isRunning:
            return
        self._volumeID = _idOf(volume)
        if volume is not None:
            self._parameterNode.outputSegmentation = Nodes.segmentationOf(volume)

    def onOrgansChanged(self, text: str) -> None:
        """Keep the choice of organs."""
        self._parameterNode.organs = text


def _idOf(node: vtkMRMLScalarVolumeNode | None) -> str | None:
    return node.GetID() if node is not None else None
