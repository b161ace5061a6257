"""A row of numbers for each organ, with flags for people."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from FlareSegLib.base.geometry import ZyxMm
from FlareSegLib.measuring.hu import Core, Hu

State = Literal["whole", "cut", "absent", "out_of_field"]
ORGAN_FLAGS = {
    "absent": "not found in this scan",
    "touches_border": "reaches the edge of the scan, so part of it may be missing",
    "implausible_volume": "volume is outside the usual {low:g} to {high:g} ml",
    "wrong_side": "lies on the wrong side: left and right may be swapped",
    "several_components": "is in {components} separate pieces, expected one",
    "uniform_hu": "has hardly varying HU, as no tissue has: padding, or no CT as it was scanned",
    "out_of_field": "not found, and would lie outside of this scan or at its edge",
    "wide": "is {wide:g} mm wide or more, which is called an aneurysm in the abdomen",
    "doubtful": "is doubtful: {doubts}",
}
"""Stable key and sentence for people; the organ's name goes before it."""
HARMLESS = frozenset({"touches_border", "out_of_field"})
"""Flags that are no reason to look: vessels reach an edge of nearly every scan."""
WIDE_AORTA_MM = 30.0
"""From here on an aorta is called aneurysmal (ESVS 2019)."""
MANY_ML = 20.0
"""From here on decimals of a volume say nothing."""


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
    """0 if absent; if the scan cuts the organ, it has at least this."""
    mean_hu: float | None = None
    """Of all voxels, those at its border too; None if absent. core_hu tells of its tissue."""
    sd_hu: float | None = None
    """Standard deviation over all voxels; None if absent."""
    extent_mm: ZyxMm = (0.0, 0.0, 0.0)
    """Of the bounding box, toward S, P and L (the closest array axes if the grid is oblique)."""
    centroid_mm: ZyxMm | None = None
    """World position (L, P, S); None if absent."""
    components: int = 0
    """Separate pieces."""
    flags: tuple[str, ...] = ()
    """Keys of ORGAN_FLAGS."""
    hu: Hu | None = None
    """Of all voxels; None if absent."""
    core_hu: Core | None = None
    """Of those away from the border: read this first. None if absent, or too thin for a core."""
    confidence: float | None = None
    """The DSC that is to be expected, in [0, 1]; None if the model does not tell."""
    doubts: tuple[str, ...] = ()
    """Why the organ is doubtful, in words; empty if it is not."""

    plausible_ml: tuple[float, float] | None = None
    """Usual volumes; not in reports."""

    @property
    def is_cut(self) -> bool:
        """Whether the scan cuts the organ, so that its volume is a lower bound."""
        return "touches_border" in self.flags

    @property
    def state(self) -> State:
        """How much of the organ is there."""
        if not self.components:
            return "out_of_field" if "out_of_field" in self.flags else "absent"
        return "cut" if self.is_cut else "whole"

    @property
    def volume_text(self) -> str:
        """The volume in ml for people, after a "≥" if it is a lower bound; empty if absent."""
        bound = "\u2265 " if self.is_cut else ""
        return f"{bound}{self.volume_ml:.1f}" if self.components else ""

    def sentence(self, flag: str) -> str:
        """Return what a flag means for this organ, for people."""
        low, high = self.plausible_ml or (0.0, math.inf)
        doubts = "; ".join(self.doubts) or "see its confidence"
        return ORGAN_FLAGS[flag].format(
            low=low, high=high, components=self.components, wide=WIDE_AORTA_MM, doubts=doubts
        )


def ml_text(ml: float, beside: float | None = None) -> str:
    """Return a volume with the decimals that mean something: an adrenal gland has 4.3 ml.

    Args:
        ml: The volume.
        beside: One whose decimals it shall have, if not its own.
    """
    return f"{ml:.{0 if (ml if beside is None else beside) >= MANY_ML else 1}f}"
