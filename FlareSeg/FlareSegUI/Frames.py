"""Sequences: every frame of a volume sequence, one after the other, with one progress bar."""

from dataclasses import replace

import slicer
from slicer import vtkMRMLScalarVolumeNode, vtkMRMLSegmentationNode
from slicer.i18n import tr as _

from FlareSegUI import Nodes
from FlareSegUI.Ears import Ears
from FlareSegUI.Job import Job
from FlareSegUI.Parameter import Options


def browserOf(volume: vtkMRMLScalarVolumeNode | None) -> "vtkMRMLSequenceBrowserNode | None":  # noqa: F821
    """Return what shows a volume as a frame of a sequence; None for any other volume."""
    if volume is None:
        return None
    browsers = slicer.util.getNodesByClass("vtkMRMLSequenceBrowserNode")
    return next((one for one in browsers if one.GetSequenceNode(volume) is not None), None)


class Frames:
    """A run over all frames; its result is a sequence of segmentations in the same browser."""

    def __init__(
        self, job: Job, volume: vtkMRMLScalarVolumeNode, options: Options, ears: Ears
    ) -> None:
        """Take what is segmented.

        Args:
            job: Runs one frame at a time.
            volume: Is shown by a sequence browser.
            options: The choices, for all frames.
            ears: Hear of all frames as of one run; the result is what the browser shows of it.
        """
        self._job, self._volume, self._ears = job, volume, ears
        self._options = replace(options, doubt=False)  # a volume for each frame would be too much
        self._browser = browserOf(volume)
        self._frames = self._browser.GetSequenceNode(volume)
        self._count, self._index = self._frames.GetNumberOfDataNodes(), 0
        self._first = self._browser.GetSelectedItemNumber()
        self._segmentation: vtkMRMLSegmentationNode | None = None
        self._found: "vtkMRMLSequenceNode | None" = None  # noqa: F821, UP037

    def start(self, install: bool | None = None) -> None:
        """Start with the first frame; raises as Job.start()."""
        self._show(0)
        self._segmentation = Nodes.newSegmentation(self._volume)
        name = f"{self._frames.GetName()} organs"
        self._found = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSequenceNode", name)
        self._found.SetIndexName(self._frames.GetIndexName())
        self._found.SetIndexUnit(self._frames.GetIndexUnit())
        try:
            self._segment(install)
        except Exception:
            self._remove()
            raise

    def _segment(self, install: bool | None = None) -> None:
        ears = replace(
            self._ears,
            onProgress=self._tell,
            onDone=self._onFrame,
            onFailed=self._onFailed,
            onCanceled=self._onCanceled,
        )
        self._job.start(self._volume, self._segmentation, self._options, ears, install)

    def _tell(self, step: str, share: float) -> None:
        of = _("Frame {index} of {count}").format(index=self._index + 1, count=self._count)
        self._ears.onProgress(f"{of}: {step}", (self._index + share) / self._count)

    def _onFrame(self, segmentation: vtkMRMLSegmentationNode, code: int) -> None:
        value = self._frames.GetNthIndexValue(self._index)
        self._found.SetDataNodeAtValue(segmentation, value)
        self._index += 1
        if self._index < self._count:
            self._show(self._index)
            self._segment()
            return
        self._browser.AddSynchronizedSequenceNode(self._found)
        self._browser.AddProxyNode(segmentation, self._found, False)
        self._show(self._first)
        self._ears.onDone(segmentation, code)

    def _onFailed(self, text: str) -> None:
        self._remove()
        said = _("Frame {index} of {count}: {text}")
        self._ears.onFailed(said.format(index=self._index + 1, count=self._count, text=text))

    def _onCanceled(self) -> None:
        self._remove()
        self._ears.onCanceled()

    def _remove(self) -> None:
        """Leave the scene as it was."""
        for node in (self._found, self._segmentation):
            if node is not None and node.GetScene() is not None:
                slicer.mrmlScene.RemoveNode(node)
        if self._browser.GetScene() is not None:
            self._show(self._first)

    def _show(self, index: int) -> None:
        """Let the browser show a frame."""
        self._browser.SetSelectedItemNumber(index)
        slicer.modules.sequences.logic().UpdateProxyNodesFromSequences(self._browser)
