"""Labels on the grid of the CT from logits on the coarse grid of the model.

Interpolating 14 channels to every voxel and taking the arg-max costs a hundred times more than the
network (Testing/benchmarks). Where the eight logits around a voxel agree on the class, so does any
mean of
them: only voxels in mixed cells are interpolated. The labels are those of the plain way; a test
compares the two.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, TypeVar

import numpy as np
from numpy.typing import NDArray

from FlareSegLib.geometry import Grid, ZyxMm

if TYPE_CHECKING:
    from scipy.sparse import csr_array

Item = TypeVar("Item")
logger = logging.getLogger(__name__)

MIXED = 255
"""Stands for a cell whose corners differ; no organ has this value."""


@dataclass(frozen=True)
class Axis:
    """Interpolation along one axis: voxel i of the CT lies between logits low[i] and high[i]."""

    low: NDArray[np.intp]
    high: NDArray[np.intp]
    share: NDArray[np.float32]
    """Weight of high."""

    def part(self, where: slice) -> Axis:
        """Return the interpolation of some of the voxels."""
        return Axis(self.low[where], self.high[where], self.share[where])


def to_labels(
    logits: NDArray[np.float16], logits_spacing_mm: ZyxMm, grid: Grid, threads: int
) -> NDArray[np.uint8]:
    """Return the arg-max (z, y, x) of the logits, interpolated linearly at the voxels of a CT.

    Both grids cover the same box: the edges of their first voxels coincide.

    Args:
        logits: (z, y, x, classes).
        logits_spacing_mm: Spacing of the logits (z, y, x).
        grid: Of the CT.
        threads: Layers restored at the same time; if a thread fails, all is done again by one.
    """
    z, y, x = axes_of(logits.shape, logits_spacing_mm, grid)
    cells = _cells(np.argmax(logits, axis=-1).astype(np.uint8))
    labels = np.zeros(grid.shape, np.uint8)
    starts = [0, *(np.flatnonzero(np.diff(z.low)) + 1), grid.shape[0]]
    layers = [(int(a), int(b)) for a, b in pairwise(starts) if cells[z.low[a]].any()]

    def restore_layer(layer: tuple[int, int]) -> None:
        first, last = layer
        low, high = z.low[first], z.high[first]
        pair = np.concatenate([logits[low], logits[high]], axis=-1, dtype=np.float32)
        _fill(labels[first:last], cells[low], pair, z.share[first:last], (y, x))

    for_each(restore_layer, layers, threads)
    return labels


def for_each(work: Callable[[Item], None], items: Sequence[Item], threads: int) -> None:
    """Run work for every item, threaded; serially if that fails (paper 1, section 2.3)."""
    if threads > 1:
        try:
            with ThreadPoolExecutor(threads) as pool:
                list(pool.map(work, items))
            return
        except (MemoryError, RuntimeError) as error:
            logger.warning("a thread failed (%s): restoring the labels with one thread", error)
    for item in items:
        work(item)


def axes_of(shape: tuple[int, ...], spacing_mm: ZyxMm, grid: Grid) -> tuple[Axis, Axis, Axis]:
    """Return how the voxels of a grid lie between logits of a shape over the same box."""
    z, y, x = (
        _axis(n, ours, m, theirs)
        for n, ours, m, theirs in zip(
            grid.shape, grid.spacing_mm, shape[:3], spacing_mm, strict=True
        )
    )
    return z, y, x


def _axis(count: int, spacing_mm: float, logits: int, logits_spacing_mm: float) -> Axis:
    at = (np.arange(count) + 0.5) * (spacing_mm / logits_spacing_mm) - 0.5
    at = np.clip(at, 0, logits - 1)
    low = np.floor(at).astype(np.intp)
    return Axis(low, np.minimum(low + 1, logits - 1), (at - low).astype(np.float32))


def _cells(coarse: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return the class of each cell: of a logit and its next ones along z, y, x; or MIXED."""
    lowest, highest = coarse, coarse
    for axis in range(3):
        width = [(0, int(axis == i)) for i in range(3)]
        further = tuple(slice(int(axis == i), None) for i in range(3))
        lowest = np.minimum(lowest, np.pad(lowest, width, mode="edge")[further])
        highest = np.maximum(highest, np.pad(highest, width, mode="edge")[further])
    return np.where(lowest == highest, coarse, np.uint8(MIXED))


def _fill(
    labels: NDArray[np.uint8],
    cells: NDArray[np.uint8],
    pair: NDArray[np.float32],
    shares: NDArray[np.float32],
    axes: tuple[Axis, Axis],
) -> None:
    """Write the slices of a CT that lie between two slices of logits.

    Args:
        labels: The slices (z, y, x), all zero; written.
        cells: Class of each cell between the two, (y, x).
        pair: Logits of the lower and the upper slice, (y, x, 2 * classes).
        shares: Weight of the upper slice in each slice of labels.
        axes: Interpolation along y and x.
    """
    seen = cells != 0
    box = tuple(_extent(axis, seen.any(axis=1 - i)) for i, axis in enumerate(axes))
    y, x = (axis.part(where) for axis, where in zip(axes, box, strict=True))
    plane = cells[y.low].take(x.low, axis=1)
    at = np.flatnonzero(plane == MIXED)
    below, above = np.split(_weights(at, y, x, cells.shape) @ pair.reshape(cells.size, -1), 2, 1)
    above -= below
    for share, target in zip(shares, labels, strict=True):
        plane.reshape(-1)[at] = (below + share * above).argmax(axis=1)
        target[box] = plane


def _extent(axis: Axis, wanted: NDArray[np.bool_]) -> slice:
    """Return the voxels of a CT that lie in cells from the first wanted one to the last."""
    hits = np.flatnonzero(wanted)
    first, last = np.searchsorted(axis.low, [hits[0], hits[-1] + 1])
    return slice(int(first), int(last))


def _weights(at: NDArray[np.intp], y: Axis, x: Axis, shape: tuple[int, ...]) -> csr_array:
    """Return the matrix that interpolates the logits of a slice of this shape at some voxels.

    Args:
        at: Flat indices of the voxels, in a plane of the voxels of y and x.
        y: Interpolation along y.
        x: Interpolation along x.
        shape: Of a slice of logits.
    """
    from scipy.sparse import csr_array

    rows, columns = np.divmod(at, len(x.low))
    places, weights = [], []
    for line, to_y in ((y.low, 1 - y.share), (y.high, y.share)):
        for column, to_x in ((x.low, 1 - x.share), (x.high, x.share)):
            places.append((line * shape[1])[rows] + column[columns])
            weights.append(to_y[rows] * to_x[columns])
    ends = np.arange(0, 4 * len(at) + 1, 4)
    data = np.stack(weights, axis=1).ravel(), np.stack(places, axis=1).ravel(), ends
    return csr_array(data, shape=(len(at), shape[0] * shape[1]))
