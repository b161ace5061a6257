"""HU of an organ: over all of its voxels, and over its core, away from edges and what lies beside.

Voxels at a border hold two tissues, and a border that is a voxel off holds the wrong one: the mean
over an organ lies below that of its tissue by some HU in a liver, by 16 and more in kidneys and
vessels. People should read the core first.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from FlareSegLib.base.geometry import ZyxMm
from FlareSegLib.base.runs import Slices

CORE_MM = (3.5, 2.0, 1.0)
"""Distances from the border of an organ to its core: the first that leaves enough of it."""
LEAST_CORE = 40
"""Voxels of a core, at the least."""
LEAST_SHARE = 0.05
"""Share of an organ that its core must be."""
SAMPLES_MM = (0.0, 1.0, 1.5, 2.0)
"""Spacings at which an organ is looked at for its core: the first that gives few voxels."""
FEW = 150_000
"""Voxels of a box."""
MOST_VALUES = 30_000
"""Quantiles of more voxels are taken of so many of them, evenly."""


@dataclass(frozen=True)
class Hu:
    """How the HU of some voxels are spread."""

    mean: float
    sd: float
    median: float
    p10: float
    """10th percentile."""
    p90: float
    """90th percentile."""


@dataclass(frozen=True)
class Core(Hu):
    """How the HU of the core of an organ are spread."""

    depth_mm: float
    """Least distance between its voxels and the border."""
    ring: float | None = None
    """Median of what lies just outside of the organ and is no organ; None if there is nothing."""


def spread(values: NDArray[Any]) -> Hu:
    """Return the spread of HU; quantiles of at most MOST_VALUES of them."""
    low, median, high = np.percentile(_some(values), (10, 50, 90))
    mean, sd = values.mean(dtype=np.float64), values.std(dtype=np.float64)
    return Hu(float(mean), float(sd), float(median), float(low), float(high))


def _some(values: NDArray[Any]) -> NDArray[Any]:
    """Return at most MOST_VALUES of some values, evenly."""
    return values[:: -(-values.size // MOST_VALUES)]


def core_of(
    labels: NDArray[np.uint8], hu: NDArray[Any], value: int, box: Slices, spacing_mm: ZyxMm
) -> Core | None:
    """Return the HU of the core of an organ; None if it is too thin to have one.

    Args:
        labels: Organ values (z, y, x).
        hu: The CT on the same grid.
        value: Of the organ.
        box: Holds the organ.
        spacing_mm: Of both (z, y, x).
    """
    steps = _steps(box, spacing_mm)
    sampled_mm = [n * mm for n, mm in zip(steps, spacing_mm, strict=True)]
    wide, place = _around(box, steps, labels.shape)
    inside, values = np.ascontiguousarray(labels[wide]), np.ascontiguousarray(hu[wide])
    organ = inside == value
    count = np.count_nonzero(organ)
    for depth in CORE_MM:
        half = [int(depth / mm + 0.5) for mm in sampled_mm]
        if depth == CORE_MM[0]:
            half = [max(1, n) for n in half]  # thick slices too hold two tissues at the ends
        core = eroded(organ[place], half)
        if sum(half) and np.count_nonzero(core) >= max(LEAST_CORE, LEAST_SHARE * count):
            found = spread(values[place][core])
            least = min(n * mm for n, mm in zip(half, sampled_mm, strict=True) if n)
            return Core(**vars(found), depth_mm=least, ring=_ring(organ, inside, values))
    return None


def _steps(box: Slices, spacing_mm: ZyxMm) -> list[int]:
    for wanted in SAMPLES_MM:
        steps = [max(1, round(wanted / mm)) for mm in spacing_mm]
        sizes = [(s.stop - s.start) / n for s, n in zip(box, steps, strict=True)]
        if np.prod(sizes) <= FEW:
            break
    return steps


def _around(box: Slices, steps: list[int], shape: tuple[int, ...]) -> tuple[Slices, Slices]:
    """Return a box with a margin of a step where there is room, and the old one's place in it."""
    wide, place = [], []
    for edge, step, n in zip(box, steps, shape, strict=True):
        has_room = edge.start >= step
        wide.append(slice(edge.start - step * has_room, min(n, edge.stop + step), step))
        place.append(slice(int(has_room), int(has_room) + -(-(edge.stop - edge.start) // step)))
    return (wide[0], wide[1], wide[2]), (place[0], place[1], place[2])


def _ring(organ: NDArray[np.bool_], labels: NDArray[np.uint8], hu: NDArray[Any]) -> float | None:
    outside = organ.copy()
    for axis in range(3):
        for a, b in ((slice(1, None), slice(None, -1)), (slice(None, -1), slice(1, None))):
            to, source = [slice(None)] * 3, [slice(None)] * 3
            to[axis], source[axis] = a, b
            outside[tuple(to)] |= organ[tuple(source)]
    outside &= labels == 0
    values = hu[outside]
    return float(np.median(_some(values))) if values.size else None


def eroded(mask: NDArray[np.bool_], half: list[int]) -> NDArray[np.bool_]:
    """Return the voxels of a mask (z, y, x) that are in it with all neighbours in a box.

    Args:
        mask: What lies outside of the array counts as not in it.
        half: Steps (z, y, x) from the middle of the box to its faces.
    """
    for axis, n in enumerate(half):
        mask = np.moveaxis(_eroded_along(np.moveaxis(mask, axis, 0), n), 0, axis)
    return mask


def _eroded_along(mask: NDArray[np.bool_], half: int) -> NDArray[np.bool_]:
    """Return where a window of 2 * half + 1 along the first axis is all True; by doubling."""
    found, window, width = np.zeros_like(mask), 2 * half + 1, 1
    if len(mask) < window:
        return found
    while 2 * width <= window:
        mask, width = mask[:-width] & mask[width:], 2 * width
    if width < window:
        mask = mask[: width - window] & mask[window - width :]
    found[half : len(found) - half] = mask
    return found
