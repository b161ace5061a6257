"""A first look at half resolution: where the organs lie, so that the rest need not be looked at.

Two passes, coarse and fine, are how the winners of FLARE 2022 found the abdomen in long scans. Here
one network does both: it was trained on bodies of all sizes, and at half resolution it costs an
eighth. Where organs reach the edge of what was then looked at, there is more to be seen.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from FlareSegLib.base.geometry import Box, Zyx, ZyxMm
from FlareSegLib.inference.flat import MULTIPLE
from FlareSegLib.inference.windows import SLAB_OVERLAP

MARGIN_MM: ZyxMm = (48.0, 18.0, 18.0)
"""Between the organs of the first look and the edge of the area (z, y, x)."""
MOST_SHARE = 0.85
"""A larger share of the volume is not worth a cut."""
STEP_MM = 64.0
"""By this much the area grows downward at a time."""
TOUCH_VOXELS = 40
"""Organs reach a face of the area if more voxels of the network's grid than this lie on it."""


def halved(array: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the means of cells of 2 x 2 x 2 voxels, without an odd last slice, row or column."""
    z, y, x = (n // 2 * 2 for n in array.shape)
    found = np.zeros((z // 2, y // 2, x // 2), np.float32)
    for corner in np.ndindex(2, 2, 2):
        found += array[tuple(slice(a, n, 2) for a, n in zip(corner, (z, y, x), strict=True))]
    found /= 8
    return found


def area_of(seen: NDArray[np.uint8], shape: Zyx, spacing_mm: ZyxMm) -> Box:
    """Return the part of a volume in which organs can be.

    Up to the top of the volume, as aorta and esophagus go on through the chest; whole if no organ
    was seen, or if the area would be large.

    Args:
        seen: Labels of the first look, one per cell of 4 x 4 x 4 voxels of the volume.
        shape: Of the volume (z, y, x), canonical: z goes up.
        spacing_mm: Of the volume.
    """
    whole = Box((0, 0, 0), shape)
    if not seen.any():
        return whole
    start, stop = [], []
    for axis, n in enumerate(shape):
        others = tuple(i for i in range(3) if i != axis)
        cells = np.flatnonzero(seen.any(axis=others))
        margin = MARGIN_MM[axis] / spacing_mm[axis]
        start.append(max(0, _down(4 * int(cells[0]) - margin, MULTIPLE[axis])))
        stop.append(min(n, _up(4 * (int(cells[-1]) + 1) + margin, MULTIPLE[axis])))
    found = Box(_zyx(start), (shape[0], *_zyx(stop)[1:]))
    return found if math.prod(found.shape) <= MOST_SHARE * math.prod(shape) else whole


def grown(
    area: Box, logits: NDArray[np.float16], stride: int, shape: Zyx, spacing_mm: ZyxMm
) -> Box:
    """Return the area, made larger where organs reach its faces; the same if they do not.

    Downward, where aorta and vena cava may go on, by STEP_MM; in the plane up to the border.

    Args:
        area: What was looked at.
        logits: Of all of the volume (z, y, x, classes), one per `stride` voxels.
        stride: Of the logits.
        shape: Of the volume (z, y, x).
        spacing_mm: Of the volume.
    """
    ends = zip(area.start, area.stop, strict=True)
    inside = logits[tuple(slice(a // stride, math.ceil(b / stride)) for a, b in ends)]
    start, stop = list(area.start), list(area.stop)
    for axis, n in enumerate(shape):
        step = _down(STEP_MM / spacing_mm[0], MULTIPLE[0]) if axis == 0 else n
        first, last = (np.count_nonzero(inside.take(i, axis).argmax(axis=-1)) for i in (0, -1))
        if first * stride**2 > TOUCH_VOXELS:
            start[axis] = max(0, start[axis] - step)
        if last * stride**2 > TOUCH_VOXELS:
            stop[axis] = n
    return Box(_zyx(start), _zyx(stop))


def unseen(area: Box, seen: Box) -> tuple[Box, int]:
    """Return what of an area is to be looked at, and the slice from which on the old look holds.

    Where it only grew downward that is the new part, and what the network needs above it to see as
    far there as everywhere; else all.
    """
    if (area.start[1:], area.stop) != (seen.start[1:], seen.stop):
        return area, area.stop[0]
    stop = min(area.stop[0], seen.start[0] + SLAB_OVERLAP)
    return Box(area.start, (stop, *area.stop[1:])), seen.start[0] + SLAB_OVERLAP // 2


def _down(value: float, multiple: int) -> int:
    return multiple * math.floor(value / multiple)


def _up(value: float, multiple: int) -> int:
    return multiple * math.ceil(value / multiple)


def _zyx(values: list[int]) -> Zyx:
    z, y, x = values
    return z, y, x
