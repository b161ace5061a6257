"""A mask in space against that of one of its slices, which is known better: where they differ.

The network of one slice is surer of its slice than that of boxes is. So it clicks, as the user
would who sees that slice, until both agree.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from FlareSegLib.prompting.found import Found
from FlareSegLib.prompting.one_slice import Slice, within
from FlareSegLib.prompting.prompts import ClickPrompt, in_world


class Wanted(NamedTuple):
    """When clicking ends."""

    agreement: float
    """Dice in the slice that is enough."""
    clicks: int
    """At most."""


BOX, BEFORE, AFTER = Wanted(0.9, 1), Wanted(0.9, 2), Wanted(0.97, 3)
"""For the middle slice of a box; for that of a flat box, before its depth is found and after."""


def agreement(found: Found, known: Slice) -> float:
    """Return the Dice of both masks in the slice."""
    mask, truth, _ = _in_slice(found, known)
    total = np.count_nonzero(mask) + np.count_nonzero(truth)
    return 2 * np.count_nonzero(mask & truth) / total if total else 1.0


def click(found: Found, known: Slice) -> ClickPrompt:
    """Return a click in the slice, where the masks differ most deeply; they do differ."""
    mask, truth, start = _in_slice(found, known)
    at = _deepest(mask != truth)
    index = np.array([known.box.start[0], *(at + start)])
    inside = bool(truth[tuple(at)])
    return ClickPrompt(in_world(index * np.array(found.grid.spacing_mm), found.grid), inside)


def _in_slice(
    found: Found, known: Slice
) -> tuple[NDArray[np.bool_], NDArray[np.bool_], NDArray[np.int_]]:
    """Return both masks (y, x) in the slice, and their first pixel."""
    boxes = (found.box, known.box)
    low = np.min([box.start for box in boxes], axis=0)
    shape = (np.max([box.stop for box in boxes], axis=0) - low)[1:]
    mask, truth = np.zeros(shape, np.bool_), np.zeros(shape, np.bool_)
    z = known.box.start[0] - found.box.start[0]
    if 0 <= z < len(found.mask):
        mask[within(found.box, low)[1:]] = found.mask[z]
    truth[within(known.box, low)[1:]] = known.mask[0]
    return mask, truth, low[1:]


def _deepest(region: NDArray[np.bool_]) -> NDArray[np.int_]:
    """Return the pixel that is worn off last, of a region that holds one."""
    left = np.pad(region, 1)
    while True:
        inner = left.copy()
        for axis in (0, 1):
            inner &= np.roll(left, 1, axis) & np.roll(left, -1, axis)
        if not inner.any():
            break
        left = inner
    pixels = np.argwhere(left)
    middle: NDArray[np.int_] = pixels[((pixels - pixels.mean(0)) ** 2).sum(1).argmin()] - 1
    return middle
