"""The views on a result: slices through its middle, linked, and 3-D around it."""

import slicer
from slicer import vtkMRMLSegmentationNode

ROOM = 1.2
"""Slices show so many times the extent of the organs, or more."""


def centre(segmentation: vtkMRMLSegmentationNode) -> None:
    """Move slices and 3-D views to the middle of the organs; nothing without views or organs."""
    manager = slicer.app.layoutManager()
    bounds = [0.0] * 6
    segmentation.GetRASBounds(bounds)
    if manager is None or bounds[0] > bounds[1]:
        return
    middle = [(bounds[2 * axis] + bounds[2 * axis + 1]) / 2 for axis in range(3)]
    sizes = [bounds[2 * axis + 1] - bounds[2 * axis] for axis in range(3)]
    for name in manager.sliceViewNames():
        logic = manager.sliceWidget(name).sliceLogic()
        logic.GetSliceCompositeNode().SetLinkedControl(True)
        logic.GetSliceNode().JumpSliceByCentering(*middle)
        _fit(logic.GetSliceNode(), sizes)
    for number in range(manager.threeDViewCount):
        manager.threeDWidget(number).threeDView().resetFocalPoint()


def _fit(node: "vtkMRMLSliceNode", sizes: list[float]) -> None:  # noqa: F821
    """Let a slice view show all of a box (R, A, S), mm, as large as it fits."""
    columns, rows, _ = node.GetDimensions()
    if not (columns and rows):  # a view that was never shown
        return
    axes = node.GetSliceToRAS()
    across, up = (
        sum(abs(axes.GetElement(row, column)) * sizes[row] for row in range(3))
        for column in range(2)
    )
    width = ROOM * max(across, up * columns / rows)
    node.SetFieldOfView(width, width * rows / columns, node.GetFieldOfView()[2])
