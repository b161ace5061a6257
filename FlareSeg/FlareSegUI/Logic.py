"""Start, cancel, finished, failed: all that FlareSeg does in Slicer, usable without the panel."""

import json
import shutil
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

import slicer
from slicer import vtkMRMLScalarVolumeNode, vtkMRMLSegmentationNode
from slicer.i18n import tr as _
from slicer.ScriptedLoadableModule import ScriptedLoadableModuleLogic

from FlareSegUI import Checks, Models, Nodes
from FlareSegUI.Dependencies import ensureDependencies
from FlareSegUI.Parameter import ALL_ORGANS, FlareSegParameterNode, Options
from FlareSegUI.Runner import FAILED_TO_START, Listener, ProcessRunner, Runner

FOLDER = Path(__file__).resolve().parents[1]
"""Where FlareSeg.py, Scripts and Resources are."""
WORKER = FOLDER / "Scripts" / "flareseg_worker.py"
REQUIREMENTS = FOLDER / "Resources" / "requirements.txt"
DICOM_REQUIREMENTS = FOLDER / "Resources" / "requirements-dicom.txt"
"""For DICOM SEG only."""
SPOKEN = "flareseg: "
"""Before the line that says why a run failed."""
POLL_SECONDS = 0.02


class RunFailed(RuntimeError):
    """A run ended without a result; the message says why."""


class RunCanceled(RunFailed):
    """A run was cancelled; nothing was changed."""


def _ignore(*_: object) -> None:
    """Do nothing."""


@dataclass(frozen=True)
class Ears:
    """Who wants to hear of a run. Exactly one of the last three is called, once."""

    onProgress: Callable[[str, float], None] = _ignore
    """Takes the step and the share that is done, in [0, 1]."""
    onLine: Callable[[str], None] = _ignore
    """Takes a line for the log."""
    onDone: Callable[[vtkMRMLSegmentationNode | None, int], None] = _ignore
    """Takes the result (None after a batch) and the exit code."""
    onFailed: Callable[[str], None] = _ignore
    """Takes the reason, for people."""
    onCanceled: Callable[[], None] = _ignore
    """Nothing was changed."""


class FlareSegLogic(ScriptedLoadableModuleLogic):
    """Segments volumes of the scene, one at a time."""

    def __init__(
        self, runner: Runner | None = None, ensure: Callable[[Path], None] = ensureDependencies
    ) -> None:
        """Take the collaborators.

        Args:
            runner: Runs the command; None: a process of its own.
            ensure: Installs what the file of requirements asks for.
        """
        ScriptedLoadableModuleLogic.__init__(self)
        self._runner = runner or ProcessRunner(WORKER)
        self._ensure = ensure
        self._isCanceled = False
        self.logFile: Path | None = None

    def getParameterNode(self) -> FlareSegParameterNode:
        """Return the state of the panel, from the scene."""
        return FlareSegParameterNode(super().getParameterNode())

    @property
    def isRunning(self) -> bool:
        """Return whether a run has not ended yet."""
        return self._runner.isRunning

    def process(
        self,
        inputVolume: vtkMRMLScalarVolumeNode,
        outputSegmentation: vtkMRMLSegmentationNode | None = None,
        speed: str = "balanced",
        organs: tuple[str, ...] = (),
        *,
        waitForCompletion: bool = True,
        options: Options | None = None,
    ) -> vtkMRMLSegmentationNode | None:
        """Segment a CT; for scripts and other modules.

        Args:
            inputVolume: A CT in HU.
            outputSegmentation: Is overwritten; None makes a new one.
            speed: fast, balanced or accurate.
            organs: Keys such as liver; empty means all.
            waitForCompletion: Return when the run has ended; the application stays alive meanwhile.
            options: All other choices; speed and organs above win.

        Returns:
            The segmentation; None if it was not waited for.

        Raises:
            ValueError: The volume cannot be segmented.
            RunFailed: The run failed or was cancelled; the segmentation is as it was.
        """
        chosen = ",".join(organs) or ALL_ORGANS
        options = replace(options or Options(), speed=speed, organs=chosen)
        found: list[vtkMRMLSegmentationNode] = []
        errors: list[RunFailed] = []
        ears = Ears(
            onDone=lambda segmentation, _code: found.append(segmentation),
            onFailed=lambda text: errors.append(RunFailed(text)),
            onCanceled=lambda: errors.append(RunCanceled("FlareSeg was cancelled")),
        )
        self.start(inputVolume, outputSegmentation, options, ears)
        if not waitForCompletion:
            return None
        while self.isRunning:
            slicer.app.processEvents()
            time.sleep(POLL_SECONDS)
        for error in errors:
            raise error
        return found[0]

    def start(
        self,
        volume: vtkMRMLScalarVolumeNode,
        segmentation: vtkMRMLSegmentationNode | None,
        options: Options,
        ears: Ears,
    ) -> None:
        """Start a run and return; the ears hear how it goes.

        Raises:
            ValueError: The volume cannot be segmented.
            DependencyError: onnxruntime is not there, and was refused or could not be installed.
            RunFailed: A run has not ended yet.
        """
        if reason := Checks.whyNot(volume, options.model):
            raise ValueError(reason)
        self._prepare()
        folder = Path(tempfile.mkdtemp(prefix="FlareSeg-", dir=slicer.app.temporaryPath))
        run = _Run(volume.GetID(), segmentation.GetID() if segmentation else None, folder, options)
        try:
            Nodes.writeVolume(volume, run.source)
            self._launch(run.toArguments(), ears, lambda code: self._onEnd(run, ears, code))
        except Exception:
            run.remove()
            raise

    def startBatch(self, arguments: list[str], ears: Ears) -> None:
        """Start `flareseg batch` with these arguments; the ears hear how it goes.

        Raises:
            DependencyError: As for start, and of highdicom if the format is DICOM SEG.
            RunFailed: A run has not ended yet.
        """
        self._prepare()
        if ".dcm" in arguments:
            self._ensure(DICOM_REQUIREMENTS)
            arguments = [*arguments, "--seg", "binary"]  # what the DICOM modules of Slicer read
        self._launch(["batch", *arguments], ears, lambda code: self._onBatchEnd(ears, code))

    def _prepare(self) -> None:
        if self.isRunning:
            raise RunFailed(_("FlareSeg is running already: wait, or cancel it"))
        self._ensure(REQUIREMENTS)
        self._isCanceled = False
        self._said: list[str] = []

    def _launch(self, arguments: list[str], ears: Ears, onEnd: Callable[[int], None]) -> None:
        self.logFile = _newLogFile()

        def hear(line: str) -> None:
            self._said.append(line)
            ears.onLine(line)

        self._runner.start(arguments, self.logFile, Listener(ears.onProgress, hear, onEnd))

    def cancel(self, *, wait: bool = False) -> None:
        """Stop the run, if there is one; no file of it stays, and no node is changed.

        Args:
            wait: Return when the process is gone.
        """
        if not self.isRunning:
            return
        self._isCanceled = True
        self._runner.stop()
        if wait:
            self._runner.wait()

    def _onEnd(self, run: "_Run", ears: Ears, code: int) -> None:
        try:
            if self._isCanceled:
                ears.onCanceled()
            elif code:
                ears.onFailed(self._reason(code))
            else:
                self._finish(run, ears)
        finally:
            run.remove()

    def _finish(self, run: "_Run", ears: Ears) -> None:
        volume = slicer.mrmlScene.GetNodeByID(run.volumeID)
        if volume is None:
            ears.onFailed(_("The volume was removed while FlareSeg was running"))
            return
        try:
            segmentation = run.toScene(volume)
        except (OSError, RuntimeError, ValueError) as error:
            ears.onFailed(_("The result cannot be read: {error}").format(error=error))
            return
        ears.onDone(segmentation, 0)

    def _onBatchEnd(self, ears: Ears, code: int) -> None:
        if self._isCanceled:
            ears.onCanceled()
        elif code in (0, 1):  # 1: some cases failed; the lines and the summary say which
            ears.onDone(None, code)
        else:
            ears.onFailed(self._reason(code))

    def _reason(self, code: int) -> str:
        spoken = [line for line in self._said if line.startswith(SPOKEN)]
        if spoken:
            return spoken[-1].removeprefix(SPOKEN)
        if code == FAILED_TO_START:
            return _("The worker process could not run, or crashed: see the log")
        return _("The worker process ended with code {code}: see the log").format(code=code)


@dataclass(frozen=True)
class _Run:
    """A run and its temporary folder."""

    volumeID: str
    segmentationID: str | None
    folder: Path
    options: Options

    @property
    def source(self) -> Path:
        return self.folder / "ct.nrrd"

    @property
    def labelmap(self) -> Path:
        return self.folder / "organs.seg.nrrd"

    @property
    def report(self) -> Path:
        return self.folder / "report.json"

    def toArguments(self) -> list[str]:
        """Return the words for the command."""
        files = [str(self.source), "-o", str(self.labelmap), "--report", str(self.report)]
        return ["segment", *files, "--progress", "json", *self.options.toArguments()]

    def toScene(self, volume: vtkMRMLScalarVolumeNode) -> vtkMRMLSegmentationNode:
        """Return the segmentation with the result: the one asked for, or a new one."""
        report = json.loads(self.report.read_text(encoding="utf-8"))
        report["run"]["input"] = volume.GetName()
        labels = Models.labelsOf(self.options.model)
        known = self.segmentationID and slicer.mrmlScene.GetNodeByID(self.segmentationID)
        segmentation = known or Nodes.newSegmentation(volume)
        try:
            Nodes.readSegmentation(self.labelmap, segmentation, labels)
        except RuntimeError:
            if not known:
                slicer.mrmlScene.RemoveNode(segmentation)
            raise
        Nodes.placeBeside(segmentation, volume)
        Nodes.keepOrigin(segmentation, report, labels)
        return segmentation

    def remove(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)


def _newLogFile() -> Path:
    """Return where the lines of a run are kept."""
    stamp = datetime.now().strftime("%Y%m%d-%H%M%S")
    return Path(slicer.app.temporaryPath) / "FlareSeg-logs" / f"flareseg-{stamp}.log"
