"""The panel: asks and shows. Nothing is computed here; see Logic.py."""

import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import qt
import slicer
import vtk
from slicer import vtkMRMLScalarVolumeNode, vtkMRMLSegmentationNode
from slicer.i18n import tr as _
from slicer.ScriptedLoadableModule import ScriptedLoadableModuleWidget
from slicer.util import VTKObservationMixin

from FlareSegUI import Checks, Colors, Models, Nodes, Views
from FlareSegUI.BatchSection import BatchSection, batchArguments, whyNotBatch
from FlareSegUI.Doubt import DoubtLayer, nodeOf
from FlareSegUI.Frames import Frames, browserOf
from FlareSegUI.Job import Ears
from FlareSegUI.Logic import FlareSegLogic
from FlareSegUI.ModelSection import ModelSection
from FlareSegUI.NextSteps import NextSteps
from FlareSegUI.OrganList import OrganList
from FlareSegUI.Packages import Declined
from FlareSegUI.PackageSection import PackageSection
from FlareSegUI.Parameter import ALL_ORGANS, FlareSegParameterNode
from FlareSegUI.PromptSection import PromptSection
from FlareSegUI.ResultTable import ResultSection, whatToLookAt
from FlareSegUI.TimeLeft import TimeLeft

PERCENT = 100
MEMORY_MILLISECONDS = 2000
"""While memory is short, it is looked at again after this time."""
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
        self._checked: tuple = ()
        self._said = ""
        self._volumeID: str | None = None
        self._timeLeft = TimeLeft()
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
        self.batch = BatchSection(self.ui, self.updateButtons)
        self.results = ResultSection(self.ui)
        self.models = ModelSection(self.ui, self.updateButtons)
        self.packages = PackageSection(self.ui, self.onInstallFrom)
        self.nextSteps = NextSteps(self.ui, self.onDicom)
        self.doubt = DoubtLayer()
        self.prompts = PromptSection(self.layout, self.logic.promptRunner, self._volume)
        self._memoryTimer = qt.QTimer()
        self._memoryTimer.setInterval(MEMORY_MILLISECONDS)
        self._memoryTimer.connect("timeout()", self.updateButtons)
        self._connectButtons()
        for event, method in (
            (slicer.mrmlScene.StartCloseEvent, self.onSceneStartClose),
            (slicer.mrmlScene.EndCloseEvent, self.onSceneEndClose),
        ):
            self.addObserver(slicer.mrmlScene, event, method)
        slicer.app.connect("aboutToQuit()", self.onAboutToQuit)
        self._showIdle()
        self.initializeParameterNode()

    def _connectButtons(self) -> None:
        ui = self.ui
        ui.allButton.connect("clicked(bool)", lambda _=False: self.organs.choose(ALL_ORGANS))
        ui.noneButton.connect("clicked(bool)", lambda _=False: self.organs.choose(""))
        ui.applyButton.connect("clicked(bool)", self.onApplyButton)
        ui.batchButton.connect("clicked(bool)", self.onBatchButton)
        ui.show3DCheckBox.connect("toggled(bool)", self.onShow3D)
        ui.colorsComboBox.connect("currentTextChanged(QString)", self.onColors)
        for keys, method in (
            ("Ctrl+Return", self.onApplyKeys),
            ("Ctrl+Enter", self.onApplyKeys),
            ("Esc", self.onCancelKey),
        ):
            shortcut = qt.QShortcut(qt.QKeySequence(keys), ui.inputsSection.parent())
            shortcut.setContext(qt.Qt.WidgetWithChildrenShortcut)
            shortcut.connect("activated()", method)

    def cleanup(self) -> None:
        """Slicer ends, or the module is reloaded: end the job too."""
        self._memoryTimer.stop()
        self.job.cancel(wait=True)
        self.prompts.close()
        self.doubt.hide()
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
        self._memoryTimer.stop()
        if self._parameterNode is not None and not self.job.isRunning:
            self.setParameterNode(None)

    def onSceneStartClose(self, _caller: object, _event: object) -> None:
        """The volume goes: the job that works on it ends."""
        self.job.cancel(wait=True)
        self.prompts.close()
        self.doubt.hide()
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
        self.batch.show(parameters)
        self.models.show(parameters)
        self._observed = (parameters.parameterNode, _MODIFIED, self.onParametersChanged)
        self.addObserver(*self._observed)
        self.onParametersChanged()

    def onParametersChanged(self, _caller: object = None, _event: object = None) -> None:
        """Show the state of the parameter node."""
        self._said = ""
        self._followModel()
        self._followVolume()
        self.organs.show(self._parameterNode.organs)
        self.ui.framesCheckBox.visible = browserOf(self._parameterNode.inputVolume) is not None
        self._showResult()
        self.updateButtons()

    def _followModel(self) -> None:
        """List the organs of the chosen model; all of them, if it lacks one that was ticked."""
        labels = Models.labelsOf(self._parameterNode.modelFolder)
        self.organs.follow(labels)
        self._followDoubt()
        ticked = set(self._parameterNode.organs.split(",")) - {ALL_ORGANS, ""}
        if ticked - set(labels.keys):
            self._parameterNode.organs = ALL_ORGANS

    def _followDoubt(self) -> None:
        """A model with a recipe of its own does not tell its doubt."""
        canTell = Models.tellsDoubt(self._parameterNode.modelFolder)
        if not canTell and self._parameterNode.showDoubt:
            self._parameterNode.showDoubt = False
        self.ui.doubtCheckBox.enabled = canTell
        self.ui.doubtCheckBox.toolTip = (
            _("Color where the network is unsure; tick it before Apply, which finds it.")
            if canTell
            else _("This model does not tell where it is unsure.")
        )

    def _followVolume(self) -> None:
        """Where another CT was chosen, offer its own segmentation, or a new one."""
        volume = self._parameterNode.inputVolume
        if _idOf(volume) == self._volumeID or self.job.isRunning:
            return
        self._volumeID = _idOf(volume)
        if volume is not None:
            self._parameterNode.outputSegmentation = Nodes.segmentationOf(volume)

    def _showResult(self) -> None:
        segmentation = self._parameterNode.outputSegmentation
        self.results.show(Nodes.reportOf(segmentation))
        self.nextSteps.show(segmentation, Nodes.sourceOf(segmentation))
        self._showDoubt()

    def onOrgansChanged(self, text: str) -> None:
        """Keep the choice of organs."""
        self._parameterNode.organs = text

    # Buttons

    def updateButtons(self) -> None:
        """Enable the buttons, or say why not."""
        if self.job.isRunning or self._parameterNode is None:
            return
        reason = self._whyNot()
        self.ui.applyButton.enabled = reason is None
        self.ui.applyButton.toolTip = reason or _("Find the organs in the CT volume (Ctrl+Enter)")
        self.ui.statusLabel.text = self._said or reason or self._hint() or _("Ready")
        batchReason = whyNotBatch(self._parameterNode)
        self.ui.batchButton.enabled = batchReason is None
        self.ui.batchButton.toolTip = batchReason or _("Segment every CT of the folder")

    def _whyNot(self) -> str | None:
        """Return why Apply is disabled; the voxels are looked at once per volume and model."""
        parameters = self._parameterNode
        volume, model = parameters.inputVolume, parameters.options().model
        self._memoryTimer.stop()
        if not parameters.organs:
            return _("Tick at least one organ")
        state = (_stateOf(volume), parameters.modelFolder)
        if self._checked[:1] != (state,):
            self._checked = (state, Checks.whyNotEver(volume, model))
        if self._checked[1] is not None:
            return self._checked[1]
        reason = Checks.whyNotNow(volume, model)
        if reason is not None:  # memory comes back: look again, as long as the panel is open
            self._memoryTimer.start()
        return reason

    def onApplyKeys(self) -> None:
        """Apply, by keyboard."""
        if not self.job.isRunning and self.ui.applyButton.enabled:
            self.onApplyButton()

    def onCancelKey(self) -> None:
        """Cancel, by keyboard."""
        if self.job.isRunning:
            self.onCancel()

    def onApplyButton(self, _checked: bool = False) -> None:
        """Start; or cancel, if a run has not ended."""
        if self.job.isRunning:
            self.onCancel()
            return
        parameters = self._parameterNode
        volume, target = parameters.inputVolume, parameters.outputSegmentation
        isSequence = parameters.allFrames and browserOf(volume) is not None
        if not isSequence and not Nodes.isEmpty(target) and not self._mayReplace():
            return
        ears = self._ears(self.onDone)
        if isSequence:
            frames = Frames(self.job, volume, parameters.options(), ears)
            self._start(self.ui.applyButton, frames.start)
            return
        self._start(
            self.ui.applyButton,
            lambda: self.job.start(volume, target, parameters.options(), ears),
        )

    def _start(self, button: "qt.QPushButton", start: Callable[[], None]) -> None:
        """Start a run, with this button to cancel it; if it cannot start, say why."""
        with slicer.util.tryWithErrorDisplay(_("FlareSeg cannot start.")):
            self._showRunning(button)
            try:
                start()
            except Declined as choice:  # no error: the user said no
                self._showIdle(str(choice))
            except Exception as error:
                self._showIdle(str(error))
                raise

    def _mayReplace(self) -> bool:
        name = self._parameterNode.outputSegmentation.GetName()
        question = _(
            'Replace the segments of "{name}"? To keep them, choose "Create new on Apply".'
        ).format(name=name)
        return bool(slicer.util.confirmOkCancelDisplay(question, windowTitle="FlareSeg"))

    def onBatchButton(self, _checked: bool = False) -> None:
        """Start the batch; or cancel, if a run has not ended."""
        if self.job.isRunning:
            self.onCancel()
            return
        self.batch.takePaths()
        if reason := whyNotBatch(self._parameterNode):
            self._showIdle(reason)
            return
        arguments, options = batchArguments(self._parameterNode), self._parameterNode.options()
        ears = replace(self._ears(self.onBatchDone), onCanceled=self.onBatchCanceled)
        self._start(self.ui.batchButton, lambda: self.job.startBatch(arguments, options, ears))

    def onInstallFrom(self, wheels: Path) -> None:
        """Install the packages from a folder of wheels."""
        ears = self._ears(self.onInstalled)
        runtime = self._parameterNode.runtime
        self._start(self.ui.applyButton, lambda: self.job.startInstall(wheels, runtime, ears))

    def onDicom(self, target: Path) -> None:
        """Write the organs that are shown as a DICOM file."""
        if self.job.isRunning:
            raise RuntimeError(_("FlareSeg is running: wait, or cancel it"))
        segmentation = self._parameterNode.outputSegmentation
        volume, ears = Nodes.sourceOf(segmentation), self._ears(self.onWritten)
        start = self.job.startDicom
        self._start(self.ui.applyButton, lambda: start(segmentation, volume, target, ears))

    def onCancel(self) -> None:
        """Ask the run to stop."""
        self.ui.statusLabel.text = _("Cancelling…")
        self.ui.applyButton.enabled = False
        self.ui.batchButton.enabled = False
        self.job.cancel()

    def onColors(self, scheme: str) -> None:
        """Paint the organs that are there in other colors."""
        if self._parameterNode is not None and self._parameterNode.outputSegmentation is not None:
            labels = Models.labelsOf(self._parameterNode.modelFolder)
            Colors.paint(self._parameterNode.outputSegmentation, labels, scheme)

    def onShow3D(self, isShown: bool) -> None:
        """Show or hide the organs in 3-D."""
        if self._parameterNode is not None and self._parameterNode.outputSegmentation is not None:
            self._show3D(self._parameterNode.outputSegmentation, isShown)

    def _showDoubt(self) -> None:
        """Show or hide the doubt over the slices, as the switch says."""
        parameters = self._parameterNode
        self.doubt.show(parameters.outputSegmentation if parameters.showDoubt else None)

    def _hint(self) -> str:
        """Return what to do for a doubt that is asked for and was not found yet."""
        found = self._parameterNode.outputSegmentation
        isMissing = self._parameterNode.showDoubt and found is not None and nodeOf(found) is None
        return _("Press Apply again to find the doubt of this result") if isMissing else ""

    def _show3D(self, segmentation: vtkMRMLSegmentationNode, isShown: bool) -> None:
        """Show the organs; surfaces that are missing are made one by one, and it is said."""
        before = self.ui.statusLabel.text

        def tell(name: str) -> None:
            self.ui.statusLabel.text = _("Making surfaces: {name}").format(name=name)
            slicer.app.processEvents()

        Nodes.show3D(segmentation, isShown, tell)
        self.ui.statusLabel.text = before

    # What a run tells

    def _ears(self, onDone: object) -> Ears:
        return Ears(self.onProgress, self.onLine, onDone, self.onFailed, self.onCanceled)

    def onProgress(self, step: str, share: float) -> None:
        """Show the step, and the time that is left."""
        self.ui.progressBar.value = round(PERCENT * share)
        left = self._timeLeft.text(share)
        self.ui.statusLabel.text = f"{step} – {left}" if left else step  # noqa: RUF001

    def onLine(self, line: str) -> None:
        """Add a line to the log."""
        self.ui.logText.appendPlainText(line)

    def onDone(self, segmentation: vtkMRMLSegmentationNode, _code: int) -> None:
        """Show the result."""
        said = _("Done in {seconds:.0f} s").format(seconds=self._timeLeft.elapsed)
        try:
            self._parameterNode.outputSegmentation = segmentation
            self.onColors(self._parameterNode.colors)
            self._show3D(segmentation, self._parameterNode.show3D)
            Views.centre(segmentation)
            self._showDoubt()
        finally:
            looks = whatToLookAt(Nodes.reportOf(segmentation))
            self._showIdle(". ".join([said, *looks]), PERCENT)

    def onInstalled(self, _segmentation: None, _code: int) -> None:
        """Say that the packages are there."""
        self.packages.show()
        self._showIdle(_("Installed. Press Apply"))

    def onWritten(self, _segmentation: None, _code: int) -> None:
        """Say that a file is there."""
        self._showIdle(_("Written"), PERCENT)

    def onBatchDone(self, _segmentation: None, code: int) -> None:
        """Say how the batch ended."""
        said = _("Batch done; some cases failed") if code else _("Batch done")
        self._showIdle(f"{said}: {self.batch.showReport()}", PERCENT)

    def onFailed(self, text: str) -> None:
        """Say why the run failed."""
        self._showIdle(_("Failed: {text}").format(text=text))
        self.ui.logText.appendPlainText(text)
        slicer.util.errorDisplay(text, windowTitle="FlareSeg")

    def onCanceled(self) -> None:
        """Say that nothing was changed."""
        self._showIdle(_("Cancelled; nothing was changed"))

    def onBatchCanceled(self) -> None:
        """Say what is left of a batch."""
        self.batch.showReport()
        self._showIdle(_("Cancelled; the cases that are finished stay"))

    def _showRunning(self, button: "qt.QPushButton") -> None:
        """Show that a run goes on; this button cancels it, all else waits."""
        self._timeLeft = TimeLeft()
        self._said = ""
        self._memoryTimer.stop()
        self.ui.progressBar.value = 0
        self.ui.progressBar.visible = True
        self.ui.logText.clear()
        self.ui.statusLabel.text = _("Starting…")
        for one in (self.ui.applyButton, self.ui.batchButton):
            one.enabled = one is button
        button.text = _("Cancel")
        button.toolTip = _("Stop (Esc); nothing is changed")
        self._enableInputs(False)

    def _showIdle(self, said: str = "", percent: int = 0) -> None:
        """Show that nothing runs, and what became of the last run."""
        self._said = said
        self.ui.progressBar.value = percent
        self.ui.progressBar.visible = bool(said)
        self.ui.applyButton.text = _("Apply")
        self.ui.batchButton.text = _("Run batch")
        self.ui.statusLabel.text = said
        self.ui.logFileLabel.text = str(self.job.logFile or "")
        self.packages.show()
        self._enableInputs(True)
        self.updateButtons()

    def _enableInputs(self, isEnabled: bool) -> None:
        ui = self.ui
        sections = (ui.inputsSection, ui.outputsSection, ui.advancedSection)
        batch = (
            ui.batchInputPath, ui.batchOutputPath, ui.batchSkipCheckBox, ui.batchFormatComboBox,
        )  # fmt: skip
        for widget in (*sections, *batch):
            widget.enabled = isEnabled


def _idOf(node: vtkMRMLScalarVolumeNode | None) -> str | None:
    return node.GetID() if node is not None else None


def _stateOf(volume: vtkMRMLScalarVolumeNode | None) -> tuple:
    """Return what changes when the voxels or the grid of a volume do."""
    image = volume.GetImageData() if volume is not None else None
    times = (volume.GetID(), volume.GetMTime()) if volume is not None else ()
    return (*times, image.GetMTime() if image is not None else 0)
