"""One piece of work at a time in a process of its own: start, cancel, finished, failed.

The panel has a job and scripts have another, so that neither can meet the other's buttons.
"""

import logging
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import slicer
from slicer import vtkMRMLScalarVolumeNode, vtkMRMLSegmentationNode
from slicer.i18n import tr as _

from FlareSegUI import Checks, Dicom, Export, Folder, Models, Nodes, Packages, Result
from FlareSegUI.Ears import Ears, RunFailed
from FlareSegUI.Parameter import Options
from FlareSegUI.RunFiles import CT
from FlareSegUI.Runner import FAILED_TO_START, Listener, Runner
from FlareSegUI.Words import inPanel

SPOKEN = "flareseg: "
"""Before the line that says why a run failed."""


class Job:
    """Segments volumes of the scene, or runs batches; one after the other."""

    def __init__(self, runner: Runner) -> None:
        """Take what runs the command."""
        self._runner = runner
        self._isCanceled = False
        self._said: list[str] = []
        self.logFile: Path | None = None
        self.isOfScene = False
        """Whether the run ends with the scene; a batch, for one, does not need it."""

    @property
    def isRunning(self) -> bool:
        """Return whether a run has not ended yet."""
        return self._runner.isRunning

    def start(
        self,
        volume: vtkMRMLScalarVolumeNode,
        segmentation: vtkMRMLSegmentationNode | None,
        options: Options,
        ears: Ears,
        install: bool | None = None,
    ) -> None:
        """Start a run and return; the ears hear how it goes. Packages are installed first.

        Args:
            volume: A CT in HU.
            segmentation: Is overwritten at the end; None makes a new one.
            options: The choices.
            ears: Who is told.
            install: Whether packages may be installed; None asks.

        Raises:
            ValueError: The volume cannot be segmented.
            Declined: onnxruntime is not there, and is not to be installed.
            RunFailed: A run has not ended yet.
        """
        self._refuseTwo()
        if reason := Checks.whyNot(volume, options.model):
            raise ValueError(reason)
        self.isOfScene = True
        target = segmentation.GetID() if segmentation else None
        run = _Run(volume.GetID(), target, options)
        self._withPackages(options.runtime, install, ears, lambda: self._segment(run, ears))

    def startBatch(
        self, arguments: list[str], options: Options, ears: Ears, install: bool | None = None
    ) -> None:
        """Start `flareseg batch` with these arguments; the ears hear how it goes.

        Raises:
            PackageError: As for start; or the format is DICOM SEG, which this Slicer cannot write.
            RunFailed: A run has not ended yet.
        """
        self._refuseTwo()
        words = ["batch", *arguments]
        if ".dcm" in arguments:
            if reason := Packages.whyNotDicom():
                raise Packages.PackageError(reason)
            words += ["--seg", "binary"]  # what the DICOM modules of Slicer read
        some = (0, 1)  # 1: some cases failed; the lines and the summary say which
        run = lambda: self._work(words, ears, good=some)  # noqa: E731
        self._withPackages(options.runtime, install, ears, run)

    def startInstall(self, wheels: Path, runtime: str, ears: Ears) -> None:
        """Install what is needed from a folder of wheels, without network; nothing is asked.

        Raises:
            RunFailed: A run has not ended yet.
        """
        self._refuseTwo()
        packages = Packages.wantedFor(runtime)
        self._install(packages, wheels, ears, lambda: ears.onDone(None, 0))

    def startExport(
        self,
        segmentation: vtkMRMLSegmentationNode,
        volume: vtkMRMLScalarVolumeNode,
        target: Path,
        ears: Ears,
    ) -> None:
        """Start to write organs as a labelmap, or as a DICOM file that refers to the CT's own.

        Raises:
            RunFailed: Organs or CT cannot be written so; or a run has not ended yet.
        """
        self._refuseTwo()
        if target.suffix == ".dcm" and (reason := Dicom.whyNot(segmentation, volume)):
            raise RunFailed(reason)
        prepare = lambda folder: Export.prepare(folder, segmentation, volume, target)  # noqa: E731
        self._work(["export"], ears, prepare)

    def startConversion(
        self, source: Path, ears: Ears, onModel: Callable[[Path], None], install: bool | None = None
    ) -> None:
        """Start to make a model of a trained nnU-Net.

        Args:
            source: Its folder or zip.
            ears: Who is told.
            onModel: Takes the folder of the model, before the ears hear that it is done.
            install: As for start.

        Raises:
            PackageError: As for start.
            RunFailed: A run has not ended yet.
        """
        self._refuseTwo()

        def finish(folder: Path) -> None:
            onModel(Models.converted(folder))
            ears.onDone(None, 0)

        prepare = lambda folder: Models.askToConvert(folder, source)  # noqa: E731
        run = lambda: self._work(["model"], ears, prepare, finish)  # noqa: E731
        self._withPackages("onnxruntime", install, ears, run)

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

    def _refuseTwo(self) -> None:
        if self.isRunning:
            raise RunFailed(_("FlareSeg is running already: wait, or cancel it"))
        self._isCanceled = self.isOfScene = False
        self.logFile = Folder.newLog()

    def _withPackages(
        self, runtime: str, install: bool | None, ears: Ears, then: Callable[[], None]
    ) -> None:
        packages = Packages.missing(runtime)
        if packages:
            Packages.mayInstall(packages, answer=install)
            self._install(packages, None, ears, then)
        else:
            then()

    def _install(
        self,
        packages: list[Packages.Wanted],
        wheels: Path | None,
        ears: Ears,
        then: Callable[[], None],
    ) -> None:
        def ended(_folder: Path, code: int) -> None:
            if code == 0 and not self._isCanceled:
                Packages.accept()
                then()
                return
            Packages.reject()
            if self._isCanceled:
                ears.onCanceled()
            else:
                ears.onFailed(Packages.reasonOf(self._said, packages))

        names = ", ".join(wanted.name for wanted in packages)
        ears.onProgress(_("Installing {names}").format(names=names), 0.0)
        self._launch(Packages.pipArguments(packages, wheels), ears, ended, None)

    def _segment(self, run: "_Run", ears: Ears) -> None:
        volume = slicer.mrmlScene.GetNodeByID(run.volumeID)
        if volume is None:
            ears.onFailed(_("The volume was removed while FlareSeg was running"))
            return
        self._work(
            run.options.toRun(),
            ears,
            lambda folder: Nodes.writeVolume(volume, folder / CT),
            lambda folder: self._finish(run, folder, ears),
        )

    def _work(
        self,
        arguments: list[str],
        ears: Ears,
        prepare: Callable[[Path], None] | None = None,
        finish: Callable[[Path], None] | None = None,
        good: tuple[int, ...] = (0,),
    ) -> None:
        """Launch the worker, and tell the ears how it ended.

        prepare writes into the folder of the run what the worker needs; finish takes the folder of
        a run that ended with a good code, and tells so.
        """

        def ended(folder: Path, code: int) -> None:
            if self._isCanceled:
                ears.onCanceled()
            elif code not in good:
                ears.onFailed(self._reason(code))
            elif finish is not None:
                finish(folder)
            else:
                ears.onDone(None, code)

        self._launch(arguments, ears, ended, prepare)

    def _launch(
        self,
        arguments: list[str],
        ears: Ears,
        onEnd: Callable[[Path, int], None],
        prepare: Callable[[Path], None] | None,
    ) -> None:
        """Start the process in a folder of its own, which is removed when the run is over."""
        folder = Folder.newFolder()
        self._said = []

        def hear(line: str) -> None:
            self._said.append(line)
            ears.onLine(line)

        def ended(code: int) -> None:
            try:
                onEnd(folder, code)
            except Exception as error:  # whatever it is: a run must not stay without an end
                logging.exception("FlareSeg: the end of a run failed")
                ears.onFailed(_("Unexpected error: {error}").format(error=error))
            finally:
                shutil.rmtree(folder, ignore_errors=True)

        try:
            if prepare is not None:
                prepare(folder)
            self._runner.start(
                arguments, folder, self.logFile, Listener(ears.onProgress, hear, ended)
            )
        except Exception:
            shutil.rmtree(folder, ignore_errors=True)
            raise

    def _finish(self, run: "_Run", folder: Path, ears: Ears) -> None:
        volume = slicer.mrmlScene.GetNodeByID(run.volumeID)
        if volume is None:
            ears.onFailed(_("The volume was removed while FlareSeg was running"))
            return
        known = run.segmentationID and slicer.mrmlScene.GetNodeByID(run.segmentationID)
        labels = Models.labelsOf(run.options.model)
        try:
            segmentation = Result.toScene(folder, volume, known, labels)
        except (OSError, RuntimeError, ValueError) as error:
            ears.onFailed(_("The result cannot be read: {error}").format(error=error))
            return
        ears.onDone(segmentation, 0)

    def _reason(self, code: int) -> str:
        spoken = [line for line in self._said if line.startswith(SPOKEN)]
        if spoken:
            return inPanel(spoken[-1].removeprefix(SPOKEN))
        if code == FAILED_TO_START:
            return _("The worker process could not run, or crashed: see the log")
        return _("The worker process ended with code {code}: see the log").format(code=code)


@dataclass(frozen=True)
class _Run:
    """What is segmented, and how."""

    volumeID: str
    segmentationID: str | None
    options: Options
