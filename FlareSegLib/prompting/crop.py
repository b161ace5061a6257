"""The crop that the network looks at: its frame, from the CT into it, and back.

Interpolation is a small matrix for each axis, so a crop is three products. Where the crop is
coarser than the CT its voxels are means, else linear; beyond the CT its outermost voxels go on.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from FlareSegLib.base.geometry import Box, Grid, Zyx
from FlareSegLib.prompting.prompts import Extent

Matrix = NDArray[np.float32]


@dataclass(frozen=True)
class Frame:
    """Where the voxels of a crop lie on a grid."""

    low: NDArray[np.float64]
    """Edge of its first voxel, grid mm (z, y, x)."""
    step: NDArray[np.float64]
    """Extent of a voxel, mm."""
    shape: Zyx

    @classmethod
    def about(cls, extent: Extent, ratio: float, shape: Zyx) -> Frame:
        """Return the frame about a box: ratio times as large, in a slice as wide as long."""
        z, y, x = extent.size
        side = max(y, x)
        size = np.array([z, side, side]) * ratio
        return cls(extent.centre - size / 2, size / np.array(shape), shape)

    def places(self, axis: int) -> NDArray[np.float64]:
        """Return the middles of its voxels along an axis, grid mm."""
        return np.array(self.low[axis] + (np.arange(self.shape[axis]) + 0.5) * self.step[axis])

    def index(self, at: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the (fractional) index of a point in grid mm."""
        return np.array((at - self.low) / self.step - 0.5)

    def voxels(self, grid: Grid) -> Box:
        """Return the voxels of a grid whose centres lie in it; at least one along each axis."""
        spacing = np.array(grid.spacing_mm)
        high = self.low + self.step * np.array(self.shape)
        last = np.array(grid.shape) - 1
        start = np.clip(np.ceil(self.low / spacing), 0, last).astype(int)
        stop = np.clip(np.floor(high / spacing), start, last).astype(int) + 1
        return Box(zyx(start), zyx(stop))


def read(array: NDArray[Any], grid: Grid, frame: Frame) -> NDArray[np.float32]:
    """Return what an array on a grid shows in a frame, float32."""
    ways = [
        _into(
            frame.places(axis) / grid.spacing_mm[axis], frame.step[axis] / grid.spacing_mm[axis], n
        )
        for axis, n in enumerate(array.shape)
    ]
    part = array[tuple(where for where, _ in ways)].astype(np.float32)
    return _apply(part, [matrix for _, matrix in ways])


def read_part(mask: NDArray[np.bool_], box: Box, grid: Grid, frame: Frame) -> NDArray[np.float32]:
    """Return what a mask that lies in a box of a grid shows in a frame; beyond the box nothing."""
    padded, spacing = np.pad(mask, 1), np.array(grid.spacing_mm)
    low = frame.low - (np.array(box.start) - 1) * spacing
    part = replace(grid, shape=padded.shape)
    return read(padded, part, Frame(low, frame.step, frame.shape))


def back(crop: NDArray[np.float32], frame: Frame, grid: Grid, box: Box) -> NDArray[np.float32]:
    """Return a crop interpolated linearly at the voxels of a grid inside box."""
    matrices = []
    for axis, (start, stop) in enumerate(zip(box.start, box.stop, strict=True)):
        at = np.arange(start, stop) * grid.spacing_mm[axis]
        index = (at - frame.low[axis]) / frame.step[axis] - 0.5
        matrices.append(_linear(index, frame.shape[axis]))
    return _apply(crop, matrices)


def _apply(array: NDArray[np.float32], matrices: list[Matrix]) -> NDArray[np.float32]:
    """Return an array with a matrix applied along each axis, that which shortens z first.

    Many small products, a slice each: of one large one BLAS makes threads that wait for each other.
    """
    z, y, x = matrices
    if z.shape[0] < z.shape[1]:
        array = _along_z(z, array)
    planes = np.matmul(np.matmul(y, array), x.T)
    if z.shape[0] >= z.shape[1]:
        planes = _along_z(z, planes)
    found: NDArray[np.float32] = np.ascontiguousarray(planes, np.float32)
    return found


def _along_z(z: Matrix, array: NDArray[np.float32]) -> NDArray[np.float32]:
    planes: NDArray[np.float32] = np.matmul(z, array.transpose(1, 0, 2)).transpose(1, 0, 2)
    return planes


def _into(places: NDArray[np.float64], width: float, count: int) -> tuple[slice, Matrix]:
    """Return the voxels that an axis is read from, and their weights.

    Args:
        places: Middles of the wanted voxels, in voxels of the source.
        width: Of a wanted voxel, in voxels of the source.
        count: Voxels of the source.
    """
    reach = max(width, 1.0) / 2 + 1
    first = int(np.clip(np.floor(places[0] - reach), 0, count - 1))
    last = int(np.clip(np.ceil(places[-1] + reach), first, count - 1))
    where, local = slice(first, last + 1), places - first
    if width <= 1:
        return where, _linear(local, last + 1 - first)
    return where, _means(local, width, last + 1 - first)


def _linear(index: NDArray[np.float64], count: int) -> Matrix:
    at = np.clip(index, 0, count - 1)
    low = np.minimum(np.floor(at).astype(int), max(count - 2, 0))
    matrix = np.zeros((len(at), count), np.float32)
    rows = np.arange(len(at))
    matrix[rows, low] = 1 - (at - low)
    matrix[rows, np.minimum(low + 1, count - 1)] += at - low
    return matrix


def _means(middles: NDArray[np.float64], width: float, count: int) -> Matrix:
    """Return the shares of voxels in boxes of a width; the outermost voxels reach to infinity."""
    edges = np.arange(1, count) - 0.5
    cut = np.clip(edges[None], (middles - width / 2)[:, None], (middles + width / 2)[:, None])
    low, high = middles - width / 2, middles + width / 2
    bounds = np.concatenate([low[:, None], cut, high[:, None]], axis=1)
    return (np.diff(bounds, axis=1) / width).astype(np.float32)


def zyx(values: NDArray[np.int_]) -> Zyx:
    """Return three numbers as Box and Grid hold them."""
    z, y, x = (int(value) for value in values)
    return z, y, x
