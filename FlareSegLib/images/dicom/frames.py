"""Read the voxels of an enhanced CT: frames of a file, in the order of a stack."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from FlareSegLib.base.errors import InputError
from FlareSegLib.images.dicom.apart import read_apart
from FlareSegLib.images.dicom.elements import is_coded
from FlareSegLib.images.dicom.enhanced import Layout, layout_of
from FlareSegLib.images.dicom.header import Slice
from FlareSegLib.images.dicom.nested import opened
from FlareSegLib.images.dicom.stack import CONVERT, EXPORT

_INT16 = np.iinfo(np.int16)


def read_frames(slices: Sequence[Slice], name: str) -> sitk.Image:
    """Return the volume in frames, in HU: int16 if that holds all values, else float32.

    Args:
        slices: Frames that are one straight stack, in order.
        name: What messages call it.

    Raises:
        InputError: Some frames have no rescale, or coded voxels cannot be read.
        ResourceError: They do not fit into memory.
    """
    scales = [_scale(one, name) for one in slices]
    if any(is_coded(one.path) for one in slices):
        image = sitk.GetImageFromArray(_decoded(slices, name))
    else:
        image = sitk.GetImageFromArray(_in_hu(_stored(slices), scales))
    _place(image, slices)
    return image


def _scale(one: Slice, name: str) -> tuple[float, float]:
    """Return slope and intercept of a frame."""
    try:
        slope, intercept = map(float, one.rescale.split(" "))
    except ValueError:
        raise InputError(
            f"{name} has no rescale to HU in frame {(one.frame or 0) + 1} "
            f"({one.rescale[:40].strip() or 'missing'}): {EXPORT}"
        ) from None
    return slope, intercept


def _stored(slices: Sequence[Slice]) -> list[NDArray[np.generic]]:
    """Return the frames (y, x) as they stand in their files, mapped or copied."""
    files: dict[Path, NDArray[np.generic]] = {}
    for path in {one.path for one in slices}:
        with opened(path) as data:
            layout = layout_of(data)
        files[path] = np.memmap(path, _dtype(layout), "r", layout.voxels_at, layout.shape)
        files[path] = _without_other_bits(files[path], layout)
    return [files[one.path][one.frame or 0] for one in slices]


def _dtype(layout: Layout) -> str:
    return "<i2" if layout.bits[2] else "<u2"


def _without_other_bits(voxels: NDArray[np.generic], layout: Layout) -> NDArray[np.generic]:
    """Return voxels without bits beyond those that are stored, which may hold anything."""
    stored, high, _ = layout.bits
    if (stored, high) == (16, 15):
        return voxels
    up, down = np.array([15 - high, 16 - stored], voxels.dtype)
    kept: NDArray[np.generic] = np.right_shift(np.left_shift(voxels, up), down)
    return kept


def _in_hu(
    stored: Sequence[NDArray[np.generic]], scales: Sequence[tuple[float, float]]
) -> NDArray[np.generic]:
    is_whole = all(float(value).is_integer() for scale in scales for value in scale)
    ends = [
        float(end) * slope + intercept
        for one, (slope, intercept) in zip(stored, scales, strict=True)
        for end in (one.min(), one.max())
    ]
    fits = is_whole and _INT16.min <= min(ends) and max(ends) <= _INT16.max
    array = np.empty((len(stored), *stored[0].shape), np.int16 if fits else np.float32)
    for plane, one, (slope, intercept) in zip(array, stored, scales, strict=True):
        plane[:] = one.astype(np.float64) * slope + intercept
    return array


def _decoded(slices: Sequence[Slice], name: str) -> NDArray[np.generic]:
    """Return coded frames as a child decodes them: with the rescale of one of them for all."""
    paths = sorted({one.path for one in slices})
    with opened(paths[0]) as data:
        layout = layout_of(data)
    if len(paths) > 1 or not layout.is_scaled_alike:
        raise InputError(
            f"{name} has compressed frames in several files, or of different rescale: {CONVERT}"
        )
    array: NDArray[np.generic] = sitk.GetArrayFromImage(read_apart(paths))
    if array.shape != layout.shape:
        raise InputError(f"{name} gave {array.shape} voxels for {layout.shape}: {CONVERT}")
    return array[[one.frame or 0 for one in slices]]


def _place(image: sitk.Image, slices: Sequence[Slice]) -> None:
    """Give an image the place in the world that its frames say."""
    first, last = slices[0], slices[-1]
    row, column = (np.array(axis) / np.linalg.norm(axis) for axis in np.reshape(first.axes, (2, 3)))
    row_mm, column_mm = first.spacing_mm
    way_mm = np.linalg.norm(np.subtract(last.position_mm, first.position_mm))
    step_mm = float(way_mm) / (len(slices) - 1) if len(slices) > 1 else 1.0
    image.SetSpacing((column_mm, row_mm, step_mm))
    image.SetOrigin(first.position_mm)
    image.SetDirection(np.stack([row, column, np.cross(row, column)], axis=1).ravel().tolist())
