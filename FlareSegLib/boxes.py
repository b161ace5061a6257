"""Bounding boxes of the organs in a labelmap."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Slices = tuple[slice, slice, slice]


def boxes_of(labels: NDArray[np.uint8], highest: int) -> list[Slices | None]:
    """Return the bounding box (z, y, x) of each value from 1 to highest; None where it is absent.

    The same as ndimage.find_objects(), which looks at every voxel and takes 0.15 s on 512 x 512 x
    215; here air around all organs is cut off first.
    """
    from scipy import ndimage

    start, inner = [0, 0, 0], labels
    for axis in range(3):
        others = tuple({0, 1, 2} - {axis})
        hits = np.flatnonzero(inner.max(axis=others, initial=0))
        if not hits.size:
            return [None] * highest
        start[axis] = int(hits[0])
        inside = [slice(None)] * 3
        inside[axis] = slice(start[axis], int(hits[-1]) + 1)
        inner = inner[tuple(inside)]
    found = ndimage.find_objects(inner, max_label=highest)
    return [box and _moved(box, start) for box in found]


def _moved(box: Slices, start: list[int]) -> Slices:
    z, y, x = (slice(e.start + n, e.stop + n) for e, n in zip(box, start, strict=True))
    return z, y, x
