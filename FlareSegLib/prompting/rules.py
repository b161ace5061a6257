"""What holds whatever the network says: clicks obey, stray pieces go, boxes stay sensible."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from FlareSegLib.base.errors import InputError
from FlareSegLib.base.geometry import Grid, Volume, Zyx
from FlareSegLib.base.runs import FACES, pieces_of, runs_of
from FlareSegLib.prompting.prompts import ClickPrompt, Extent, on_grid

OBEYED_MM = 1.5
"""Voxels nearer than that to a click do what it says."""
GROWTH = 0.25
"""Share of its size by which a box grows on a side that its mask touches."""
MOST_GROWTHS = 4
LEAST_KEPT = 0.9
"""A larger box that gives less of the volume than that is not taken."""
DOUBTFUL = 0.6
"""Overlap of the box about what was found with the drawn one, and of less it is doubted."""
LOOSE = 0.8
"""Overlap with the drawn box, and of less its middle slice is looked at."""
THRESHOLDS, FULLER = (-2.0, -1.0, 1.0, 2.0), 0.03
"""Of logits, tried where it is doubted, and for lines; so much more overlap, and one counts."""
WORSE = 0.05
"""So much less overlap with the drawn box, and a second look does not count."""
BODY_HU, BODY_VOXELS = -300.0, 64
"""The body is what is denser than that, looked for on so many voxels along each axis."""

Mask = NDArray[np.bool_]


def obey(mask: Mask, start: Zyx, clicks: Sequence[ClickPrompt], grid: Grid) -> None:
    """Force the voxel of each click, and its surroundings, into the mask or out of it; in place.

    Later clicks win. mask begins at voxel start of the grid.
    """
    for click in clicks:
        at = on_grid(click.at, grid) / np.array(grid.spacing_mm)
        own = np.rint(at).astype(int)
        reach = np.ceil(OBEYED_MM / np.array(grid.spacing_mm)).astype(int)
        low = np.maximum(own - reach - start, 0)
        high = np.minimum(own + reach + 1 - start, mask.shape)
        if np.any(low >= high):
            continue
        axes = [np.arange(a, b) + s for a, b, s in zip(low, high, start, strict=True)]
        z, y, x = ((line - at[i]) * grid.spacing_mm[i] for i, line in enumerate(axes))
        near = z[:, None, None] ** 2 + y[:, None] ** 2 + x**2 <= OBEYED_MM**2
        mask[tuple(map(slice, low, high))][near] = click.inside
        if np.all(own >= start) and np.all(own - start < mask.shape):
            mask[tuple(own - start)] = click.inside


def tidy(mask: Mask, start: Zyx, clicks: Sequence[ClickPrompt], grid: Grid) -> Mask:
    """Return the mask with its largest piece, and those that hold a click that is inside."""
    runs = runs_of(mask.view(np.uint8))
    piece = pieces_of(runs, FACES)
    if piece.max(initial=0) == 0:
        return mask
    keep = {int(np.bincount(piece, runs.lengths).argmax())}
    for click in clicks:
        at = np.rint(on_grid(click.at, grid) / np.array(grid.spacing_mm)).astype(int) - start
        keep.update(piece[runs.holding(at)].tolist() if click.inside else ())
    kept = np.zeros(mask.shape, np.bool_)
    kept[runs.part(np.isin(piece, sorted(keep))).voxels()] = True
    return kept


def grown(extent: Extent, mask: Mask, start: Zyx, grid: Grid, free: Sequence[bool]) -> Extent:
    """Return a box whose faces that the mask reaches are moved out, along free axes."""
    low, high = list(extent.low), list(extent.high)
    for axis, others in enumerate(((1, 2), (0, 2), (0, 1))):
        places = np.flatnonzero(mask.any(axis=others))
        if not free[axis] or not places.size:
            continue
        step, size = grid.spacing_mm[axis], high[axis] - low[axis]
        cell = max(step, size / 24)
        if (start[axis] + places[0] - 0.5) * step < extent.low[axis] + cell:
            low[axis] -= GROWTH * size
        if (start[axis] + places[-1] + 0.5) * step > extent.high[axis] - cell:
            high[axis] += GROWTH * size
    return Extent((low[0], low[1], low[2]), (high[0], high[1], high[2]))


def extent_of(mask: Mask, start: Zyx, grid: Grid) -> Extent:
    """Return the box that a mask fills, in grid mm; the mask is not empty."""
    places = [np.flatnonzero(mask.any(axis=others)) for others in ((1, 2), (0, 2), (0, 1))]
    ends = [
        ((begin + found[0] - 0.5) * step, (begin + found[-1] + 0.5) * step)
        for begin, found, step in zip(start, places, grid.spacing_mm, strict=True)
    ]
    (z0, z1), (y0, y1), (x0, x1) = ends
    return Extent((float(z0), float(y0), float(x0)), (float(z1), float(y1), float(x1)))


def overlap(one: Extent, other: Extent) -> float:
    """Return the volume that two boxes share, as a share of what they fill together."""
    low, high = np.maximum(one.low, other.low), np.minimum(one.high, other.high)
    shared = float(np.clip(high - low, 0, None).prod())
    return shared / float(one.size.prod() + other.size.prod() - shared)


def body_of(volume: Volume) -> Extent | None:
    """Return the box about the largest piece of what is denser than lung; None without any."""
    steps = [max(1, count // BODY_VOXELS) for count in volume.grid.shape]
    coarse = volume.array[tuple(slice(None, None, step) for step in steps)] > BODY_HU
    runs = runs_of(coarse.view(np.uint8))
    if not runs.row.size:
        return None
    piece = pieces_of(runs, FACES)
    largest = np.bincount(piece, runs.lengths).argmax()
    box = runs.part(piece == largest).box
    millimetres = np.array(volume.grid.spacing_mm) * steps
    z, y, x = (
        (at.start * step, (at.stop - 1) * step) for at, step in zip(box, millimetres, strict=True)
    )
    return Extent((z[0], y[0], x[0]), (z[1], y[1], x[1]))


def check_smaller(extent: Extent, body: Extent | None) -> None:
    """Check that a box does not hold the body from side to side and from front to back.

    Raises:
        InputError: It does; says how large both are.
    """
    if body is None:
        return
    (_, low_y, low_x), (_, high_y, high_x) = extent.low, extent.high
    (_, y0, x0), (_, y1, x1) = body.low, body.high
    if low_y <= y0 and low_x <= x0 and high_y >= y1 and high_x >= x1:
        raise InputError(
            f"the box of {high_x - low_x:.0f} x {high_y - low_y:.0f} mm in a slice holds the whole "
            f"body ({x1 - x0:.0f} x {y1 - y0:.0f} mm): draw it around one thing"
        )
