"""Markups of the scene: to prompts, and to copies that undo brings back."""

import numpy as np
import slicer
import vtk
from slicer import vtkMRMLScalarVolumeNode

from FlareSegLib.prompting.prompts import BoxPrompt, ClickPrompt, LinePrompt, Prompt

MARK = "FlareSeg.prompt"
"""Attribute of the nodes of a thing: box, line, inside or outside; lesions: its segmentation."""
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


def snapshotOf(node: "vtkMRMLMarkupsNode") -> "vtkMRMLMarkupsNode":  # noqa: F821
    """Return a copy of a node of markups outside of the scene, without a point not yet placed."""
    kept = node.CreateNodeInstance()
    kept.UnRegister(None)  # the call above gives it away
    kept.CopyContent(node)
    for i in reversed(range(kept.GetNumberOfControlPoints())):
        if kept.GetNthControlPointPositionStatus(i) != kept.PositionDefined:
            kept.RemoveNthControlPoint(i)
    return kept
