"""FlareSeg for scripts and other modules; the panel has a job of its own beside it."""

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import slicer
from slicer import vtkMRMLScalarVolumeNode, vtkMRMLSegmentationNode
from slicer.i18n import tr as _
from slicer.ScriptedLoadableModule import ScriptedLoadableModuleLogic

from FlareSegUI.Ears import Ears, RunCanceled, RunFailed
from FlareSegUI.Frames import Frames, browserOf
from FlareSegUI.Job import Job
from FlareSegUI.Parameter import ALL_ORGANS, FlareSegParameterNode, Options
from FlareSegUI.Runner import ProcessRunner, Runner

FOLDER = Path(__file__).resolve().parents[1]
"""Where FlareSeg.py, Scripts and Resources are."""
WORKER = FOLDER / "Scripts" / "flareseg_worker.py"
POLL_SECONDS = 0.02


class FlareSegLogic(ScriptedLoadableModuleLogic):
    """Segments volumes of the scene, one after the other."""

    def __init__(self, newRunner: Callable[[], Runner] | None = None) -> None:
        """Take the collaborators.

        Args:
            newRunner: Makes what runs the command; None: a process of its own.
        """
        ScriptedLoadableModuleLogic.__init__(self)
        newRunner = newRunner or (lambda: ProcessRunner(WORKER))
        self.promptRunner = newRunner()
        """What answers the prompts of the panel."""
        self.panelJob = Job(newRunner())
        """What the buttons of the panel start and stop."""
        self.scriptJob = Job(newRunner())
        """What process() starts; the panel does not know of it."""

    def getParameterNode(self) -> FlareSegParameterNode:
        """Return the state of the panel, from the scene."""
        return FlareSegParameterNode(super().getParameterNode())

    def process(  # noqa: PLR0913  each of these is asked for
        self,
        inputVolume: vtkMRMLScalarVolumeNode,
        outputSegmentation: vtkMRMLSegmentationNode | None = None,
        speed: str | None = None,
        organs: tuple[str, ...] | str | None = None,
        *,
        waitForCompletion: bool = True,
        options: Options | None = None,
        install: bool | None = None,
    ) -> vtkMRMLSegmentationNode | Job:
        """Segment a CT; for scripts and other modules.

        Args:
            inputVolume: A CT in HU.
            outputSegmentation: Is overwritten; None makes a new one.
            speed: fast, balanced or accurate; None: that of the options.
            organs: Keys such as liver; None: those of the options; empty: all.
            waitForCompletion: Return when the run has ended; the application stays alive meanwhile.
            options: All choices; None: the defaults.
            install: True and False answer whether onnxruntime may be installed if it is missing;
                None asks, unless the variable FLARESEG_INSTALL has the answer (1 or 0).

        Returns:
            The segmentation; if it was not waited for the job, with isRunning and cancel().

        Raises:
            ValueError: The volume cannot be segmented.
            PackageError: onnxruntime is missing, and must not or cannot be installed.
            RunFailed: The run failed or was cancelled (the segmentation is as it was), or another
                one that a script has started goes on.
        """
        chosen = _chosen(options or Options(), speed, organs)
        start = lambda ears: self.scriptJob.start(  # noqa: E731
            inputVolume, outputSegmentation, chosen, ears, install
        )
        return self._run(start, waitForCompletion=waitForCompletion)

    def processFrames(
        self,
        inputVolume: vtkMRMLScalarVolumeNode,
        *,
        options: Options | None = None,
        install: bool | None = None,
    ) -> vtkMRMLSegmentationNode:
        """Segment all frames of the sequence that a volume is a frame of, and wait.

        Returns:
            What the sequence browser shows of the new sequence of segmentations.

        Raises:
            ValueError: The volume is no frame of a sequence, or a frame cannot be segmented.
            PackageError, RunFailed: See process(); no node is left then.
        """
        if browserOf(inputVolume) is None:
            raise ValueError(_("The volume is no frame of a sequence"))
        chosen = options or Options()
        return self._run(
            lambda ears: Frames(self.scriptJob, inputVolume, chosen, ears).start(install)
        )

    def _run(
        self, start: Callable[[Ears], None], *, waitForCompletion: bool = True
    ) -> vtkMRMLSegmentationNode | Job:
        found: list[vtkMRMLSegmentationNode] = []
        errors: list[RunFailed] = []
        ears = Ears(
            onDone=lambda segmentation, _code: found.append(segmentation),
            onFailed=lambda text: errors.append(RunFailed(text)),
            onCanceled=lambda: errors.append(RunCanceled(_("FlareSeg was cancelled"))),
        )
        if self.scriptJob.isRunning:
            raise RunFailed(
                _("process() is running already: wait until its job has ended, or cancel() it")
            )
        start(ears)
        if not waitForCompletion:
            return self.scriptJob
        while not (found or errors):
            slicer.app.processEvents()
            time.sleep(POLL_SECONDS)
        for error in errors:
            raise error
        return found[0]


def _chosen(options: Options, speed: str | None, organs: tuple[str, ...] | str | None) -> Options:
    """Return the options with what was said besides."""
    if speed is not None:
        options = replace(options, speed=speed)
    if organs is not None:
        text = organs if isinstance(organs, str) else ",".join(organs)
        options = replace(options, organs=text or ALL_ORGANS)
    return options
