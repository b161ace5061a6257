"""What a model can find: organs with their values, names, colors, codes and rules.

A label set belongs to a model: see label_file.py, which reads it, and docs/labels.md.
"""

from __future__ import annotations

import colorsys
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

Color = tuple[int, int, int]
"""Red, green, blue in [0, 255]."""
MOST_VALUE = 255
"""Labelmaps are uint8."""
STRUCTURE_CODE = ("123037004", "Anatomical Structure")
"""SNOMED CT concept and meaning of the category of all organs, and of one without a code."""
SIDE_CODES = {"right": ("24028007", "Right"), "left": ("7771000", "Left")}
"""SNOMED CT concept and meaning of each side."""
_TURN = 0.6180339887
"""Of the hue from a value to the next: the golden ratio keeps any few neighbours apart."""
_SHADES = ((0.65, 0.95), (0.85, 0.65), (0.45, 0.8))
"""Saturation and brightness, in turns."""


def palette(value: int) -> Color:
    """Return the color of a value that has none of its own; neighbours are told apart."""
    saturation, brightness = _SHADES[value % len(_SHADES)]
    red, green, blue = colorsys.hsv_to_rgb(value * _TURN % 1, saturation, brightness)
    return round(255 * red), round(255 * green), round(255 * blue)


@dataclass(frozen=True)
class Organ:
    """One organ, or whatever else a model finds."""

    value: int
    """Value in a labelmap, from 1 to 255."""
    key: str
    """Stable name for programs."""
    name: str
    """Name for people."""
    color: Color
    """Red, green, blue in [0, 255]."""
    snomed: str = STRUCTURE_CODE[0]
    """SNOMED CT concept."""
    snomed_meaning: str = STRUCTURE_CODE[1]
    side: Literal["left", "right"] | None = None
    """Side of the body where the concept needs one."""
    tolerance_mm: float = 2.0
    """Tolerance of the surface overlap NSD."""
    plausible_ml: tuple[float, float] | None = None
    """Volumes of whole organs outside this range are flagged; None: no volume is."""
    keep: Literal["all", "largest", "near"] = "all"
    """Clean-up: all components, the largest only, or the largest and islands near it."""
    least_island_ml: float = 0.0
    """Clean-up: smaller components are removed, unless keep is all."""
    reach_mm: float = 0.0
    """Clean-up: islands farther than this from the largest component go, if keep is near."""
    fill_holes: bool = False
    """Clean-up: fill enclosed background."""
    is_tube: bool = False
    """It runs through the scan: its end says little, and neither does it of what is beside it."""

    @property
    def css_color(self) -> str:
        """Its color as CSS has it, such as #ff0080."""
        return "#{:02x}{:02x}{:02x}".format(*self.color)


def plain(value: int, key: str = "", name: str = "") -> Organ:
    """Return an organ of which no more is known.

    Args:
        value: In a labelmap.
        key: Empty: label_7 for value 7.
        name: Empty: the key, with spaces.
    """
    key = key or f"label_{value}"
    return Organ(value, key, name or key.replace("_", " "), palette(value))


@dataclass(frozen=True)
class LabelSet:
    """The organs of a model, in the order of their values."""

    organs: tuple[Organ, ...]

    @classmethod
    def plain(cls, values: Iterable[int]) -> LabelSet:
        """Return a set for values of which no more is known; 0 is left out."""
        return cls(tuple(plain(value) for value in sorted(values) if value))

    @cached_property
    def by_key(self) -> dict[str, Organ]:
        """The organs by their keys."""
        return {organ.key: organ for organ in self.organs}

    @cached_property
    def by_value(self) -> dict[int, Organ]:
        """The organs by their values."""
        return {organ.value: organ for organ in self.organs}

    @property
    def keys(self) -> tuple[str, ...]:
        """The keys of all organs."""
        return tuple(organ.key for organ in self.organs)

    @property
    def tubes(self) -> tuple[Organ, ...]:
        """The organs that run through the scan."""
        return tuple(organ for organ in self.organs if organ.is_tube)

    @cached_property
    def pairs(self) -> tuple[tuple[str, str], ...]:
        """Keys of organs that are there twice: the right one, then the left one.

        They say their side, and their keys differ in it alone: right_kidney and left_kidney.
        """
        sides = {organ.key: organ.side for organ in self.organs}
        rights = [key for key, side in sides.items() if side == "right"]
        pairs = [(key, key.replace("right", "left")) for key in rights]
        return tuple((right, left) for right, left in pairs if sides.get(left) == "left")

    def chosen(self, keys: Iterable[str]) -> tuple[Organ, ...]:
        """Return the organs with these keys, in the order of their values; all if keys is empty.

        Raises:
            ValueError: A key is unknown.
        """
        wanted = set(keys)
        if unknown := sorted(wanted - set(self.by_key)):
            raise ValueError(
                f"unknown organs {', '.join(unknown)}: choose from {', '.join(self.keys)}"
            )
        return tuple(organ for organ in self.organs if not wanted or organ.key in wanted)
