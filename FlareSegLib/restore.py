"""Labels on the grid of the CT from logits on the coarse grid of the model.

Interpolating 14 channels to every voxel and taking the arg-max costs a hundred times more than the
network (Testing/benchmarks). Where the eight logits around a voxel agree on the class, so does any
mean of
them: only voxels in mixed cells are interpolated. The labels are those of the plain way; a test
compares the two.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from FlareSegLib.geometry import Grid, ZyxMm

logger = logging.getLogger(__name__)

CHUNK_VOXELS = 1 << 16
"""Mixed voxels interpolated at once: 14 channels of them stay in the cache."""
SLAB_SLICES = 8
"""Slices of the CT that one thread restores at once."""


@dataclass(frozen=True)
class _Axis:
    """Interpolation along one axis: voxel i of the CT lies between logits low[i] and high[i]."""

    low: NDArray[np.intp]
    high: NDArray[np.intp]
    share: NDArray[np.float32]
    """Weight of high."""

    def part(self, start: int, stop: int) -> _Axis:
        return _Axis(self.low[start:stop], self.high[start:stop], self.share[start:stop])


def to_labels(
    logits: NDArray[np.float16], logits_spacing_mm: ZyxMm, grid: Grid, threads: int
) -> NDArray[np.uint8]:
    """Return the arg-max (z, y, x) of the logits, interpolated linearly at the voxels of a CT.

    Both grids cover the same box: the edges of their first voxels coincide.

    Args:
        logits: (z, y, x, classes).
        logits_spacing_mm: Spacing of the logits (z, y, x).
        grid: Of the CT.
        threads: Slabs restored at the same time; if a thread fails, all is done again by one.
    """
    axes = [
        _axis(n, ours, m, theirs)
        for n, ours, m, theirs in zip(
            grid.shape, grid.spacing_mm, logits.shape[:3], logits_spacing_mm, strict=True
        )
    ]
    coarse = np.argmax(logits, axis=-1).astype(np.uint8)
    mixed = _mixed_cells(coarse)
    labels = np.empty(grid.shape, np.uint8)

    def restore_slab(start: int) -> None:
        stop = min(start + SLAB_SLICES, grid.shape[0])
        slab = [axes[0].part(start, stop), axes[1], axes[2]]
        labels[start:stop] = _slab_labels(logits, coarse, mixed, slab)

    _for_each(restore_slab, range(0, grid.shape[0], SLAB_SLICES), threads)
    return labels


def _for_each(work: Callable[[int], None], starts: range, threads: int) -> None:
    """Run work for every start, threaded; serially if that fails (paper 1, section 2.3)."""
    if threads > 1:
        try:
            with ThreadPoolExecutor(threads) as pool:
                list(pool.map(work, starts))
            return
        except (MemoryError, RuntimeError) as error:
            logger.warning("a thread failed (%s): restoring the labels with one thread", error)
    for start in starts:
        work(start)


def _axis(count: int, spacing_mm: float, logits: int, logits_spacing_mm: float) -> _Axis:
    at = (np.arange(count) + 0.5) * (spacing_mm / logits_spacing_mm) - 0.5
    at = np.clip(at, 0, logits - 1)
    low = np.floor(at).astype(np.intp)
    return _Axis(low, np.minimum(low + 1, logits - 1), (at - low).astype(np.float32))


def _mixed_cells(coarse: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Return, for each logit, whether it and its next ones along z, y, x differ in class."""
    lowest, highest = coarse, coarse
    for axis in range(3):
        width = [(0, int(axis == i)) for i in range(3)]
        further = tuple(slice(int(axis == i), None) for i in range(3))
        lowest = np.minimum(lowest, np.pad(lowest, width, mode="edge")[further])
        highest = np.maximum(highest, np.pad(highest, width, mode="edge")[further])
    mixed: NDArray[np.bool_] = lowest != highest
    return mixed


def _slab_labels(
    logits: NDArray[np.float16],
    coarse: NDArray[np.uint8],
    mixed: NDArray[np.bool_],
    axes: list[_Axis],
) -> NDArray[np.uint8]:
    index = np.ix_(*(axis.low for axis in axes))
    labels = coarse[index]
    voxels = np.flatnonzero(mixed[index])
    flat = labels.reshape(-1)
    for start in range(0, len(voxels), CHUNK_VOXELS):
        chunk = voxels[start : start + CHUNK_VOXELS]
        flat[chunk] = _interpolated_labels(logits, np.unravel_index(chunk, labels.shape), axes)
    return labels


def _interpolated_labels(
    logits: NDArray[np.float16], voxels: tuple[NDArray[np.intp], ...], axes: list[_Axis]
) -> NDArray[np.uint8]:
    """Return the arg-max of the eight weighted logits around voxels, given as (z, y, x) indices."""
    rows = logits.reshape(-1, logits.shape[-1])
    total = np.zeros((len(voxels[0]), logits.shape[-1]), np.float32)
    for corner in range(8):
        at, weight = [], np.ones(len(voxels[0]), np.float32)
        for bit, (axis, voxel) in enumerate(zip(axes, voxels, strict=True)):
            is_high = bool(corner >> bit & 1)
            at.append((axis.high if is_high else axis.low)[voxel])
            share = axis.share[voxel]
            weight *= share if is_high else 1 - share
        total += rows[np.ravel_multi_index(tuple(at), logits.shape[:3])] * weight[:, None]
    labels: NDArray[np.uint8] = total.argmax(axis=1).astype(np.uint8)
    return labels
