"""Markups of the scene to prompts, and answers to segments."""

import numpy as np
import slicer
import vtk
from slicer import vtkMRMLScalarVolumeNode, vtkMRMLSegmentationNode
from vtk.util.numpy_support import numpy_to_vtk

from FlareSegLib.prompting.prompt_files import COLORS, TERMINOLOGY
from FlareSegLib.prompting.prompts import BoxPrompt, ClickPrompt, LinePrompt, Prompt
from FlareSegUI import Nodes

MARK = "FlareSeg.prompt"
"""Attribute of the markups nodes of a thing: box, line, inside or outside."""
CLASSES = {
    "box": "vtkMRMLMarkupsROINode",
    "line": "vtkMRMLMarkupsLineNode",
    "inside": "vtkMRMLMarkupsFiducialNode",
    "outside": "vtkMRMLMarkupsFiducialNode",
}
SHOWN = {"inside": (0.2, 0.8, 0.2), "outside": (0.9, 0.2, 0.2)}


def newMarkups(kind: str, name: str) -> "vtkMRMLMarkupsNode":  # noqa: F821
    """Return a new, empty node for prompts of a kind; it is not saved with the scene."""
    node = slicer.mrmlScene.AddNewNodeByClass(CLASSES[kind], name)
    node.SetAttribute(MARK, kind)
    node.SetSaveWithScene(False)
    node.CreateDefaultDisplayNodes()
    if kind in SHOWN and node.GetDisplayNode() is not None:
        node.GetDisplayNode().SetSelectedColor(*SHOWN[kind])
    return node


def promptsOf(
    node: "vtkMRMLMarkupsNode",  # noqa: F821
    volume: vtkMRMLScalarVolumeNode,
) -> list[Prompt]:
    """Return what a node of markups asks for, in RAS of the volume without its transform."""
    kind, toVolume = node.GetAttribute(MARK), _toVolume(volume)
    points = [
        toVolume.TransformPoint(_worldPosition(node, i))
        for i in range(node.GetNumberOfControlPoints())
        if node.GetNthControlPointPositionStatus(i) == slicer.vtkMRMLMarkupsNode.PositionDefined
    ]
    if kind == "box":
        return (
            [_box(node, toVolume)] if len(points) == node.GetRequiredNumberOfControlPoints() else []
        )
    if kind == "line":
        return [LinePrompt(*map(tuple, points))] if len(points) == 2 else []
    return [ClickPrompt(tuple(point), kind == "inside") for point in points]


def _worldPosition(node: "vtkMRMLMarkupsNode", i: int) -> list[float]:  # noqa: F821
    at = [0.0, 0.0, 0.0]
    node.GetNthControlPointPositionWorld(i, at)
    return at


def _box(node: "vtkMRMLMarkupsROINode", toVolume: vtk.vtkAbstractTransform) -> BoxPrompt:  # noqa: F821
    matrix = node.GetObjectToWorldMatrix()
    centre = [matrix.GetElement(row, 3) for row in range(3)]
    axes, sizes = [], []
    for column, size in enumerate(node.GetSize()):
        axis = [matrix.GetElement(row, column) for row in range(3)]
        turned = np.array(toVolume.TransformVectorAtPoint(centre, axis))
        length = float(np.linalg.norm(turned))
        axes.append(tuple(float(v) for v in turned / length))
        sizes.append(size * length)
    return BoxPrompt(tuple(toVolume.TransformPoint(centre)), tuple(sizes), tuple(axes))


def _toVolume(volume: vtkMRMLScalarVolumeNode) -> vtk.vtkGeneralTransform:
    """Return the way from the world into the volume's own RAS."""
    way = vtk.vtkGeneralTransform()
    slicer.vtkMRMLTransformNode.GetTransformBetweenNodes(None, volume.GetParentTransformNode(), way)
    return way


def newSegment(segmentation: vtkMRMLSegmentationNode, name: str) -> str:
    """Return the ID of a new, empty segment with the code of a lesion."""
    inside = segmentation.GetSegmentation()
    taken = {inside.GetNthSegment(i).GetName() for i in range(inside.GetNumberOfSegments())}
    number = next(n for n in range(1, len(taken) + 2) if f"{name} {n}" not in taken)
    color = COLORS[(number - 1) % len(COLORS)]
    key = inside.AddEmptySegment("", f"{name} {number}", [part / 255 for part in color])
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
    ends = [(a, a + n - 1) for a, n in zip(reversed(start), reversed(mask.shape), strict=True)]
    image.SetExtent(*(value for pair in ends for value in pair))
    matrix = vtk.vtkMatrix4x4()
    volume.GetIJKToRASMatrix(matrix)
    image.SetGeometryFromImageToWorldMatrix(matrix)
    values = numpy_to_vtk(
        np.ascontiguousarray(mask).ravel(), deep=True, array_type=vtk.VTK_UNSIGNED_CHAR
    )
    values.SetName("ImageScalars")
    image.GetPointData().SetScalars(values)
    logic = slicer.vtkSlicerSegmentationsModuleLogic
    if not logic.SetBinaryLabelmapToSegment(image, segmentation, key, logic.MODE_REPLACE):
        raise RuntimeError("the mask cannot be written into the segmentation")


def segmentationFor(volume: vtkMRMLScalarVolumeNode) -> vtkMRMLSegmentationNode:
    """Return the segmentation of the volume's lesions, or a new one beside the volume.

    Lesions have one of their own: a run for organs replaces all segments of its segmentation.
    """
    found = slicer.mrmlScene.GetNodesByClass("vtkMRMLSegmentationNode")
    found.UnRegister(None)
    nodes = [found.GetItemAsObject(i) for i in range(found.GetNumberOfItems())]
    own = [node for node in nodes if node.GetAttribute(MARK) and Nodes.sourceOf(node) is volume]
    if own:
        return own[-1]
    name = slicer.mrmlScene.GenerateUniqueName(f"{volume.GetName()} lesions")
    made = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode", name)
    made.SetAttribute(MARK, "lesions")
    made.CreateDefaultDisplayNodes()
    Nodes.placeBeside(made, volume)
    return made
