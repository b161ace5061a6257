"""Volumes in the viewer's scene: the CT, and over it how unsure the network was.

How doubt looks is the same in the panel of 3D Slicer, which takes it from here.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from FlareSegLib.base.geometry import Labelmap, Volume

LPS_TO_RAS = np.diag([-1.0, -1.0, 1.0])
LEAST_PERCENT, MOST_PERCENT = 5, 60
"""Of doubt: less is not shown, more has the brightest color."""
DOUBT_OPACITY = 0.6
"""Of doubt over the slices."""


def add_volume(scene: Any, volume: Volume | Labelmap, name: str = "CT") -> Any:
    """Return the node of a volume: (z, y, x) becomes (x, y, z), LPS becomes RAS."""
    from vtkmodules.util.numpy_support import numpy_to_vtk
    from vtkmodules.vtkCommonDataModel import vtkImageData
    from vtkmodules.vtkCommonMath import vtkMatrix4x4

    grid = volume.grid
    image = vtkImageData()
    image.SetDimensions(*reversed(grid.shape))
    scalars = numpy_to_vtk(np.ascontiguousarray(volume.array).ravel(), deep=True)
    image.GetPointData().SetScalars(scalars)
    steps = LPS_TO_RAS @ np.array(grid.direction).T * np.array(grid.spacing_mm)
    matrix = vtkMatrix4x4()
    for row in range(3):
        for column in range(3):
            matrix.SetElement(row, column, steps[row, 2 - column])
        matrix.SetElement(row, 3, (LPS_TO_RAS @ np.array(grid.origin))[row])
    node = scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", name)
    node.SetAndObserveImageData(image)
    node.SetIJKToRASMatrix(matrix)
    node.CreateDefaultDisplayNodes()
    node.GetDisplayNode().SetAutoWindowLevel(False)
    return node


def add_doubt(scene: Any, doubt: Labelmap) -> Any:
    """Return the node of doubt in percent."""
    node = add_volume(scene, doubt, "doubt")
    color_doubt(node.GetDisplayNode())
    return node


def color_doubt(shown: Any) -> None:
    """Let a volume's display show percent from red to yellow, and nothing where they are low."""
    from slicer import vtkMRMLColorLogic, vtkMRMLColorTableNode

    color = vtkMRMLColorLogic.GetColorTableNodeID(vtkMRMLColorTableNode.Warm1)
    shown.SetAndObserveColorNodeID(color)
    shown.SetAutoWindowLevel(False)
    shown.SetWindowLevelMinMax(0, MOST_PERCENT)
    shown.SetAutoThreshold(False)
    shown.SetThreshold(LEAST_PERCENT, 100)
    shown.SetApplyThreshold(True)


def show_over(scene: Any, node: Any | None) -> None:
    """Show a volume over the slices; None: nothing."""
    found = scene.GetNodesByClass("vtkMRMLSliceCompositeNode")
    found.UnRegister(None)
    for i in range(found.GetNumberOfItems()):
        composite = found.GetItemAsObject(i)
        composite.SetForegroundVolumeID(node.GetID() if node is not None else None)
        composite.SetForegroundOpacity(DOUBT_OPACITY if node is not None else 0.0)
