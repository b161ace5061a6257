"""Linear resampling of a volume to the model's spacing."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from FlareSegLib.base.geometry import Grid, Volume, Zyx, ZyxMm
from FlareSegLib.base.linear import axes_between
from FlareSegLib.base.threads import for_each

BATCH = 4
"""Slices resampled at a time: they fit into the cache of a core."""


def grid_at(grid: Grid, spacing_mm: ZyxMm) -> Grid:
    """Return the grid with another spacing over the same box: first voxels share their edges."""
    pairs = list(zip(grid.extent_mm, spacing_mm, strict=True))
    z, y, x = (max(1, round(extent / spacing)) for extent, spacing in pairs)
    shape: Zyx = (z, y, x)
    first = tuple(
        (0.5 * new) / old - 0.5 for new, old in zip(spacing_mm, grid.spacing_mm, strict=True)
    )
    return Grid(shape, spacing_mm, grid.to_world((first[0], first[1], first[2])), grid.direction)


def to_spacing(
    volume: Volume,
    spacing_mm: ZyxMm,
    threads: int,
    finish: Callable[[NDArray[np.float32]], None] = lambda _: None,
) -> Volume:
    """Return the volume, float32, interpolated linearly at another spacing (same box, see grid_at).

    Beyond the outermost voxel centres the nearest voxel is repeated.

    Args:
        volume: Any type of voxel.
        spacing_mm: Wanted (z, y, x).
        threads: Batches of slices at the same time; the result does not depend on it.
        finish: Changes each batch of new slices in place, while it is in the cache.
    """
    grid = grid_at(volume.grid, spacing_mm)
    z, y, x = axes_between(volume.grid.shape, volume.grid.spacing_mm, grid)
    found = np.empty(grid.shape, np.float32)

    def resample(first: int) -> None:
        batch = slice(first, first + BATCH)
        sources, between = z.part(batch)
        planes = x.along(y.along(volume.array[sources], 1), 2)
        slices = between.along(planes, 0)
        finish(slices)
        found[batch] = slices

    for_each(resample, range(0, grid.shape[0], BATCH), threads)
    return Volume(found, grid)
