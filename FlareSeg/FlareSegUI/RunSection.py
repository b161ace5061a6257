"""The buttons that start a run and cancel it, and what is said when it has ended."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import slicer
from slicer import vtkMRMLSegmentationNode
from slicer.i18n import tr as _

from FlareSegUI import Nodes
from FlareSegUI.BatchSection import BatchSection, batchArguments, whyNotBatch
from FlareSegUI.Ears import Ears
from FlareSegUI.Frames import Frames, browserOf
from FlareSegUI.Job import Job
from FlareSegUI.Packages import Declined
from FlareSegUI.PackageSection import PackageSection
from FlareSegUI.Parameter import FlareSegParameterNode
from FlareSegUI.Readiness import Readiness
from FlareSegUI.ResultTable import whatToLookAt
from FlareSegUI.ResultView import ResultView
from FlareSegUI.RunDisplay import PERCENT, RunDisplay


class RunSection:
    """Apply, Run batch, and all else that the job of the panel does."""

    def __init__(
        self, ui: object, job: Job, parametersOf: Callable[[], FlareSegParameterNode | None]
    ) -> None:
        """Take the widgets, what runs, and what returns the state of the panel."""
        self._ui, self._job, self._parametersOf = ui, job, parametersOf
        self.display = RunDisplay(ui)
        self.result = ResultView(ui, parametersOf, self.onExport)
        self.batch = BatchSection(ui, self.updateButtons)
        self.packages = PackageSection(ui, self.onInstallFrom)
        self._readiness = Readiness(self.updateButtons)
        ui.applyButton.connect("clicked(bool)", self.onApplyButton)
        ui.batchButton.connect("clicked(bool)", self.onBatchButton)
        self._showIdle()

    def rest(self) -> None:
        """The panel is left: look at nothing until updateButtons() is called again."""
        self._readiness.stop()

    def updateButtons(self) -> None:
        """Enable the buttons, or say why not."""
        parameters = self._parametersOf()
        if self._job.isRunning or parameters is None:
            return
        reason = self._readiness.whyNot(parameters)
        self._ui.applyButton.enabled = reason is None
        self._ui.applyButton.toolTip = reason or _("Find the organs in the CT volume (Ctrl+Enter)")
        said = self.display.said or reason or self.result.hint()
        self._ui.statusLabel.text = said or _("Ready")
        batchReason = whyNotBatch(parameters)
        self._ui.batchButton.enabled = batchReason is None
        self._ui.batchButton.toolTip = batchReason or _("Segment every CT of the folder")

    # Start and cancel

    def onApplyKeys(self) -> None:
        """Apply, by keyboard."""
        if not self._job.isRunning and self._ui.applyButton.enabled:
            self.onApplyButton()

    def onCancelKey(self) -> None:
        """Cancel, by keyboard."""
        if self._job.isRunning:
            self.onCancel()

    def onApplyButton(self, _checked: bool = False) -> None:
        """Start; or cancel, if a run has not ended."""
        if self._job.isRunning:
            self.onCancel()
            return
        parameters = self._parametersOf()
        volume, target = parameters.inputVolume, parameters.outputSegmentation
        isSequence = parameters.allFrames and browserOf(volume) is not None
        if not isSequence and not Nodes.isEmpty(target) and not _mayReplace(target):
            return
        ears = self._ears(self.onDone)
        if isSequence:
            frames = Frames(self._job, volume, parameters.options(), ears)
            self._start(self._ui.applyButton, frames.start)
            return
        self._start(
            self._ui.applyButton,
            lambda: self._job.start(volume, target, parameters.options(), ears),
        )

    def onBatchButton(self, _checked: bool = False) -> None:
        """Start the batch; or cancel, if a run has not ended."""
        if self._job.isRunning:
            self.onCancel()
            return
        self.batch.takePaths()
        parameters = self._parametersOf()
        if reason := whyNotBatch(parameters):
            self._showIdle(reason)
            return
        arguments, options = batchArguments(parameters), parameters.options()
        folder = Path(parameters.batchOutput)  # the scene may be another one at the end
        ears = replace(
            self._ears(lambda _, code: self.onBatchDone(folder, code)),
            onCanceled=lambda: self.onBatchCanceled(folder),
        )
        self._start(self._ui.batchButton, lambda: self._job.startBatch(arguments, options, ears))

    def onInstallFrom(self, wheels: Path) -> None:
        """Install the packages from a folder of wheels."""
        ears = self._ears(self.onInstalled)
        runtime = self._parametersOf().runtime
        self._start(self._ui.applyButton, lambda: self._job.startInstall(wheels, runtime, ears))

    def onConvert(self, source: Path, onModel: Callable[[Path], None]) -> None:
        """Make a model of a trained nnU-Net; its folder is told to onModel."""
        ears, button = self._ears(self.onConverted), self._ui.applyButton
        self._start(button, lambda: self._job.startConversion(source, ears, onModel))

    def onExport(self, target: Path) -> None:
        """Write the organs that are shown as a labelmap or a DICOM file."""
        if self._job.isRunning:
            raise RuntimeError(_("FlareSeg is running: wait, or cancel it"))
        segmentation = self._parametersOf().outputSegmentation
        volume, ears = Nodes.sourceOf(segmentation), self._ears(self.onWritten)
        start = self._job.startExport
        self._start(self._ui.applyButton, lambda: start(segmentation, volume, target, ears))

    def onCancel(self) -> None:
        """Ask the run to stop."""
        self.display.showCanceling()
        self._job.cancel()

    def _start(self, button: "qt.QPushButton", start: Callable[[], None]) -> None:  # noqa: F821
        """Start a run, with this button to cancel it; if it cannot start, say why."""
        with slicer.util.tryWithErrorDisplay(_("FlareSeg cannot start.")):
            self._readiness.stop()
            self.display.showRunning(button)
            try:
                start()
            except Declined as choice:  # no error: the user said no
                self._showIdle(str(choice))
            except Exception as error:
                self._showIdle(str(error))
                raise

    # What a run tells

    def _ears(self, onDone: object) -> Ears:
        return Ears(self.onProgress, self.display.addLine, onDone, self.onFailed, self.onCanceled)

    def onProgress(self, step: str, share: float) -> None:
        """Show the step, and the time that is left."""
        self.display.showProgress(step, share)

    def onDone(self, segmentation: vtkMRMLSegmentationNode, _code: int) -> None:
        """Show the result."""
        said = _("Done in {seconds:.0f} s").format(seconds=self.display.elapsed)
        try:
            self._parametersOf().outputSegmentation = segmentation
            self.result.showNew()
        finally:
            looks = whatToLookAt(Nodes.reportOf(segmentation))
            self._showIdle(". ".join([said, *looks]), PERCENT)

    def onInstalled(self, _segmentation: None, _code: int) -> None:
        """Say that the packages are there."""
        self._showIdle(_("Installed. Press Apply"))

    def onConverted(self, _segmentation: None, _code: int) -> None:
        """Say that a model is there."""
        self._showIdle(_("Converted and chosen. Press Apply"), PERCENT)

    def onWritten(self, _segmentation: None, _code: int) -> None:
        """Say that a file is there."""
        self._showIdle(_("Written"), PERCENT)

    def onBatchDone(self, folder: Path, code: int) -> None:
        """Say how the batch ended."""
        said = _("Batch done; some cases failed") if code else _("Batch done")
        self._showIdle(f"{said}: {self.batch.showReport(folder)}", PERCENT)

    def onFailed(self, text: str) -> None:
        """Say why the run failed."""
        self._showIdle(_("Failed: {text}").format(text=text))
        self.display.addLine(text)
        slicer.util.errorDisplay(text, windowTitle="FlareSeg")

    def onCanceled(self) -> None:
        """Say that nothing was changed."""
        self._showIdle(_("Cancelled; nothing was changed"))

    def onBatchCanceled(self, folder: Path) -> None:
        """Say what is left of a batch."""
        self.batch.showReport(folder)
        self._showIdle(_("Cancelled; the cases that are finished stay"))

    def _showIdle(self, said: str = "", percent: int = 0) -> None:
        self.display.showIdle(said, percent, str(self._job.logFile or ""))
        self.packages.show()
        self.updateButtons()


def _mayReplace(segmentation: vtkMRMLSegmentationNode) -> bool:
    """Ask whether the segments of a segmentation may go."""
    question = _('Replace the segments of "{name}"? To keep them, choose "Create new on Apply".')
    asked = question.format(name=segmentation.GetName())
    return bool(slicer.util.confirmOkCancelDisplay(asked, windowTitle="FlareSeg"))
