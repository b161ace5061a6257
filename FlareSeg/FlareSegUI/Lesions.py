"""Lesions in the scene: their segments, and what was measured of them."""

import json

import numpy as np
import slicer
import vtk
from slicer import vtkMRMLScalarVolumeNode, vtkMRMLSegmentationNode
from slicer.i18n import tr as _

from FlareSegLib.prompting.lesion_codes import COLORS, TERMINOLOGY
from FlareSegUI import Nodes, Voxels
from FlareSegUI.PromptNodes import MARK

FACTS = f"{Nodes.PREFIX}lesions"
"""Attribute of a segmentation of lesions: what was measured, by the IDs of the segments."""
MEASURED = ("ml", "hu_mean", "longest_mm", "across_mm", "flags")
"""What is kept of an answer with the segment."""
NAME = "lesion"
RGB = 255


def newSegment(segmentation: vtkMRMLSegmentationNode, name: str = NAME) -> str:
    """Return the ID of a new, empty segment with the code of a lesion."""
    inside = segmentation.GetSegmentation()
    taken = {inside.GetNthSegment(i).GetName() for i in range(inside.GetNumberOfSegments())}
    number = next(n for n in range(1, len(taken) + 2) if f"{name} {n}" not in taken)
    color = COLORS[(number - 1) % len(COLORS)]
    key = inside.AddEmptySegment("", f"{name} {number}", [part / RGB for part in color])
    segment = inside.GetSegment(key)
    segment.SetTag(segment.GetTerminologyEntryTagName(), TERMINOLOGY)
    return key


def writeMask(
    segmentation: vtkMRMLSegmentationNode,
    key: str,
    volume: vtkMRMLScalarVolumeNode,
    start: list[int],
    mask: np.ndarray,
) -> None:
    """Make a mask the whole of a segment; only its extent is touched, and no other segment.

    Args:
        segmentation: Of the volume.
        key: ID of the segment.
        volume: What the mask lies on.
        start: First voxel (k, j, i) of the mask.
        mask: uint8, (k, j, i).
    """
    image = slicer.vtkOrientedImageData()
    Voxels.fill(image, mask, start)
    matrix = vtk.vtkMatrix4x4()
    volume.GetIJKToRASMatrix(matrix)
    image.SetGeometryFromImageToWorldMatrix(matrix)
    logic = slicer.vtkSlicerSegmentationsModuleLogic
    if not logic.SetBinaryLabelmapToSegment(image, segmentation, key, logic.MODE_REPLACE):
        raise RuntimeError("the mask cannot be written into the segmentation")


def segmentationFor(volume: vtkMRMLScalarVolumeNode) -> vtkMRMLSegmentationNode:
    """Return the segmentation of the volume's lesions, or a new one beside the volume.

    Lesions have one of their own: a run for organs replaces all segments of its segmentation.
    """
    if own := [node for node in segmentationsOf(volume) if node.GetAttribute(MARK)]:
        return own[-1]
    name = slicer.mrmlScene.GenerateUniqueName(f"{volume.GetName()} lesions")
    made = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode", name)
    made.SetAttribute(MARK, "lesions")
    made.CreateDefaultDisplayNodes()
    Nodes.placeBeside(made, volume)
    return made


def segmentationsOf(volume: vtkMRMLScalarVolumeNode) -> list[vtkMRMLSegmentationNode]:
    """Return the segmentations of a CT: of organs, of lesions, of other modules."""
    nodes = slicer.util.getNodesByClass("vtkMRMLSegmentationNode")
    return [node for node in nodes if Nodes.sourceOf(node) is volume]


def isThere(segment: tuple[vtkMRMLSegmentationNode, str]) -> bool:
    """Return whether a segment is in the scene."""
    segmentation, key = segment
    known = slicer.mrmlScene.GetNodeByID(segmentation.GetID() or "") is segmentation
    return known and segmentation.GetSegmentation().GetSegment(key) is not None


class Lesion:
    """The lesion at hand: its segment is made with the first answer."""

    labels = None
    """Of what was there before: nothing."""
    isThere = True
    """It is made anew where it was removed."""

    def __init__(self, volume: vtkMRMLScalarVolumeNode) -> None:
        """Take the CT."""
        self.segment: tuple[vtkMRMLSegmentationNode, str] | None = None
        self._volume = volume

    def write(self, answer: dict) -> None:
        """Give the segment the voxels of an answer, and the table what was measured of them."""
        if self.segment is None or not isThere(self.segment):
            segmentation = segmentationFor(self._volume)
            self.segment = (segmentation, newSegment(segmentation))
        writeMask(*self.segment, self._volume, answer["start"], answer["mask"])
        keepFacts(*self.segment, {key: answer[key] for key in MEASURED})

    def finish(self, _tell: object) -> None:
        """Nothing is left to be done."""

    def clear(self) -> None:
        """Remove the segment."""
        if self.segment is not None and isThere(self.segment):
            segmentation, key = self.segment
            segmentation.GetSegmentation().RemoveSegment(key)
        self.segment = None


def keepFacts(segmentation: vtkMRMLSegmentationNode, key: str, facts: dict) -> None:
    """Write what was measured of a segment into the node; it is saved with the scene."""
    known = factsOf(segmentation) | {key: facts}
    inside = segmentation.GetSegmentation()
    there = {one: known[one] for one in known if inside.GetSegment(one) is not None}
    segmentation.SetAttribute(FACTS, json.dumps(there, ensure_ascii=False))


def factsOf(segmentation: vtkMRMLSegmentationNode) -> dict:
    """Return what was measured of the lesions of a segmentation, by the IDs of their segments."""
    return json.loads(segmentation.GetAttribute(FACTS) or "{}")


def rowsOf(volume: vtkMRMLScalarVolumeNode | None) -> list[dict]:
    """Return the lesions of a CT as the report of a run has its organs, with sizes."""
    if volume is None:
        return []
    return [row for node in segmentationsOf(volume) for row in _rowsIn(node)]


def _rowsIn(segmentation: vtkMRMLSegmentationNode) -> list[dict]:
    inside, facts = segmentation.GetSegmentation(), factsOf(segmentation)
    keys = [key for key in inside.GetSegmentIDs() if key in facts]
    return [_row(inside.GetSegment(key), key, facts[key]) for key in keys]


def _row(segment: "vtkSegment", key: str, facts: dict) -> dict:  # noqa: F821
    return {
        "key": key,
        "name": segment.GetName(),
        "color": [round(RGB * part) for part in segment.GetColor()],
        "volume_ml": facts["ml"],
        "mean_hu": facts["hu_mean"],
        "size": sizeText(facts) if facts["hu_mean"] is not None else "",
        "flags": facts["flags"],
    }


def sizeText(facts: dict) -> str:
    """Return the two diameters, as they are read out."""
    text = _("{long:.1f} x {across:.1f} mm")
    return text.format(long=facts["longest_mm"], across=facts["across_mm"])
