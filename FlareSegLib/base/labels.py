"""The 13 organs: values, names, colors, codes and rules, from Resources/Labels/flare13.json."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Literal

from FlareSegLib.base.paths import RESOURCES


@dataclass(frozen=True)
class Organ:
    """One organ."""

    value: int
    """Value in a labelmap (FLARE22)."""
    key: str
    """Stable name for programs."""
    name: str
    """Name for people."""
    color: tuple[int, int, int]
    """Red, green, blue in [0, 255]."""
    snomed: str
    """SNOMED CT concept."""
    snomed_meaning: str
    side: Literal["left", "right"] | None
    """Side of the body where the concept needs one."""
    tolerance_mm: float
    """Tolerance of the surface overlap NSD (FLARE's evaluation)."""
    plausible_ml: tuple[float, float]
    """Volumes of whole organs outside this range are flagged."""
    keep: Literal["largest", "near"]
    """Clean-up: the largest component only, or also islands near it."""
    least_island_ml: float
    """Clean-up: smaller components are removed."""
    reach_mm: float
    """Clean-up: islands farther than this from the largest component are removed."""
    fill_holes: bool
    """Clean-up: fill enclosed background."""


def _read() -> tuple[Organ, ...]:
    text = (RESOURCES / "Labels" / "flare13.json").read_text(encoding="utf-8")
    rows: list[dict[str, Any]] = json.loads(text)["organs"]
    for row in rows:
        row |= {key: tuple(row[key]) for key in ("color", "plausible_ml")}
    return tuple(Organ(**row) for row in rows)


ORGANS: tuple[Organ, ...] = _read()
"""In the order of their values, from 1."""
BY_KEY: dict[str, Organ] = {organ.key: organ for organ in ORGANS}
STRUCTURE_CODE = ("123037004", "Anatomical Structure")
"""SNOMED CT concept and meaning of the category of all organs."""
SIDE_CODES = {"right": ("24028007", "Right"), "left": ("7771000", "Left")}
"""SNOMED CT concept and meaning of each side."""
TUBES: tuple[int, ...] = tuple(
    BY_KEY[key].value for key in ("aorta", "inferior_vena_cava", "esophagus")
)
"""Organs that run through the scan: they say little about what is beside them."""


def chosen(keys: tuple[str, ...]) -> tuple[Organ, ...]:
    """Return the organs with these keys, in the order of their values; all if keys is empty.

    Raises:
        ValueError: A key is unknown.
    """
    unknown = [key for key in keys if key not in BY_KEY]
    if unknown:
        raise ValueError(f"unknown organs {', '.join(unknown)}: choose from {', '.join(BY_KEY)}")
    return tuple(organ for organ in ORGANS if not keys or organ.key in keys)
