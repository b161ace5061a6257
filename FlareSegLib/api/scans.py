"""Scans as other programs hold them: files, SimpleITK and nibabel images, NumPy arrays."""

from __future__ import annotations

import copy
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk
from numpy.typing import ArrayLike, NDArray

from FlareSegLib.base.errors import InputError
from FlareSegLib.base.geometry import Grid, Labelmap, Volume
from FlareSegLib.images.checked import checked
from FlareSegLib.images.reading import read_volume, to_volume
from FlareSegLib.images.writing import to_image

_RAS_TO_LPS = np.array([-1.0, -1.0, 1.0])


@dataclass(frozen=True)
class Scan:
    """A CT that was checked, and the way back to what it came as."""

    volume: Volume
    """HU."""
    to_caller: Callable[[Labelmap], Any]
    """Gives labels as the kind of thing that the CT was."""


def to_scan(
    ct: Any,
    *,
    spacing: Sequence[float] | None = None,
    affine: ArrayLike | None = None,
    modality: str = "CT",
) -> Scan:
    """Return a CT in whatever form it comes.

    Args:
        ct: See api.segment.segment.
        spacing: Of a NumPy array, see there.
        affine: Of a NumPy array, see there.
        modality: What the model takes.

    Raises:
        InputError: It is no CT, or nothing that is understood.
    """
    if isinstance(ct, np.ndarray):
        return _from_array(ct, spacing, affine, modality)
    if spacing is not None or affine is not None:
        raise InputError(f"a {type(ct).__name__} knows its spacing: leave out spacing and affine")
    if isinstance(ct, str | os.PathLike):
        return Scan(read_volume(Path(ct), modality=modality), to_image)
    if isinstance(ct, sitk.Image):
        return _from_simpleitk(ct, modality)
    if hasattr(ct, "dataobj") and hasattr(ct, "affine"):
        return _from_nibabel(ct, modality)
    raise InputError(
        f"a {type(ct).__name__} is no CT: give a path, a SimpleITK or nibabel image, or a NumPy "
        "array with spacing or affine"
    )


def _from_simpleitk(image: sitk.Image, modality: str) -> Scan:
    if image.GetDimension() != 3 or image.GetNumberOfComponentsPerPixel() != 1:
        raise InputError(
            f"the image has {image.GetDimension()} dimensions and "
            f"{image.GetNumberOfComponentsPerPixel()} values a voxel: give one 3-D CT"
        )
    return Scan(checked(to_volume(image), "the image", modality=modality), to_image)


def _from_nibabel(image: Any, modality: str) -> Scan:
    scan = _from_array(np.asanyarray(image.dataobj), None, image.affine, modality)

    def to_caller(labelmap: Labelmap) -> Any:
        header = copy.deepcopy(image.header)
        header.set_data_dtype(np.uint8)
        return type(image)(labelmap.array, image.affine, header)

    return Scan(scan.volume, to_caller)


def _from_array(
    array: NDArray[Any],
    spacing: Sequence[float] | None,
    affine: ArrayLike | None,
    modality: str,
) -> Scan:
    if array.ndim != 3:
        raise InputError(f"the array has {array.ndim} axes: give one 3-D CT")
    if (spacing is None) == (affine is None):
        raise InputError("an array needs its spacing in mm or its affine: give one of the two")
    grid = _grid_of_spacing(array, spacing) if spacing is not None else _grid_of(array, affine)
    volume = checked(Volume(array, grid), "the array", modality=modality)
    return Scan(volume, lambda labelmap: labelmap.array)


def _grid_of_spacing(array: NDArray[Any], spacing: Sequence[float]) -> Grid:
    steps = np.asarray(spacing, float)
    if steps.shape != (3,):
        raise InputError(f"spacing is {spacing}: give three numbers in mm, for the axes (z, y, x)")
    z, y, x = steps.tolist()
    return Grid(array.shape, (z, y, x))


def _grid_of(array: NDArray[Any], affine: ArrayLike | None) -> Grid:
    """Return the grid of an affine as nibabel's: array index to (R, A, S) in mm."""
    matrix = np.asarray(affine, float)
    if matrix.shape != (4, 4) or not np.isfinite(matrix).all():
        raise InputError(
            f"affine is {matrix.tolist()}: give 4 x 4 finite numbers, as nibabel's affine"
        )
    axes = matrix[:3, :3].T * _RAS_TO_LPS
    steps = np.linalg.norm(axes, axis=1)
    if not steps.all():
        raise InputError("affine has an axis of length 0: give the affine of the image")
    direction = tuple(tuple(float(v) for v in axis) for axis in axes / steps[:, None])
    origin = tuple(float(v) for v in matrix[:3, 3] * _RAS_TO_LPS)
    return Grid(array.shape, tuple(steps.tolist()), origin, direction)  # type: ignore[arg-type]
