"""Sums, differences and lengths that clinicians use; each has its source in docs/report.md."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from FlareSegLib.base.geometry import Grid
from FlareSegLib.base.runs import IN_PLANE, Runs, pieces_of
from FlareSegLib.measuring.rows import OrganRow

SMOOTH_MM = 10.0
"""The centre line is smoothed over twice this, and diameters over half of it."""
STEP_MM = 20.0
"""A piece of the next slice farther than this from the last is another vessel."""
STEEPEST = 0.5
"""Cosine between centre line and slices' normal below which a slice cuts the vessel lengthwise."""
FEWEST_SLICES = 3


@dataclass(frozen=True)
class Measure:
    """A number that is made of organs."""

    key: str
    """Stable name for programs."""
    name: str
    """For people."""
    value: float
    unit: str
    is_lower_bound: bool = False
    """An organ that it is made of is cut by the scan: the true value is not less."""
    note: str = ""
    """What to know of it."""
    slice: int | None = None
    """Index of the slice where it was taken, from the feet up, from 0."""


def derived(
    rows: Mapping[str, OrganRow], runs: Mapping[str, Runs], grid: Grid
) -> tuple[Measure, ...]:
    """Return what can be told of the organs that are there.

    Args:
        rows: By organ key.
        runs: By organ key, of the canonical labels; of organs that are there.
        grid: Of the canonical labels.
    """
    found = (
        _liver_minus_spleen(rows),
        _kidneys(rows),
        _spleen_length(rows, runs, grid),
        _aorta_diameter(runs, grid),
    )
    return tuple(one for one in found if one)


def _liver_minus_spleen(rows: Mapping[str, OrganRow]) -> Measure | None:
    liver, spleen = (row.core_hu if (row := rows.get(key)) else None for key in ("liver", "spleen"))
    if not (liver and spleen):
        return None
    note = "medians of the cores; tells of fat in the liver only without contrast medium"
    value = liver.median - spleen.median
    return Measure("liver_minus_spleen_hu", "liver minus spleen", value, "HU", note=note)


def _kidneys(rows: Mapping[str, OrganRow]) -> Measure | None:
    both = [rows[key] for key in ("right_kidney", "left_kidney") if key in rows]
    if len(both) < 2 or not all(row.components for row in both):
        return None
    total, is_cut = sum(row.volume_ml for row in both), any(row.is_cut for row in both)
    return Measure("kidneys_ml", "both kidneys", total, "ml", is_lower_bound=is_cut)


def _spleen_length(
    rows: Mapping[str, OrganRow], runs: Mapping[str, Runs], grid: Grid
) -> Measure | None:
    if "spleen" not in runs:
        return None
    length, is_cut = length_mm(runs["spleen"], grid), rows["spleen"].is_cut
    return Measure("spleen_length_mm", "spleen, length", length, "mm", is_lower_bound=is_cut)


def length_mm(runs: Runs, grid: Grid) -> float:
    """Return the extent of an organ along its own long axis (first principal axis)."""
    z, y = runs.zy
    mm = np.array(grid.spacing_mm)
    middle = np.stack([z, y, (runs.start + runs.stop - 1) / 2], 1) * mm
    weights = runs.lengths / runs.lengths.sum()
    middle -= weights @ middle
    covariance = (middle * weights[:, None]).T @ middle
    covariance[2, 2] += weights @ (runs.lengths**2 - 1) / 12 * mm[2] ** 2
    axis = np.linalg.eigh(covariance)[1][:, -1]
    reach = (runs.lengths - 1) / 2 * mm[2] * abs(axis[2])
    along = middle @ axis
    return float((along + reach).max() - (along - reach).min() + np.abs(axis) @ mm)


def _aorta_diameter(runs: Mapping[str, Runs], grid: Grid) -> Measure | None:
    found = widest(runs["aorta"], grid) if "aorta" in runs else None
    if not found:
        return None
    note = "of the circle of the same area, across the centre line"
    return Measure("aorta_diameter_mm", "aorta, widest", found[0], "mm", note=note, slice=found[1])


def widest(runs: Runs, grid: Grid) -> tuple[float, int] | None:
    """Return the largest diameter of a vessel in mm across its centre line, and its slice.

    Slice by slice from the lowest on: the piece nearest to the last, its area times the cosine of
    the angle between centre line and the slices' normal, as the circle of that area. None if fewer
    than FEWEST_SLICES can be followed.
    """
    line = _centre_line(runs, grid)
    if len(line) < FEWEST_SLICES:
        return None
    z, area, *middle = line.T
    mm = grid.spacing_mm[0]
    window = max(1, round(SMOOTH_MM / mm))
    slopes = [np.gradient(_smooth(one, window), z * mm) for one in middle]
    cosine = 1 / np.sqrt(1 + sum(slope**2 for slope in slopes))
    diameter = 2 * np.sqrt(area * cosine / np.pi)
    diameter[cosine < STEEPEST] = 0
    diameter = _medians(diameter, max(1, round(SMOOTH_MM / 2 / mm)))
    at = int(diameter.argmax())
    return (float(diameter[at]), int(z[at])) if diameter[at] else None


def _centre_line(runs: Runs, grid: Grid) -> NDArray[np.float64]:
    """Return the pieces that follow each other: slice, area in mm2, y and x of the middle in mm."""
    z, y = runs.zy
    _, mm_y, mm_x = grid.spacing_mm
    piece = pieces_of(runs, IN_PLANE)
    area = np.bincount(piece, runs.lengths)
    at_y = np.bincount(piece, runs.lengths * y) / area * mm_y
    at_x = np.bincount(piece, runs.lengths * (runs.start + runs.stop - 1) / 2) / area * mm_x
    slices = np.zeros(area.size, np.intp)
    slices[piece] = z
    table = np.stack([slices, area * mm_y * mm_x, at_y, at_x], 1)
    line: list[NDArray[np.float64]] = []
    for number in range(int(slices.min()), int(slices.max()) + 1):
        here = table[slices == number]
        if line:
            here = here[np.hypot(*(here[:, 2:] - line[-1][2:]).T) <= STEP_MM]
        if not len(here):
            break
        line.append(here[here[:, 1].argmax()])
    return np.array(line)


def _smooth(values: NDArray[np.float64], half: int) -> NDArray[np.float64]:
    """Return straight lines fitted to 2 * half + 1 values around each, at its place."""
    windows = _windows(values, half)
    steps = np.where(np.isnan(windows), np.nan, np.arange(-half, half + 1.0))
    centre = np.nanmean(steps, axis=1, keepdims=True)
    away = steps - centre
    spread = np.maximum(np.nansum(away**2, axis=1), 1e-12)
    slope = np.nansum(away * windows, axis=1) / spread
    found: NDArray[np.float64] = np.nanmean(windows, axis=1) - slope * centre[:, 0]
    return found


def _medians(values: NDArray[np.float64], half: int) -> NDArray[np.float64]:
    found: NDArray[np.float64] = np.nanmedian(_windows(values, half), axis=1)
    return found


def _windows(values: NDArray[np.float64], half: int) -> NDArray[np.float64]:
    """Return 2 * half + 1 values around each (n, 2 * half + 1); NaN beyond the ends."""
    padded = np.pad(values, half, constant_values=np.nan)
    found: NDArray[np.float64] = np.lib.stride_tricks.sliding_window_view(padded, 2 * half + 1)
    return found
