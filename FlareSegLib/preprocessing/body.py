"""Where the patient is: a box around the body, so that air and table cost nothing."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from FlareSegLib.base.config import ModelConfig
from FlareSegLib.base.geometry import Box, Volume
from FlareSegLib.base.runs import FACES, IN_PLANE, Runs, enclosed, pieces_of, runs_of

BODY_HU = -400.0
"""Above this a voxel is tissue (fat is about -100, lung and air are below)."""
COARSE_MM = 6.0
"""Spacing at which the body is looked for."""
MARGIN_MM = 12.0
"""Kept around the body."""


def area(volume: Volume, config: ModelConfig) -> tuple[Box, NDArray[np.bool_]]:
    """Return the part of a scan that is looked at, and a coarse mask of the body over it.

    For a model with a recipe that is what is not 0, as nnU-Net crops it; the mask is all that is
    not air in a CT, and everything in other images.
    """
    if config.recipe is None:
        box = body_box(volume)
        return box, body_mask(volume.crop(box))
    box = _not_zero_box(volume.array)
    if config.modality != "CT":
        return box, np.ones((1, 1, 1), np.bool_)
    return box, _tissue(volume.crop(box))


def _not_zero_box(array: NDArray[np.generic]) -> Box:
    seen = [np.zeros(n, np.bool_) for n in array.shape]
    for i, plane in enumerate(array):
        hits = plane != 0
        seen[0][i] = hits.any()
        seen[1] |= hits.any(axis=1)
        seen[2] |= hits.any(axis=0)
    if not seen[0].any():
        return Box((0, 0, 0), array.shape)
    ends = [(int(hits.argmax()), hits.size - int(hits[::-1].argmax())) for hits in seen]
    start, stop = zip(*ends, strict=True)
    return Box(start, stop)


def _tissue(volume: Volume) -> NDArray[np.bool_]:
    """Return where tissue is, table and all, and what it encloses in a slice."""
    steps = steps_of(volume)
    found: NDArray[np.bool_] = volume.array[:: steps[0], :: steps[1], :: steps[2]] > BODY_HU
    found[enclosed(runs_of(found.astype(np.uint8)), IN_PLANE).voxels()] = True
    return found


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
