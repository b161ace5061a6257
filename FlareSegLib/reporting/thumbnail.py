"""A picture of a few kB: one coronal slice with the organs in color, for the page of a cohort."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from FlareSegLib.base.geometry import Labelmap, Volume
from FlareSegLib.base.labels import Organ
from FlareSegLib.reporting.png import gray_of

HEIGHT, MOST_WIDTH = 150, 240
"""Pixels."""
_OPACITY = 0.55


def draw(hu: Volume, labelmap: Labelmap, organs: Iterable[Organ]) -> NDArray[np.uint8]:
    """Return the coronal slice with most organ voxels; the patient's right is on the left.

    Args:
        hu: The CT, canonical (array axes toward S, P and L).
        labelmap: Organ values on the same grid.
        organs: Those to color.

    Returns:
        Rows from head to foot, columns from right to left, RGB.
    """
    voxels = np.count_nonzero(labelmap.array, axis=(0, 2))
    y = int(voxels.argmax()) if voxels.any() else len(voxels) // 2
    height_mm, _, width_mm = hu.grid.extent_mm
    width = min(max(round(HEIGHT * width_mm / height_mm), 1), MOST_WIDTH)
    rows, columns = _picks(hu.grid.shape[0], HEIGHT)[::-1], _picks(hu.grid.shape[2], width)
    at = np.ix_(rows, columns)
    picture = np.repeat(gray_of(hu.array[:, y][at])[..., None] * 255, 3, axis=2)
    labels = labelmap.array[:, y][at]
    for organ in organs:
        mask = labels == organ.value
        color = np.array(organ.color, np.float32)
        picture[mask] = (1 - _OPACITY) * picture[mask] + _OPACITY * color
    return picture.astype(np.uint8)


def _picks(count: int, wanted: int) -> NDArray[np.intp]:
    """Return the index of the nearest voxel for each of the wanted pixels."""
    return ((np.arange(wanted) + 0.5) * count / wanted).astype(np.intp)
