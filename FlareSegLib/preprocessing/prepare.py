"""From the part of a scan that matters to what the network takes: spacing and intensity.

FlareSeg resamples linearly and then clips. A model with a recipe gets what nnU-Net would give it:
first normalised, then resampled by a spline, over exactly the same box.
"""

from __future__ import annotations

from functools import partial

import numpy as np
from numpy.typing import NDArray

from FlareSegLib.base.config import ModelConfig
from FlareSegLib.base.geometry import Grid, Volume, Zyx, ZyxMm
from FlareSegLib.base.recipe import Recipe, apart_axis
from FlareSegLib.base.threads import for_each
from FlareSegLib.preprocessing import intensity, resample, spline

_ROWS = 8
"""Of planes resampled along the first axis at a time."""


def prepared(roi: Volume, config: ModelConfig, threads: int) -> Volume:
    """Return the input of the network, float32, with its grid.

    Args:
        roi: HU, or what the scanner gave; turned as orient.to_model() turns it.
        config: Facts of the network.
        threads: Slices at the same time.
    """
    if config.recipe is None:
        rescale = partial(intensity.rescale, config=config)
        return resample.to_spacing(roi, config.spacing_mm, threads, rescale)
    spacing = config.spacing_for(roi.grid)
    grid = covering(roi.grid, spacing)
    orders = _orders(roi.grid.spacing_mm, spacing, config.recipe)
    return Volume(_resampled(roi, grid.shape, orders, config, threads), grid)


def covering(grid: Grid, spacing_mm: ZyxMm) -> Grid:
    """Return the grid over exactly the same box whose spacing is as near as whole voxels allow."""
    z, y, x = (
        max(1, round(mm / wanted * n))
        for n, mm, wanted in zip(grid.shape, grid.spacing_mm, spacing_mm, strict=True)
    )
    steps = tuple(extent / n for extent, n in zip(grid.extent_mm, (z, y, x), strict=True))
    exact: ZyxMm = (steps[0], steps[1], steps[2])
    return resample.grid_at(grid, exact)


def _orders(old_mm: ZyxMm, new_mm: ZyxMm, recipe: Recipe) -> tuple[int, int, int]:
    apart = apart_axis(old_mm, new_mm, recipe.separate_z)
    z, y, x = (recipe.order_z if axis == apart else recipe.order for axis in range(3))
    return z, y, x


def _resampled(
    roi: Volume, shape: Zyx, orders: tuple[int, int, int], config: ModelConfig, threads: int
) -> NDArray[np.float32]:
    """Return a volume of another shape; as nnU-Net's, it goes nowhere beyond the values given."""
    normalised = intensity.slices_of(roi.array, config)
    z, y, x = (
        spline.weights(new, old, order)
        for new, old, order in zip(shape, roi.array.shape, orders, strict=True)
    )
    planes = np.empty((roi.array.shape[0], *shape[1:]), np.float32)
    ends = np.empty((planes.shape[0], 2), np.float32)

    def in_plane(i: int) -> None:
        plane = normalised(i)
        ends[i] = plane.min(), plane.max()
        planes[i] = y @ plane @ x.T
        if orders[0] != orders[1]:
            np.clip(planes[i], *ends[i], out=planes[i])

    for_each(in_plane, range(planes.shape[0]), threads)
    found = np.empty(shape, np.float32)

    def along_z(row: int) -> None:
        rows = planes[:, row : row + _ROWS]
        made = (z @ rows.reshape(len(rows), -1)).reshape(shape[0], *rows.shape[1:])
        found[:, row : row + _ROWS] = np.clip(made, ends[:, 0].min(), ends[:, 1].max())

    for_each(along_z, range(0, shape[1], _ROWS), threads)
    return found
