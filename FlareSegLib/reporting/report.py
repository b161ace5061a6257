"""The report of a run: a row per organ, flags for people, facts of the run; JSON, CSV and text."""

from __future__ import annotations

import csv
import io
import json
import math
import platform
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, is_dataclass
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path

import numpy as np

from FlareSegLib import __version__
from FlareSegLib.base.atomic import atomic
from FlareSegLib.base.geometry import Grid
from FlareSegLib.base.labels import Organ
from FlareSegLib.measuring.derived import Measure
from FlareSegLib.measuring.findings import Finding
from FlareSegLib.measuring.phase import Phase
from FlareSegLib.measuring.rows import HARMLESS, OrganRow
from FlareSegLib.measuring.sides import orientation
from FlareSegLib.measuring.trust import Trusted

SCHEMA_VERSION = 1
"""Goes up when a key of the JSON is renamed or removed; new keys may come without."""
DISCLAIMER = "research use, not a medical device"
NAMELESS = "backslashreplace"
"""Letters of a file name that are none become \\udcff and the like, which JSON understands."""
PACKAGES = ("numpy", "SimpleITK", "onnxruntime", "openvino")

SCAN_FLAGS = {
    "no_organ_found": "NO ORGAN WAS FOUND: is this a CT of the abdomen, in Hounsfield units?",
    "mirrored": "the liver lies left of the spleen: the image may be mirrored (or situs inversus)",
}
"""Stable key and sentence for people."""


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
    derived: tuple[Measure, ...] = ()
    """Sums, differences and lengths."""
    phase: Phase | None = None
    """Contrast phase; None if too little is there to tell."""
    findings: tuple[Finding, ...] = ()
    """What is odd about the scan."""

    @property
    def flags(self) -> tuple[str, ...]:
        """Keys of what holds for the whole scan: of SCAN_FLAGS, and of findings."""
        at = {row.key: row.centroid_mm[0] for row in self.organs if row.centroid_mm}
        flags = [] if at else ["no_organ_found"]
        if "liver" in at and "spleen" in at and at["liver"] >= at["spleen"]:
            flags.append("mirrored")
        return tuple(dict.fromkeys([*flags, *(one.key for one in self.findings)]))

    @property
    def sentences(self) -> dict[str, str]:
        """What each of the flags means, for people."""
        told = SCAN_FLAGS | {one.key: one.sentence for one in self.findings}
        return {flag: told[flag] for flag in self.flags}

    def to_dict(self) -> dict[str, object]:
        """Return the report as strict JSON knows it: no NaN, no tuples, no NumPy types."""
        return {
            "schema_version": SCHEMA_VERSION,
            "disclaimer": DISCLAIMER,
            "created": self.created,
            "flags": self.sentences,
            "warnings": list(self.warnings),
            "run": _plain(self.facts),
            "organs": [_row_to_dict(row) for row in self.organs],
            "derived": [_plain(one) for one in self.derived],
            "phase": _phase(self.phase),
        }


def report_of(
    found: Trusted,
    organs: tuple[Organ, ...],
    facts: Mapping[str, object],
    warnings: tuple[str, ...] = (),
) -> Report:
    """Return the report of what was found of the organs that were asked for."""
    keys = {organ.key for organ in organs}
    return Report(
        tuple(row for row in found.organs if row.key in keys),
        facts,
        warnings,
        derived=found.derived,
        phase=found.phase,
        findings=found.findings,
    )


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
    if is_dataclass(value) and not isinstance(value, type):
        value = asdict(value)
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple, set, np.ndarray)):
        return [_plain(item) for item in value]
    if isinstance(value, np.generic):
        return _plain(value.item())
    if isinstance(value, float):
        return round(value, 4) + 0.0 if math.isfinite(value) else None  # + 0.0: no -0
    return value if value is None or isinstance(value, (bool, int, str)) else str(value)


def _phase(phase: Phase | None) -> object:
    return {"name": phase.name, **vars(phase)} if phase else None


def _row_to_dict(row: OrganRow) -> dict[str, object]:
    facts = {name: _plain(value) for name, value in vars(row).items() if name != "plausible_ml"}
    facts |= {"state": row.state, "is_lower_bound": row.is_cut}
    return {**facts, "flags": {flag: row.sentence(flag) for flag in row.flags}}


def write_json(report: Report, path: Path) -> None:
    """Write the report; either whole or not at all."""
    text = json.dumps(report.to_dict(), indent=2, ensure_ascii=False, allow_nan=False)
    with atomic(path) as temporary:
        temporary.write_text(text + "\n", encoding="utf-8", errors=NAMELESS)


def write_csv(report: Report, path: Path) -> None:
    """Write a line per organ; either whole or not at all. Flags are joined by semicolons.

    volume is volume_ml for people: with a sign before it where it is a lower bound.
    """
    columns = ["key", "name", "value", "volume_ml", "mean_hu", "sd_hu"]
    lines = io.StringIO()
    table = csv.writer(lines, lineterminator="\n")
    further = ["extent_s_mm", "extent_p_mm", "extent_l_mm", "components", "flags"]
    further += ["state", "volume", "confidence"]
    table.writerow([*columns, *further, *_HU_COLUMNS])
    for row in report.organs:
        facts = _row_to_dict(row)
        extent = [round(n, 4) for n in row.extent_mm]
        said = (
            row.components,
            ";".join(row.flags),
            row.state,
            row.volume_text,
            _plain(row.confidence),
        )
        table.writerow([*(facts[c] for c in columns), *extent, *said, *_hu_values(row)])
    with atomic(path) as temporary:
        temporary.write_text(lines.getvalue(), encoding="utf-8")


_HU_COLUMNS = [f"{part}_hu" for part in ("median", "p10", "p90")]
_HU_COLUMNS += [f"core_{part}_hu" for part in ("mean", "sd", "median", "p10", "p90")]
_HU_COLUMNS += ["core_depth_mm"]


def _hu_values(row: OrganRow) -> list[object]:
    whole, core = (vars(part) if part else {} for part in (row.hu, row.core_hu))
    found = [whole.get(part) for part in ("median", "p10", "p90")]
    found += [core.get(part) for part in ("mean", "sd", "median", "p10", "p90", "depth_mm")]
    return [_plain(value) for value in found]


def to_table(report: Report) -> str:
    """Return a table for the terminal; a line that starts with "!" asks people to look."""
    width = max([len("organ"), *(len(row.name) for row in report.organs)])
    lines = [f"  {'organ':<{width}}  {'ml':>8}  {'core HU':>8}  notes"]
    for row in report.organs:
        mark = "!" if set(row.flags) - HARMLESS else " "
        notes = "; ".join(row.sentence(flag) for flag in row.flags)
        core = f"{row.core_hu.median:z.0f}" if row.core_hu else "-"
        volume = row.volume_text or "-"
        lines.append(f"{mark} {row.name:<{width}}  {volume:>8}  {core:>8}  {notes}".rstrip())
    lines += [_derived_line(one, width) for one in report.derived]
    if report.phase:
        share = report.phase.probabilities[report.phase.key]
        lines.append(f"  {'phase':<{width}}  {report.phase.name} ({share:.0%})")
    lines += [f"! {said}" for said in report.sentences.values()]
    lines += [f"! {warning}" for warning in report.warnings]
    return "\n".join(lines)


def _derived_line(one: Measure, width: int) -> str:
    bound = "\u2265 " if one.is_lower_bound else ""
    value = f"{bound}{one.value:z.1f}"
    return f"  {one.name:<{width}}  {value:>8}  {one.unit:>8}  {one.note}".rstrip()
