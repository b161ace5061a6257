"""A CT that was cut at a display window: found, said, and mended as far as it can be.

All that lay below the window has its least value. Where that is below fat, all of it is air or
lung. Else it is fat too: then what lies outside of the body is air, and what is inside fat.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from FlareSegLib.base.geometry import Grid
from FlareSegLib.base.runs import FACES, pieces_of, runs_of
from FlareSegLib.images.hounsfield import coarse
from FlareSegLib.images.padding import AIR_HU, MOST_AIR_HU

FAT_HU = -100
_LEAST_FAT_HU = -120.0
"""A window that begins below keeps fat."""
_CUT_HU = (-300.0, 300.0)
"""A CT has voxels below and above."""
_LEAST_SHARES = (0.05, 0.0002)
"""Of the voxels, at the least value and at the greatest; noise has one or two there."""
_FEW = 20
"""Voxels that may have the greatest value by chance."""
_COARSE_MM = 3.0
_FEWEST_VALUES = 24
"""Different values of a scan, which is noisy; a phantom of plain shapes has one for each."""
_PART = 64
"""One voxel of so many is looked at first: to sort all of a sample takes 20 ms."""


def uncut(array: NDArray[np.generic], grid: Grid) -> tuple[NDArray[np.generic], tuple[str, ...]]:
    """Return HU (z, y, x) with air and fat in place of a window's least value, and what to say.

    An array that is not cut is returned as it is.
    """
    sample = coarse(array)
    sample = sample[sample > MOST_AIR_HU]
    if _are_few(sample):
        return array, ()
    low, high = float(sample.min()), float(sample.max())
    is_low = low >= _CUT_HU[0] and np.mean(sample == low) > _LEAST_SHARES[0]
    at_high = np.count_nonzero(sample == high) if high <= _CUT_HU[1] else 0
    is_high = at_high > max(_FEW, _LEAST_SHARES[1] * sample.size)
    said = []
    if is_low:
        share = np.count_nonzero(array == low) / array.size
        said.append(
            f"the CT is cut at a window: {share:.1%} of the voxels have its least value {low:g} "
            "HU, what was below is lost and was guessed: give the CT as it was scanned"
        )
        array = _mended(array, grid, low)
    if is_high:
        said.append(
            f"the CT is cut at a window: {at_high / sample.size:.1%} of the voxels have its "
            f"greatest value {high:g} HU: give the CT as it was scanned"
        )
    return array, tuple(said)


def _are_few(sample: NDArray[np.float32]) -> bool:
    """Return whether a sample has too few values for a scan; a part of it mostly tells."""
    parts = (sample[::_PART], sample)
    return all(np.unique(part).size < _FEWEST_VALUES for part in parts)


def _mended(array: NDArray[np.generic], grid: Grid, low: float) -> NDArray[np.generic]:
    mended = array.copy()
    cut = mended == low
    if low <= _LEAST_FAT_HU:
        mended[cut] = AIR_HU
        return mended
    mended[cut] = FAT_HU
    mended[cut & ~_inside(array, grid, low)] = AIR_HU
    return mended


def _inside(array: NDArray[np.generic], grid: Grid, low: float) -> NDArray[np.bool_]:
    """Return what lies in a slice between the body's ends, along the row and along the column."""
    steps = [max(1, round(_COARSE_MM / mm)) for mm in grid.spacing_mm]
    upright = int(np.abs(np.array(grid.direction))[:, 2].argmax())
    body = _largest(
        np.greater(array[:: steps[0], :: steps[1], :: steps[2]], low), {0, 1, 2} - {upright}
    )
    inside = np.ones(body.shape, np.bool_)
    for axis in {0, 1, 2} - {upright}:
        before = np.logical_or.accumulate(body, axis)
        behind = np.flip(np.logical_or.accumulate(np.flip(body, axis), axis), axis)
        inside &= before & behind
    places = (np.arange(n) // step for n, step in zip(array.shape, steps, strict=True))
    fine: NDArray[np.bool_] = inside[np.ix_(*places)]
    return fine


def _largest(mask: NDArray[np.bool_], axes: set[int]) -> NDArray[np.bool_]:
    """Return the largest piece of a mask, without what is thinner than 3 voxels along some axes."""
    for operation in (np.logical_and, np.logical_or):
        for axis in axes:
            ends = [(1, 1) if axis == one else (0, 0) for one in range(3)]
            wide = np.moveaxis(np.pad(mask, ends, "edge"), axis, 0)
            mask = np.moveaxis(operation(operation(wide[:-2], wide[1:-1]), wide[2:]), 0, axis)
    runs = runs_of(mask.view(np.uint8))
    largest = np.zeros(mask.shape, np.bool_)
    if runs.row.size:
        piece = pieces_of(runs, FACES)
        largest[runs.part(piece == np.bincount(piece, runs.lengths).argmax()).voxels()] = True
    return largest
