"""What the network is shown: seven channels of a crop (z, y, x).

HU narrow, HU wide, HU about the median of the box, box, former mask, clicks inside, clicks outside.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from FlareSegLib.prompting.crop import Frame
from FlareSegLib.prompting.prompts import Extent

NAMES = ("narrow", "wide", "local", "box", "former", "inside", "outside")
CLICK_SIGMA = 2.0
"""Of the Gaussian of a click, in voxels of the crop in a slice; half as many along z."""
LEAST_SD = 10.0
"""HU."""

Crop = NDArray[np.float32]


def box_channel(extent: Extent, frame: Frame) -> Crop:
    """Return 1 in the box and 0 outside of it."""
    z, y, x = (
        ((at := frame.places(axis)) >= extent.low[axis]) & (at <= extent.high[axis])
        for axis in range(3)
    )
    return (z[:, None, None] & y[:, None] & x).astype(np.float32)


def click_channel(clicks: Iterable[NDArray[np.float64]], frame: Frame) -> Crop:
    """Return the Gaussians of clicks at points in grid mm."""
    found = np.zeros(frame.shape, np.float32)
    for at in clicks:
        index = np.rint(frame.index(at))
        z, y, x = (np.arange(n) - index[axis] for axis, n in enumerate(frame.shape))
        distance = (2 * z[:, None, None]) ** 2 + y[:, None] ** 2 + x**2
        np.maximum(found, np.exp(-distance / (2 * CLICK_SIGMA**2)), out=found, casting="unsafe")
    return found


def channels(hu: Crop, box: Crop, former: Crop, inside: Crop, outside: Crop) -> Crop:
    """Return the channels (7, z, y, x)."""
    values = hu[box > 0]
    if not values.size:
        values = hu.ravel()
    half = (values.size - 1) // 2
    middle = np.partition(values, half, axis=None)[half]  # torch's median: the lower one
    sd = max(float(values.std()), LEAST_SD)
    shown = np.empty((len(NAMES), *hu.shape), np.float32)
    np.clip((hu - 50) / 150, -3, 3, out=shown[0])
    np.clip(hu / 1000, -1.1, 2, out=shown[1])
    np.clip((hu - middle) / (2 * sd), -3, 3, out=shown[2])
    for channel, given in zip(shown[3:], (box, former, inside, outside), strict=True):
        channel[...] = given
    return shown
