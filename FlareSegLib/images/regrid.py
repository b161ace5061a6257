"""A mask on another grid: editors crop what they save."""

from __future__ import annotations

import numpy as np
import SimpleITK as sitk

from FlareSegLib.base.errors import InputError
from FlareSegLib.base.geometry import Grid, Labelmap
from FlareSegLib.images.reading import to_volume
from FlareSegLib.images.writing import to_image

LOST = 0.1
"""Share of a mask that may be lost on the way."""


def on_grid(mask: Labelmap, grid: Grid, name: str) -> Labelmap:
    """Return a mask on another grid.

    Raises:
        InputError: Nothing, or not all of it, lies there.
    """
    like = to_image(Labelmap(np.zeros(grid.shape, np.uint8), grid))
    moved = sitk.Resample(to_image(mask), like, sitk.Transform(), sitk.sitkNearestNeighbor, 0)
    found = Labelmap(to_volume(moved).array, grid)
    before_ml = np.count_nonzero(mask.array) * mask.grid.voxel_ml
    after_ml = np.count_nonzero(found.array) * grid.voxel_ml
    if before_ml and abs(after_ml / before_ml - 1) > LOST:
        raise InputError(
            f"{name} marks {before_ml:.1f} ml, of which {after_ml:.1f} ml lie in the CT: "
            "give the CT that it was drawn in"
        )
    return found
