"""Where the patient is: a box around the body, so that air and table cost nothing."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from FlareSegLib.base.geometry import Box, Volume
from FlareSegLib.base.runs import FACES, IN_PLANE, Runs, enclosed, pieces_of, runs_of

BODY_HU = -400.0
"""Above this a voxel is tissue (fat is about -100, lung and air are below)."""
COARSE_MM = 6.0
"""Spacing at which the body is looked for."""
MARGIN_MM = 12.0
"""Kept around the body."""


def body_mask(volume: Volume) -> NDArray[np.bool_]:
    """Return a coarse mask (z, y, x) of the patient over the box of the volume (HU), lungs too.

    The volume is looked at every COARSE_MM. An opening cuts off table and tubes; the largest piece
    is kept. All False if there is no tissue.
    """
    steps = steps_of(volume)
    coarse = volume.array[:: steps[0], :: steps[1], :: steps[2]] > BODY_HU
    opened = _slid(_slid(coarse, np.logical_and), np.logical_or)
    runs = _largest(runs_of(opened.astype(np.uint8)))
    body = np.zeros(coarse.shape, np.bool_)
    body[runs.voxels()] = True
    body[enclosed(runs, IN_PLANE).voxels()] = True
    return body


def body_box(volume: Volume) -> Box:
    """Return the box around the patient in the volume (HU), with a margin; all slices are kept.

    The whole grid if there is no tissue.
    """
    body, steps = body_mask(volume), steps_of(volume)
    if not body.any():
        return volume.grid.box
    start, stop = [0, 0, 0], list(volume.grid.shape)
    for axis in (1, 2):
        hits = np.flatnonzero(body.any(axis=tuple({0, 1, 2} - {axis})))
        margin = round(MARGIN_MM / volume.grid.spacing_mm[axis])
        start[axis] = max(0, int(hits[0]) * steps[axis] - margin)
        stop[axis] = min(stop[axis], (int(hits[-1]) + 1) * steps[axis] + margin)
    return Box((start[0], start[1], start[2]), (stop[0], stop[1], stop[2]))


def steps_of(volume: Volume) -> list[int]:
    """Return every how many voxels (z, y, x) the coarse mask looks."""
    return [max(1, round(COARSE_MM / spacing)) for spacing in volume.grid.spacing_mm]


def _slid(mask: NDArray[np.bool_], operation: np.ufunc) -> NDArray[np.bool_]:
    """Return "and" or "or" of each voxel and its eight neighbours in the slice; around is False."""
    for axis in (1, 2):
        ends = [(0, 0), (0, 0), (0, 0)]
        ends[axis] = (1, 1)
        windows = np.lib.stride_tricks.sliding_window_view(np.pad(mask, ends), 3, axis)
        mask = operation.reduce(windows, axis=-1)
    return mask


def _largest(runs: Runs) -> Runs:
    """Return the runs of the largest piece."""
    piece = pieces_of(runs, FACES)
    sizes = np.bincount(piece, runs.lengths)
    return runs.part(piece == sizes.argmax()) if sizes.size else runs
