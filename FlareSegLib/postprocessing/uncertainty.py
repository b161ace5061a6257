"""How unsure the network is at each voxel of a CT: 1 minus the highest probability, in percent.

Logits are interpolated as for the labels, so 50 % and more lie where two organs meet. Only voxels
near cells that are unsure or differ from their neighbours are looked at, a slice at a time; all
others are as good as sure.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from FlareSegLib.base.config import ModelConfig
from FlareSegLib.base.errors import InputError
from FlareSegLib.base.geometry import Labelmap, ZyxMm
from FlareSegLib.base.linear import Axis, axes_between
from FlareSegLib.base.threads import for_each
from FlareSegLib.postprocessing.restore import interpolated

SURE = 0.99
"""Cells of this probability are sure, among neighbours of the same class."""


def check_uncertainty(path: Path | None, config: ModelConfig) -> None:
    """Check that the uncertainty that goes to a path can be told, before the work.

    Raises:
        InputError: The model has regions that overlap, or resamples in a way of its own.
    """
    if path and config.recipe:
        raise InputError(
            f"--uncertainty {path.name}: the model {config.name} has a recipe of its own, for "
            "which doubt is not told; leave --uncertainty out, or take FlareSeg's own model"
        )


def to_uncertainty(
    logits: NDArray[np.float16], logits_spacing_mm: ZyxMm, target: Labelmap, threads: int
) -> None:
    """Write the uncertainty of each voxel, 0 to 100 percent.

    Args:
        logits: (z, y, x, classes), over the box of target.
        logits_spacing_mm: Their spacing (z, y, x).
        target: uint8, all zero, on the grid of the CT; may be a view into a larger array.
        threads: Slices at the same time.
    """
    z, y, x = axes_between(logits.shape, logits_spacing_mm, target.grid)

    def one(slice_: int) -> None:
        share = z.share[slice_]
        plane = logits[z.low[slice_]].astype(np.float32)
        plane += share * (logits[z.high[slice_]].astype(np.float32) - plane)
        target.array[slice_] = _of_plane(plane, y, x)

    for_each(one, range(target.grid.shape[0]), threads)


def _of_plane(logits: NDArray[np.float32], y: Axis, x: Axis) -> NDArray[np.uint8]:
    """Return percent (y, x) of a slice of logits (y, x, classes)."""
    found = np.zeros((y.low.size, x.low.size), np.uint8)
    best, unsure = logits.argmax(axis=-1), _unsure(logits) > 1 - SURE
    first, wanted = best[np.ix_(y.low, x.low)], np.zeros(found.shape, np.bool_)
    for row in (y.low, y.high):
        for column in (x.low, x.high):
            corner = np.ix_(row, column)
            wanted |= unsure[corner] | (best[corner] != first)
    at = np.flatnonzero(wanted)
    percent = 100 * _unsure(interpolated(logits, at, y, x))
    found.reshape(-1)[at] = np.rint(percent)
    return found


def _unsure(logits: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return 1 minus the highest probability, without the last axis."""
    total = np.exp(logits - logits.max(axis=-1, keepdims=True)).sum(axis=-1)
    found: NDArray[np.float32] = 1 - 1 / total
    return found
