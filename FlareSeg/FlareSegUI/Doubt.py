"""How unsure the network is at each voxel, in percent: a layer over the slices, and off again."""

from pathlib import Path

import slicer
import vtk
from slicer import vtkMRMLScalarVolumeNode, vtkMRMLSegmentationNode
from slicer.i18n import tr as _

from FlareSegLib.reporting.view_volumes import DOUBT_OPACITY, color_doubt
from FlareSegUI import Voxels
from FlareSegUI.RunFiles import DOUBT_ARRAY

ROLE = "FlareSeg.doubt"
"""Reference from a segmentation to the volume of its doubt."""


def toScene(
    folder: Path, volume: vtkMRMLScalarVolumeNode, segmentation: vtkMRMLSegmentationNode
) -> None:
    """Put the doubt of a run into the scene; without any, that of the run before goes.

    Args:
        folder: Of the run.
        volume: The CT.
        segmentation: Its organs.
    """
    node = nodeOf(segmentation)
    if not (folder / DOUBT_ARRAY).is_file():
        if node is not None:
            slicer.mrmlScene.RemoveNode(node)
        return
    if node is None:
        name = _("{name} doubt").format(name=segmentation.GetName())
        node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", name)
        segmentation.SetNodeReferenceID(ROLE, node.GetID())
    if node.GetDisplayNode() is None:
        node.CreateDefaultDisplayNodes()
    # before it has voxels, of which Slicer would make a histogram
    color_doubt(node.GetDisplayNode())
    image = vtk.vtkImageData()
    Voxels.load(folder / DOUBT_ARRAY, image)
    node.SetAndObserveImageData(image)
    node.CopyOrientation(volume)
    node.SetAndObserveTransformNodeID(volume.GetTransformNodeID())


def nodeOf(segmentation: vtkMRMLSegmentationNode | None) -> vtkMRMLScalarVolumeNode | None:
    """Return the doubt of a segmentation; None if its run did not tell it."""
    return segmentation.GetNodeReference(ROLE) if segmentation is not None else None


class DoubtLayer:
    """The layer in the slice views; remembers what was there before."""

    def __init__(self) -> None:
        self._before: dict[str, tuple[str | None, float]] = {}
        self._shown: str | None = None

    def show(self, segmentation: vtkMRMLSegmentationNode | None) -> None:
        """Show the doubt of a segmentation, if there is any, in place of what is shown.

        Args:
            segmentation: None hides.
        """
        node = nodeOf(segmentation)
        wanted = node.GetID() if node is not None else None
        if wanted != self._shown:
            self.hide()
            if wanted is not None:
                self._put(wanted)

    def _put(self, wanted: str) -> None:
        self._shown = wanted
        for composite in _composites():
            before = composite.GetForegroundVolumeID(), composite.GetForegroundOpacity()
            self._before[composite.GetID()] = before
            composite.SetForegroundVolumeID(wanted)
            composite.SetForegroundOpacity(DOUBT_OPACITY)

    def hide(self) -> None:
        """Give the views back what they showed, but where a user has chosen something since."""
        for composite in _composites():
            if self._shown and composite.GetForegroundVolumeID() in (self._shown, None):
                volume, opacity = self._before.get(composite.GetID(), (None, 0.0))
                composite.SetForegroundVolumeID(volume)
                composite.SetForegroundOpacity(opacity)
        self._shown = None
        self._before.clear()


def _composites() -> list:
    return slicer.util.getNodesByClass("vtkMRMLSliceCompositeNode")
