"""Linear resampling of a volume to the model's spacing."""

from __future__ import annotations

import numpy as np
import SimpleITK as sitk

from FlareSegLib.geometry import Grid, Volume, Zyx, ZyxMm


def grid_at(grid: Grid, spacing_mm: ZyxMm) -> Grid:
    """Return the grid with another spacing over the same box: first voxels share their edges."""
    pairs = list(zip(grid.extent_mm, spacing_mm, strict=True))
    z, y, x = (max(1, round(extent / spacing)) for extent, spacing in pairs)
    shape: Zyx = (z, y, x)
    first = tuple(
        (0.5 * new) / old - 0.5 for new, old in zip(spacing_mm, grid.spacing_mm, strict=True)
    )
    return Grid(shape, spacing_mm, grid.to_world((first[0], first[1], first[2])), grid.direction)


def to_spacing(volume: Volume, spacing_mm: ZyxMm, threads: int) -> Volume:
    """Return the volume, float32, interpolated linearly at another spacing (same box, see grid_at).

    Beyond the outermost voxel centres the nearest voxel is repeated.
    """
    grid = grid_at(volume.grid, spacing_mm)
    image = sitk.GetImageFromArray(np.ascontiguousarray(volume.array))
    ratio = [new / old for new, old in zip(spacing_mm, volume.grid.spacing_mm, strict=True)]
    resampler = sitk.ResampleImageFilter()
    resampler.SetNumberOfThreads(threads)
    resampler.SetInterpolator(sitk.sitkLinear)
    resampler.SetUseNearestNeighborExtrapolator(True)
    resampler.SetOutputPixelType(sitk.sitkFloat32)
    resampler.SetSize(grid.shape[::-1])
    resampler.SetOutputSpacing(ratio[::-1])
    resampler.SetOutputOrigin([0.5 * step - 0.5 for step in reversed(ratio)])
    return Volume(sitk.GetArrayFromImage(resampler.Execute(image)), grid)
