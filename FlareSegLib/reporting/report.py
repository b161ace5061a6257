"""The report of a run: a row per organ, flags for people, facts of the run; JSON, CSV and text."""

from __future__ import annotations

import csv
import io
import itertools
import json
import math
import platform
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path

import numpy as np

from FlareSegLib import __version__
from FlareSegLib.base.atomic import atomic
from FlareSegLib.base.geometry import Grid, Labelmap, Volume, ZyxMm
from FlareSegLib.base.labels import BY_KEY, ORGANS, Organ
from FlareSegLib.base.runs import CORNERS, Runs, Slices, pieces_of, runs_of

SCHEMA_VERSION = 1
"""Goes up when a key of the JSON is renamed or removed; new keys may come without."""
DISCLAIMER = "research use, not a medical device"
NAMELESS = "backslashreplace"
"""Letters of a file name that are none become \\udcff and the like, which JSON understands."""
PACKAGES = ("numpy", "scipy", "SimpleITK", "onnxruntime")

ORGAN_FLAGS = {
    "absent": "not found in this scan",
    "touches_border": "reaches the edge of the scan, so part of it may be missing",
    "implausible_volume": "volume is outside the usual {low:g} to {high:g} ml",
    "wrong_side": "lies on the wrong side: left and right may be swapped",
    "several_components": "is in {components} separate pieces, expected one",
}
"""Stable key and sentence for people; the organ's name goes before it."""
SCAN_FLAGS = {
    "no_organ_found": "NO ORGAN WAS FOUND: is this a CT of the abdomen, in Hounsfield units?",
    "mirrored": "the liver lies left of the spleen: the image may be mirrored (or situs inversus)",
}
"""Stable key and sentence for people."""
PAIRS = (("right_kidney", "left_kidney"), ("right_adrenal_gland", "left_adrenal_gland"))


@dataclass(frozen=True)
class OrganRow:
    """What was measured of one organ."""

    key: str
    """Stable name for programs."""
    name: str
    """Name for people."""
    value: int
    """Value in the labelmap."""
    volume_ml: float = 0.0
    """0 if absent."""
    mean_hu: float | None = None
    """None if absent."""
    sd_hu: float | None = None
    """Standard deviation over the voxels; None if absent."""
    extent_mm: ZyxMm = (0.0, 0.0, 0.0)
    """Of the bounding box, toward S, P and L (the closest array axes if the grid is oblique)."""
    centroid_mm: ZyxMm | None = None
    """World position (L, P, S); None if absent."""
    components: int = 0
    """Separate pieces."""
    flags: tuple[str, ...] = ()
    """Keys of ORGAN_FLAGS."""

    def sentence(self, flag: str) -> str:
        """Return what a flag means for this organ, for people."""
        low, high = BY_KEY[self.key].plausible_ml
        return ORGAN_FLAGS[flag].format(low=low, high=high, components=self.components)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


@dataclass(frozen=True)
class Report:
    """All that a run tells about itself."""

    organs: tuple[OrganRow, ...]
    """The organs asked for, in their order."""
    facts: Mapping[str, object]
    """Of the run: input, grid, seconds, memory, windows, model, versions; numbers, text, lists."""
    warnings: tuple[str, ...] = ()
    """Sentences from the steps, such as missing DICOM slices."""
    created: str = field(default_factory=_now)
    """ISO date and time, UTC."""

    @property
    def flags(self) -> tuple[str, ...]:
        """Keys of SCAN_FLAGS that hold for the whole scan."""
        at = {row.key: row.centroid_mm[0] for row in self.organs if row.centroid_mm}
        flags = [] if at else ["no_organ_found"]
        if "liver" in at and "spleen" in at and at["liver"] >= at["spleen"]:
            flags.append("mirrored")
        return tuple(flags)

    def to_dict(self) -> dict[str, object]:
        """Return the report as strict JSON knows it: no NaN, no tuples, no NumPy types."""
        return {
            "schema_version": SCHEMA_VERSION,
            "disclaimer": DISCLAIMER,
            "created": self.created,
            "flags": {flag: SCAN_FLAGS[flag] for flag in self.flags},
            "warnings": list(self.warnings),
            "run": _plain(self.facts),
            "organs": [_row_to_dict(row) for row in self.organs],
        }


def measure(labelmap: Labelmap, hu: Volume, organs: tuple[Organ, ...]) -> tuple[OrganRow, ...]:
    """Return a row for each of the organs, in their order.

    Args:
        labelmap: Organ values, oriented any way.
        hu: The CT on the same grid.
        organs: Organs to report; the others only help to tell left from right.
    """
    if labelmap.array.shape != hu.array.shape:
        raise ValueError(f"labelmap {labelmap.array.shape} and CT {hu.array.shape} differ in shape")
    runs = runs_of(labelmap.array)
    piece = pieces_of(runs, CORNERS)  # as in the clean-up
    rows = {}
    for organ in ORGANS:
        mine = np.flatnonzero(runs.value == organ.value)
        rows[organ.key] = _row(organ, runs.part(mine), np.unique(piece[mine]).size, hu)
    at = {row.key: row.centroid_mm[0] for row in rows.values() if row.centroid_mm}
    for key in wrong_sided(at):
        rows[key] = replace(rows[key], flags=(*rows[key].flags, "wrong_side"))
    return tuple(rows[organ.key] for organ in organs)


def _row(organ: Organ, runs: Runs, components: int, hu: Volume) -> OrganRow:
    row, grid = OrganRow(organ.key, organ.name, organ.value), hu.grid
    if not components:
        return replace(row, flags=("absent",))
    values = hu.array[runs.voxels()]
    row = replace(
        row,
        volume_ml=values.size * grid.voxel_ml,
        mean_hu=float(values.mean(dtype=np.float64)),
        sd_hu=float(values.std(dtype=np.float64)),
        extent_mm=_extent_mm(runs.box, grid),
        centroid_mm=_centroid_mm(runs, grid),
        components=components,
    )
    return replace(row, flags=_flags(row, organ, is_cut=_touches_border(runs.box, grid)))


def _touches_border(box: tuple[slice, ...], grid: Grid) -> bool:
    return any(edge.start == 0 or edge.stop == n for edge, n in zip(box, grid.shape, strict=True))


def _flags(row: OrganRow, organ: Organ, *, is_cut: bool) -> tuple[str, ...]:
    low, high = organ.plausible_ml
    holds = {
        "touches_border": is_cut,
        "implausible_volume": row.volume_ml > high or (row.volume_ml < low and not is_cut),
        "several_components": organ.keep == "largest" and row.components > 1,
    }
    return tuple(flag for flag, is_so in holds.items() if is_so)


def _world_axes(grid: Grid) -> tuple[int, ...]:
    """Return the world axis (0 L, 1 P, 2 S) that is closest to each array axis, each taken once."""
    cosines = np.abs(np.array(grid.direction))  # [array axis, world axis]
    return max(itertools.permutations(range(3)), key=lambda axes: cosines[[0, 1, 2], axes].sum())


def orientation(grid: Grid) -> str:
    """Return the letters toward which x, y and z of the image grow, such as LPS or RAS."""
    letters = [
        ("RL", "AP", "IS")[axis][grid.direction[i][axis] > 0]
        for i, axis in enumerate(_world_axes(grid))
    ]
    return "".join(reversed(letters))


def _extent_mm(box: Slices, grid: Grid) -> ZyxMm:
    extent = [0.0, 0.0, 0.0]
    for edge, spacing, axis in zip(box, grid.spacing_mm, _world_axes(grid), strict=True):
        extent[2 - axis] = float((edge.stop - edge.start) * spacing)
    return extent[0], extent[1], extent[2]


def _centroid_mm(runs: Runs, grid: Grid) -> ZyxMm:
    middles = (*runs.zy, (runs.start + runs.stop - 1) / 2)
    z, y, x = (float(np.average(middle, weights=runs.lengths)) for middle in middles)
    return grid.to_world((z, y, x))


def wrong_sided(at: Mapping[str, float]) -> set[str]:
    """Return the keys of paired organs that lie on the wrong side.

    A pair is wrong together if its right organ is not to the right of the left one. Without its
    partner, a right organ is wrong if it is nearer the spleen than the liver, and the reverse.

    Args:
        at: World position in mm toward the patient's left, per organ key; absent organs left out.
    """
    wrong: set[str] = set()
    for right, left in PAIRS:
        if right in at and left in at:
            wrong |= {right, left} if at[right] >= at[left] else set()
        elif "liver" in at and "spleen" in at:
            for key in at.keys() & {right, left}:
                is_right = abs(at[key] - at["liver"]) <= abs(at[key] - at["spleen"])
                wrong |= {key} if is_right != (key == right) else set()
    return wrong


def versions() -> dict[str, str | None]:
    """Return the versions of flareseg, Python and what they run on; None where one is missing."""
    found: dict[str, str | None] = {"flareseg": __version__, "python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            found[package] = None
    return found


def grid_facts(grid: Grid) -> dict[str, object]:
    """Return what a report says of the input's grid; shape and spacing are (z, y, x)."""
    return {
        "shape": grid.shape,
        "spacing_mm": grid.spacing_mm,
        "origin_lps_mm": grid.origin,
        "orientation": orientation(grid),
    }


def _plain(value: object) -> object:
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple, set, np.ndarray)):
        return [_plain(item) for item in value]
    if isinstance(value, np.generic):
        return _plain(value.item())
    if isinstance(value, float):
        return round(value, 4) if math.isfinite(value) else None
    return value if value is None or isinstance(value, (bool, int, str)) else str(value)


def _row_to_dict(row: OrganRow) -> dict[str, object]:
    facts = {name: _plain(value) for name, value in vars(row).items()}
    return {**facts, "flags": {flag: row.sentence(flag) for flag in row.flags}}


def write_json(report: Report, path: Path) -> None:
    """Write the report; either whole or not at all."""
    text = json.dumps(report.to_dict(), indent=2, ensure_ascii=False, allow_nan=False)
    with atomic(path) as temporary:
        temporary.write_text(text + "\n", encoding="utf-8", errors=NAMELESS)


def write_csv(report: Report, path: Path) -> None:
    """Write a line per organ; either whole or not at all. Flags are joined by semicolons."""
    columns = ["key", "name", "value", "volume_ml", "mean_hu", "sd_hu"]
    lines = io.StringIO()
    table = csv.writer(lines, lineterminator="\n")
    table.writerow([*columns, "extent_s_mm", "extent_p_mm", "extent_l_mm", "components", "flags"])
    for row in report.organs:
        facts = _row_to_dict(row)
        extent = [round(n, 4) for n in row.extent_mm]
        table.writerow([*(facts[c] for c in columns), *extent, row.components, ";".join(row.flags)])
    with atomic(path) as temporary:
        temporary.write_text(lines.getvalue(), encoding="utf-8")


def to_table(report: Report) -> str:
    """Return a table for the terminal; a line that starts with "!" asks people to look."""
    width = max([len("organ"), *(len(row.name) for row in report.organs)])
    lines = [f"  {'organ':<{width}}  {'ml':>8}  {'mean HU':>8}  notes"]
    for row in report.organs:
        mark = "!" if set(row.flags) - {"touches_border"} else " "  # vessels always reach an edge
        notes = "; ".join(row.sentence(flag) for flag in row.flags)
        mean = "-" if row.mean_hu is None else f"{row.mean_hu:.0f}"
        volume = f"{row.volume_ml:.1f}" if row.components else "-"
        lines.append(f"{mark} {row.name:<{width}}  {volume:>8}  {mean:>8}  {notes}".rstrip())
    lines += [f"! {SCAN_FLAGS[flag]}" for flag in report.flags]
    lines += [f"! {warning}" for warning in report.warnings]
    return "\n".join(lines)
