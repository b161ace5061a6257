"""Numbers of all organs of a labelmap, in one pass."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np

from FlareSegLib.base.geometry import Grid, Labelmap, Volume, ZyxMm
from FlareSegLib.base.labels import LabelSet, Organ
from FlareSegLib.base.runs import CORNERS, Runs, Slices, pieces_of, runs_of
from FlareSegLib.images.hounsfield import coarse
from FlareSegLib.measuring.derived import Measure, derived
from FlareSegLib.measuring.hu import core_of, spread
from FlareSegLib.measuring.rows import OrganRow
from FlareSegLib.measuring.sides import wrong_sided
from FlareSegLib.postprocessing.cleanup import LEAST_SD_HU
from FlareSegLib.preprocessing.orient import to_canonical

DRAWN_VALUES = 60
"""Different HU that a drawn phantom may have; noise alone has more."""


@dataclass(frozen=True)
class Measured:
    """What the labels of a CT measure."""

    organs: tuple[OrganRow, ...]
    """Of all organs, in the order of their values."""
    derived: tuple[Measure, ...]
    """What is made of several numbers or of an organ's shape."""


def measure(labelmap: Labelmap, hu: Volume, labels: LabelSet) -> Measured:
    """Return the numbers of all organs.

    Args:
        labelmap: Organ values, oriented any way.
        hu: The CT on the same grid.
        labels: What the values mean.
    """
    if labelmap.array.shape != hu.array.shape:
        raise ValueError(f"labelmap {labelmap.array.shape} and CT {hu.array.shape} differ in shape")
    labelmap, hu = to_canonical(labelmap), to_canonical(hu)
    runs = runs_of(labelmap.array)
    piece = pieces_of(runs, CORNERS)  # as in the clean-up
    rows, parts = {}, {}
    for organ in labels.organs:
        mine = np.flatnonzero(runs.value == organ.value)
        part, components = runs.part(mine), np.unique(piece[mine]).size
        rows[organ.key] = _row(organ, part, components, labelmap, hu)
        if components:
            parts[organ.key] = part
    at = {row.key: row.centroid_mm[0] for row in rows.values() if row.centroid_mm}
    for key in _uniform(rows.values(), hu):
        rows[key] = replace(rows[key], flags=(*rows[key].flags, "uniform_hu"))
    for key in wrong_sided(at, labels.pairs):
        rows[key] = replace(rows[key], flags=(*rows[key].flags, "wrong_side"))
    return Measured(tuple(rows.values()), derived(rows, parts, labelmap.grid))


def _row(organ: Organ, runs: Runs, components: int, labelmap: Labelmap, hu: Volume) -> OrganRow:
    row = OrganRow(organ.key, organ.name, organ.value, plausible_ml=organ.plausible_ml)
    grid = hu.grid
    if not components:
        return replace(row, flags=("absent",))
    values, box = hu.array[runs.voxels()], runs.box
    whole = spread(values)
    row = replace(
        row,
        volume_ml=values.size * grid.voxel_ml,
        mean_hu=whole.mean,
        sd_hu=whole.sd,
        extent_mm=_extent_mm(box, grid),
        centroid_mm=_centroid_mm(runs, grid),
        components=components,
        hu=whole,
        core_hu=core_of(labelmap.array, hu.array, organ.value, box, grid.spacing_mm),
    )
    return replace(row, flags=_flags(row, organ, is_cut=_touches_border(box, grid)))


def _uniform(rows: Iterable[OrganRow], hu: Volume) -> list[str]:
    """Return the organs whose HU hardly vary, in a CT that is no drawing of a few values."""
    found = [row.key for row in rows if row.sd_hu is not None and row.sd_hu < LEAST_SD_HU]
    return found if found and np.unique(coarse(hu.array)).size > DRAWN_VALUES else []


def _touches_border(box: Slices, grid: Grid) -> bool:
    return any(edge.start == 0 or edge.stop == n for edge, n in zip(box, grid.shape, strict=True))


def _flags(row: OrganRow, organ: Organ, *, is_cut: bool) -> tuple[str, ...]:
    low, high = organ.plausible_ml or (0.0, math.inf)
    holds = {
        "touches_border": is_cut,
        "implausible_volume": row.volume_ml > high or (row.volume_ml < low and not is_cut),
        "several_components": organ.keep == "largest" and row.components > 1,
    }
    return tuple(flag for flag, is_so in holds.items() if is_so)


def _extent_mm(box: Slices, grid: Grid) -> ZyxMm:
    z, y, x = ((s.stop - s.start) * mm for s, mm in zip(box, grid.spacing_mm, strict=True))
    return float(z), float(y), float(x)


def _centroid_mm(runs: Runs, grid: Grid) -> ZyxMm:
    middles = (*runs.zy, (runs.start + runs.stop - 1) / 2)
    z, y, x = (float(np.average(middle, weights=runs.lengths)) for middle in middles)
    return grid.to_world((z, y, x))
