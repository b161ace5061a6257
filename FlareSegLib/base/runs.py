"""Organs as runs: stretches of one value along x, a hundred times fewer than voxels.

Boxes, pieces and holes of all organs are found on runs in one pass (He, Chao & Suzuki, A run-based
two-scan labeling algorithm, IEEE Trans. Image Process. 17(5), 2008); a search on voxels needs one
per organ.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from FlareSegLib.base.geometry import Zyx

Slices = tuple[slice, slice, slice]
Ints = NDArray[np.intp]


@dataclass(frozen=True)
class Touching:
    """Which voxels of one value belong together."""

    rows: tuple[tuple[int, int], ...]
    """Steps (z, y) to the further rows that may touch."""
    reach: int
    """Voxels along x by which runs of two rows may miss each other."""


CORNERS = Touching(((0, 1), (1, -1), (1, 0), (1, 1)), 1)
"""Voxels that share a corner."""
FACES = Touching(((0, 1), (1, 0)), 0)
"""Voxels that share a face."""
IN_PLANE = Touching(((0, 1),), 0)
"""Voxels of a slice that share an edge."""


@dataclass(frozen=True)
class Runs:
    """Runs of an array (z, y, x), in the order of its voxels; one entry per run in each array."""

    shape: Zyx
    """Of the array."""
    row: Ints
    """z * (y extent + 1) + y: between two slices lies an empty row, so that they cannot touch."""
    start: Ints
    """First x."""
    stop: Ints
    """One more than the last x."""
    value: NDArray[np.uint8]
    """Never 0."""

    def part(self, which: NDArray[Any]) -> Runs:
        """Return some of the runs; which is a mask or has indices that grow."""
        parts = (of[which] for of in (self.row, self.start, self.stop, self.value))
        return Runs(self.shape, *parts)

    @property
    def lengths(self) -> Ints:
        """Voxels of each run."""
        return self.stop - self.start

    @property
    def zy(self) -> tuple[Ints, Ints]:
        """Slice and line of each run."""
        z, y = np.divmod(self.row, self.shape[1] + 1)
        return z, y

    @property
    def box(self) -> Slices:
        """Bounding box of all runs; there must be one."""
        z, y = self.zy
        first, last = self.start.min(), self.stop.max()
        return (
            slice(int(z[0]), int(z[-1]) + 1),
            slice(int(y.min()), int(y.max()) + 1),
            slice(int(first), int(last)),
        )

    def holding(self, voxel: NDArray[np.int_]) -> NDArray[np.bool_]:
        """Return which run, if any, holds a voxel (z, y, x)."""
        z, y = self.zy
        in_row = (z == voxel[0]) & (y == voxel[1])
        found: NDArray[np.bool_] = in_row & (self.start <= voxel[2]) & (voxel[2] < self.stop)
        return found

    def voxels(self) -> tuple[Ints, Ints, Ints]:
        """Return the index (z, y, x) of all voxels, in their order."""
        z, y = (np.repeat(at, self.lengths) for at in self.zy)
        return z, y, _expanded(self.start, self.lengths)


def runs_of(labels: NDArray[np.uint8]) -> Runs:
    """Return the runs of all values but 0 in an array (z, y, x)."""
    depth, height, width = labels.shape
    plane = np.zeros((height + 1, width + 1), np.uint8)  # with an empty column and row
    flat = plane.reshape(-1)
    firsts, values = [], []
    for z in range(depth):
        plane[:height, :width] = labels[z]
        at = np.flatnonzero(flat[1:] != flat[:-1]) + 1
        at = at if not flat[0] else np.concatenate([[0], at])
        firsts.append(at + z * flat.size)
        values.append(flat[at])
    first, value = np.concatenate(firsts), np.concatenate(values)
    is_organ = np.flatnonzero(value)  # the last change of all is one to 0
    row, start = np.divmod(first[is_organ], width + 1)
    stop = first[is_organ + 1] - row * (width + 1)
    return Runs((depth, height, width), row, start, stop, value[is_organ])


def boxes_of(labels: NDArray[np.uint8], highest: int = 255) -> list[Slices | None]:
    """Return the bounding box (z, y, x) of each value from 1 to highest; None where it is absent.

    The same as ndimage.find_objects(), which takes 0.15 s on 512 x 512 x 215; here it is 0.02 s.
    """
    runs = runs_of(labels)
    present = set(np.unique(runs.value).tolist())
    values = range(1, highest + 1)
    return [runs.part(runs.value == v).box if v in present else None for v in values]


def pieces_of(runs: Runs, touching: Touching) -> Ints:
    """Return the number of the piece of each run, from 0 in the order of their first voxels."""
    one, other = _pairs(runs, touching)
    same = runs.value[one] == runs.value[other]
    one, other = one[same], other[same]
    first = np.arange(runs.row.size)  # of the piece of each run, as known so far
    while one.size:
        a, b = first[one], first[other]
        np.minimum.at(first, np.maximum(a, b), np.minimum(a, b))
        while not np.array_equal(further := first[first], first):
            first = further
        apart = first[one] != first[other]
        one, other = one[apart], other[apart]
    numbers: Ints = np.cumsum(first == np.arange(first.size)) - 1
    return numbers[first]


def enclosed(runs: Runs, touching: Touching) -> Runs:
    """Return the holes that runs of one value enclose: what cannot be left by faces.

    A hole lies between two runs of each of its lines. A gap that reaches over the ends of a line
    beside it, or to the edge of the array, is open, and so is every gap that touches an open one.
    """
    follows = np.flatnonzero(runs.row[1:] == runs.row[:-1])
    gaps = Runs(
        runs.shape, runs.row[follows], runs.stop[follows], runs.start[follows + 1],
        runs.value[follows],
    )  # fmt: skip
    height, width = runs.shape[1:]
    rows = (runs.shape[0] + 1) * (height + 1)  # one empty slice more: index -1 is that one
    low, high = np.full(rows, width), np.zeros(rows, np.intp)
    np.minimum.at(low, runs.row, runs.start)
    np.maximum.at(high, runs.row, runs.stop)
    is_open = np.zeros(gaps.row.size, np.bool_)
    for z, y in touching.rows:
        for step in (z * (height + 1) + y, -z * (height + 1) - y):
            beside = gaps.row + step
            is_open |= (low[beside] > gaps.start) | (high[beside] < gaps.stop)
    piece = pieces_of(gaps, touching)
    return gaps.part(~np.isin(piece, piece[is_open]))


def _pairs(runs: Runs, touching: Touching) -> tuple[Ints, Ints]:
    """Return the indices of runs that touch, the earlier one first."""
    height, width = runs.shape[1:]
    start, stop = (runs.row * (width + 1) + at for at in (runs.start, runs.stop))
    ones, others = [], []
    for z, y in touching.rows:
        step = (z * (height + 1) + y) * (width + 1)
        low = np.searchsorted(stop, start + step - touching.reach, "right")
        high = np.searchsorted(start, stop + step + touching.reach, "left")
        ones.append(np.repeat(np.arange(low.size), high - low))
        others.append(_expanded(low, high - low))
    return np.concatenate(ones), np.concatenate(others)


def _expanded(first: Ints, counts: Ints) -> Ints:
    """Return first, first + 1, ... of each entry, as many as its count, one after the other."""
    before = np.cumsum(counts) - counts
    found: Ints = np.arange(counts.sum()) + np.repeat(first - before, counts)
    return found
