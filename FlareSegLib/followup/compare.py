"""Two dates of a patient: how organs have changed, beside what changes by itself."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from FlareSegLib.base.errors import InputError
from FlareSegLib.base.job import beside

REPORT = ".report.json"
NOISE: dict[str, tuple[float, float]] = {
    "duodenum": (134.8, 12.3),
    "esophagus": (5.5, 6.0),
    "gallbladder": (169.0, 3.6),
    "left_adrenal_gland": (40.4, 27.7),
    "left_kidney": (1.7, 8.0),
    "liver": (9.9, 1.5),
    "pancreas": (20.3, 2.8),
    "right_adrenal_gland": (31.4, 28.0),
    "right_kidney": (2.7, 8.2),
    "spleen": (21.1, 1.0),
    "stomach": (42.0, 11.3),
}
"""By organ: percent of volume and HU of the core by which two looks at the same patient differ in
19 of 20 cases: Testing/benchmarks/bench_repeat.py, on CTs that the model was trained on, so the
true noise is rather larger. docs/compare.md."""
UNKNOWN_NOISE = (None, None)


@dataclass(frozen=True)
class Change:
    """What became of one organ."""

    key: str
    name: str
    before_ml: float | None
    """None if absent."""
    after_ml: float | None
    before_hu: float | None
    """Median of the core; None if there is none."""
    after_hu: float | None
    is_cut: bool
    """On one of the dates the scan cuts it: volumes cannot be compared."""
    noise_percent: float | None
    """Of the volume, to be expected without any change; None if unknown."""
    noise_hu: float | None

    @property
    def percent(self) -> float | None:
        """Change of the volume; None if it cannot be told."""
        if self.is_cut or not self.before_ml or self.after_ml is None:
            return None
        return 100 * (self.after_ml / self.before_ml - 1)

    @property
    def hu(self) -> float | None:
        """Change of the core's HU; None if it cannot be told."""
        known = self.before_hu is not None and self.after_hu is not None
        return self.after_hu - self.before_hu if known else None  # type: ignore[operator]

    @property
    def is_beyond_noise(self) -> bool:
        """Whether the volume changed by more than it does by itself."""
        known = self.percent is not None and self.noise_percent is not None
        return known and abs(self.percent) > self.noise_percent  # type: ignore[arg-type,operator]

    def to_dict(self) -> dict[str, object]:
        """Return what JSON knows of it."""
        derived = {"percent": self.percent, "hu": self.hu, "is_beyond_noise": self.is_beyond_noise}
        facts = {**vars(self), **derived}
        return {
            key: round(value, 3) if isinstance(value, float) else value
            for key, value in facts.items()
        }


def read_report(path: Path) -> Mapping[str, Any]:
    """Return the report of a case.

    Args:
        path: The report, or the labelmap that it lies beside.

    Raises:
        InputError: It is no report.
    """
    report = path if path.name.endswith(".json") else beside(path, REPORT)
    try:
        found: Mapping[str, Any] = json.loads(report.read_text(encoding="utf-8"))
        _ = [(row["key"], row["volume_ml"]) for row in found["organs"]]
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise InputError(
            f"{report} is no report of FlareSeg: give a labelmap with its report, or the report"
        ) from error
    return found


def compare(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[Change]:
    """Return the change of each organ that both reports tell of."""
    later = {row["key"]: row for row in after["organs"]}
    return [_change(row, later[row["key"]]) for row in before["organs"] if row["key"] in later]


def _change(before: Mapping[str, Any], after: Mapping[str, Any]) -> Change:
    rows = (before, after)
    ml = [row["volume_ml"] if row.get("components", 1) else None for row in rows]
    hu = [(row.get("core_hu") or {}).get("median") for row in rows]
    is_cut = any("touches_border" in row["flags"] for row in rows)
    noise = NOISE.get(before["key"], UNKNOWN_NOISE)
    return Change(
        key=before["key"],
        name=before["name"],
        before_ml=ml[0],
        after_ml=ml[1],
        before_hu=hu[0],
        after_hu=hu[1],
        is_cut=is_cut,
        noise_percent=noise[0],
        noise_hu=noise[1],
    )


def remarks(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    """Return what stands in the way of a comparison."""
    said = []
    for what, keys in (("model", ("model", "sha256")), ("speed", ("speed",))):
        values = [_at(report["run"], keys) for report in (before, after)]
        if values[0] != values[1]:
            said.append(f"the two reports are of another {what}: run both with the same")
    if (phases := [_at(r, ("phase", "name")) for r in (before, after)])[0] != phases[1]:
        said.append("the contrast phases differ, and so do HU")
    return said


def _at(facts: Any, keys: Sequence[str]) -> object:
    for key in keys:
        facts = facts.get(key) if isinstance(facts, Mapping) else None
    return facts


def to_table(changes: Sequence[Change], said: Sequence[str]) -> str:
    """Return a table for people; "!" marks what is beyond noise."""
    width = max([len("organ"), *(len(one.name) for one in changes)])
    head = ("before ml", "after ml", "change", "expected", "core HU")
    lines = [f"  {'organ':<{width}}" + "".join(f"  {word:>11}" for word in head)]
    for one in changes:
        mark = "!" if one.is_beyond_noise else " "
        noise = "-" if one.noise_percent is None else f"\u00b1 {one.noise_percent:.0f} %"
        percent = "cut" if one.is_cut else _signed(one.percent, " %")
        cells = (_plain(one.before_ml), _plain(one.after_ml), percent, noise, _signed(one.hu, ""))
        lines.append(f"{mark} {one.name:<{width}}" + "".join(f"  {cell:>11}" for cell in cells))
    return "\n".join([*lines, *(f"! {text}" for text in said)])


def _plain(ml: float | None) -> str:
    return "-" if ml is None else f"{ml:.1f}"


def _signed(value: float | None, unit: str) -> str:
    return "-" if value is None else f"{value:+z.0f}{unit}"
