"""Voxels into an image of VTK, copied once; and the box that holds all that is not 0."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import vtk
from vtk.util.numpy_support import vtk_to_numpy


def load(path: Path, image: vtk.vtkImageData, start: Sequence[int] = (0, 0, 0)) -> None:
    """Give an image the voxels of a .npy file that the worker left; see fill()."""
    fill(image, np.load(path, mmap_mode="r"), start)


def fill(image: vtk.vtkImageData, array: np.ndarray, start: Sequence[int] = (0, 0, 0)) -> None:
    """Give an image voxels, and the extent that they have.

    Args:
        image: Takes them.
        array: uint8 (k, j, i).
        start: Index (k, j, i) of the first voxel.
    """
    ends = [(a, a + n - 1) for a, n in zip(start, array.shape, strict=True)]
    image.SetExtent(*(edge for pair in reversed(ends) for edge in pair))
    image.AllocateScalars(vtk.VTK_UNSIGNED_CHAR, 1)
    vtk_to_numpy(image.GetPointData().GetScalars())[:] = array.ravel()


def cut(array: np.ndarray) -> tuple[list[int], np.ndarray]:
    """Return the first index (k, j, i) of what is not 0, of which there is some, and its box."""
    places = [np.flatnonzero(array.any(axis)) for axis in ((1, 2), (0, 2), (0, 1))]
    part = array[tuple(slice(at[0], at[-1] + 1) for at in places)]
    return [int(at[0]) for at in places], part
