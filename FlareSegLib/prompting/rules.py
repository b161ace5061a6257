"""What holds whatever the network says: clicks obey, stray pieces go, boxes stay sensible."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from FlareSegLib.base.errors import InputError
from FlareSegLib.base.geometry import Grid, Volume, Zyx
from FlareSegLib.prompting.prompts import ClickPrompt, Extent, on_grid

OBEYED_MM = 1.5
"""Voxels nearer than that to a click do what it says."""
GROWTH = 0.25
"""Share of its size by which a box grows on a side that its mask touches."""
MOST_GROWTHS = 4
LEAST_KEPT = 0.9
"""A larger box that gives less of the volume than that is not taken."""
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
    labels, count = ndimage.label(mask)
    if count < 2:
        return mask
    keep = {int(np.bincount(labels.ravel())[1:].argmax()) + 1}
    for click in clicks:
        at = np.rint(on_grid(click.at, grid) / np.array(grid.spacing_mm)).astype(int) - start
        if click.inside and np.all(at >= 0) and np.all(at < mask.shape):
            keep.add(int(labels[tuple(at)]))
    return np.isin(labels, sorted(keep - {0}))


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


def check_smaller(extent: Extent, volume: Volume) -> None:
    """Check that a box does not hold the body from side to side and from front to back.

    Raises:
        InputError: It does; says how large both are.
    """
    steps = [max(1, count // BODY_VOXELS) for count in volume.grid.shape]
    coarse = volume.array[tuple(slice(None, None, step) for step in steps)] > BODY_HU
    labels, count = ndimage.label(coarse)
    if not count:
        return
    _, rows, columns = ndimage.find_objects(labels)[np.bincount(labels.ravel())[1:].argmax()]
    _, step_y, step_x = np.array(volume.grid.spacing_mm) * steps
    y0, y1 = rows.start * step_y, (rows.stop - 1) * step_y
    x0, x1 = columns.start * step_x, (columns.stop - 1) * step_x
    (_, low_y, low_x), (_, high_y, high_x) = extent.low, extent.high
    if low_y <= y0 and low_x <= x0 and high_y >= y1 and high_x >= x1:
        raise InputError(
            f"the box of {high_x - low_x:.0f} x {high_y - low_y:.0f} mm in a slice holds the whole "
            f"body ({x1 - x0:.0f} x {y1 - y0:.0f} mm): draw it around one thing"
        )
