"""The columns of a cohort's table: one line a case, or one a case and organ (tidy)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from FlareSegLib.base.labels import Organ

RUN = {
    "warnings": ("warnings",),
    "input_sha256": ("run", "source", "sha256"),
    "model": ("run", "model", "name"),
    "model_version": ("run", "model", "version"),
    "model_sha256": ("run", "model", "sha256"),
    "speed": ("run", "speed"),
    "flareseg": ("run", "versions", "flareseg"),
    "phase": ("phase", "name"),
    "slice_thickness_mm": ("run", "dicom", "slice_thickness_mm"),
    "kernel": ("run", "dicom", "kernel"),
    "kvp": ("run", "dicom", "kvp"),
    "contrast": ("run", "dicom", "contrast"),
    "study_date": ("run", "dicom", "study_date"),
    "sex": ("run", "dicom", "sex"),
    "age": ("run", "dicom", "age"),
}
"""Columns of a case, and where a report has them."""
ORGAN = {
    "state": ("state",),
    "core_hu": ("core_hu", "median"),
    "mean_hu": ("mean_hu",),
    "median_hu": ("hu", "median"),
    "confidence": ("confidence",),
}
"""Columns of an organ after its volume, and where a row of a report has them."""
NUMBERS = ("_ml", "_hu", "_confidence", "seconds", "slice_thickness_mm", "kvp")
"""Endings of columns that hold numbers."""


def details(report: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the columns of a case hold, but for volumes, flags and seconds."""
    found = {name: _at(report, path) for name, path in RUN.items()}
    for row in report["organs"]:
        for name, path in ORGAN.items():
            found[f"{row['key']}_{name}"] = _at(row, path)
    return {name: value for name, value in found.items() if value is not None}


def _at(facts: Any, path: Sequence[str]) -> Any:
    for key in path:
        facts = facts.get(key) if isinstance(facts, Mapping) else None
    return ("; ".join(map(str, facts)) or None) if isinstance(facts, list) else facts


def organ_columns(organs: Iterable[Organ]) -> list[str]:
    """Return the columns of organs: all volumes, then what else is known of each."""
    keys = [organ.key for organ in organs]
    return [*(f"{key}_ml" for key in keys), *(f"{key}_{name}" for key in keys for name in ORGAN)]


def is_number(column: str) -> bool:
    """Return whether a column holds numbers."""
    return column.endswith(NUMBERS)


def shown(column: str, value: Any) -> Any:
    """Return a value with the decimals that mean something; None for what is absent."""
    if value is None or not isinstance(value, int | float):
        return value
    if column.endswith("_ml"):
        return (round(value, 1) if value >= 10 else round(value, 2)) if value else None
    return round(value, 1) if column.endswith("_hu") else round(value, 3)
