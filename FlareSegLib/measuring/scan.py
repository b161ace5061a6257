"""What a scan shows besides organs: body, air, fat, bone, noise. Cheap: every 6 mm is looked at."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from FlareSegLib.base.geometry import Box, Grid, Volume
from FlareSegLib.preprocessing.body import steps_of

AIR_HU, BONE_HU = -500, 250
FAT_HU, SOFT_HU = (-150, -30), (0, 100)
NOISY_SLICES = 8
"""Slices in which noise is looked for."""


@dataclass(frozen=True)
class Scan:
    """Numbers of a scan."""

    height_mm: float
    """From the lowest to the highest slice."""
    slice_mm: float
    """Distance of slices."""
    width_mm: float
    """Of the body, left to right, median over slices."""
    depth_mm: float
    """Of the body, front to back, median over slices."""
    cut_sides: float
    """Share of the slices in which the body reaches the left or right edge of the image."""
    air_low: float
    """Share of air in the body in the lowest 30 mm."""
    air_high: float
    """Share of air in the body in the highest 30 mm."""
    air: float
    """Share of air in the body."""
    fat: float
    soft: float
    bone: float
    """Shares of the body without air."""
    bone_behind: float
    """How far bone lies behind the middle of the body, share of its depth; below 0: in front."""
    noise_hu: float
    """SD between neighbouring voxels of soft tissue."""


def scan_of(roi: Volume, mask: NDArray[np.bool_], box: Box, whole: Grid) -> Scan:
    """Return the numbers of a scan.

    Args:
        roi: HU, canonical, cut to the body.
        mask: Coarse mask of the body (body.body_mask) over the same box.
        box: Where roi lies in the canonical CT.
        whole: Grid of the canonical CT.
    """
    steps, mm = steps_of(roi), roi.grid.spacing_mm
    hu = roi.array[:: steps[0], :: steps[1], :: steps[2]]
    inside = hu[mask]
    size = max(1, inside.size)
    is_air = mask & (hu < AIR_HU)
    tissue = max(1, int(np.count_nonzero(inside >= AIR_HU)))
    end = max(1, round(30 / (steps[0] * mm[0])))
    bone = mask & (hu > BONE_HU)
    width, depth = (_extent(mask, axis) * steps[axis] * mm[axis] for axis in (2, 1))
    return Scan(
        height_mm=whole.extent_mm[0],
        slice_mm=mm[0],
        width_mm=width,
        depth_mm=depth,
        cut_sides=_cut_sides(mask, box, whole),
        air_low=_share(is_air[:end], mask[:end]),
        air_high=_share(is_air[-end:], mask[-end:]),
        air=np.count_nonzero(is_air) / size,
        fat=np.count_nonzero((inside > FAT_HU[0]) & (inside < FAT_HU[1])) / tissue,
        soft=np.count_nonzero((inside > SOFT_HU[0]) & (inside < SOFT_HU[1])) / tissue,
        bone=np.count_nonzero(bone) / tissue,
        bone_behind=_behind(bone, mask) * steps[1] * mm[1] / max(depth, 1.0),
        noise_hu=_noise(roi.array),
    )


def _share(part: NDArray[np.bool_], whole: NDArray[np.bool_]) -> float:
    return int(np.count_nonzero(part)) / max(1, int(np.count_nonzero(whole)))


def _extent(mask: NDArray[np.bool_], axis: int) -> float:
    """Return the median over slices of the extent of the body along an axis, in steps."""
    seen: NDArray[np.bool_] = np.any(mask, axis=3 - axis)  # (z, n)
    seen = seen[np.any(seen, axis=1)]
    if not len(seen):
        return 0.0
    first, last = np.argmax(seen, axis=1), seen.shape[1] - np.argmax(seen[:, ::-1], axis=1)
    return float(np.median(last - first))


def _cut_sides(mask: NDArray[np.bool_], box: Box, whole: Grid) -> float:
    at_edge = np.zeros(len(mask), np.bool_)
    if box.start[2] == 0:
        at_edge |= mask[:, :, 0].any(axis=1)
    if box.stop[2] == whole.shape[2]:
        at_edge |= mask[:, :, -1].any(axis=1)
    return float(at_edge.mean())


def _behind(bone: NDArray[np.bool_], mask: NDArray[np.bool_]) -> float:
    """Return how many steps bone lies behind the middle of the body, on average."""
    if not bone.any():
        return 0.0
    rows = np.arange(mask.shape[1])
    where, middle = (
        np.average(rows, weights=np.count_nonzero(part, axis=(0, 2))) for part in (bone, mask)
    )
    return float(where - middle)


def _noise(hu: NDArray[np.generic]) -> float:
    """Return the SD of the noise: by half of the differences of neighbours in soft tissue."""
    some = hu[:: max(1, len(hu) // NOISY_SLICES), ::4].astype(np.float32)
    one, other = some[..., :-1], some[..., 1:]
    soft = (one > SOFT_HU[0] - 60) & (one < SOFT_HU[1] + 60)
    return float(np.median(np.abs((one - other)[soft])) / 0.954) if soft.any() else 0.0
