"""The contrast phase of a CT, from the HU in the cores of vessels and organs.

Each phase is a normal distribution of a few readings, each reading by itself (naive Bayes), with
means and SDs in Resources/Trust/phase.json. Readings hang together, so what they say is weighted
down by TEMPER. A reading that cannot be had is left out.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from FlareSegLib.base.paths import RESOURCES
from FlareSegLib.measuring.rows import OrganRow

TEMPER = 0.5
"""Weight of each reading's log likelihood."""
FEWEST = 2
"""With fewer readings nothing is said."""
NAMES = {
    "unenhanced": "unenhanced",
    "arterial": "arterial",
    "portal_venous": "portal venous",
    "delayed": "delayed",
}
"""Stable key, and name for people."""


@dataclass(frozen=True)
class Phase:
    """The contrast phase."""

    key: str
    """The likeliest of NAMES."""
    probabilities: Mapping[str, float]
    """By key; they add up to 1."""

    @property
    def name(self) -> str:
        """For people."""
        return NAMES[self.key]


Told = Mapping[str, Mapping[str, tuple[float, float]]]
"""By phase and reading: mean and SD in HU."""


def readings(rows: Mapping[str, OrganRow]) -> dict[str, float]:
    """Return the HU that tell phases apart, of organs that have a core: by name."""
    hu = {key: row.core_hu for key, row in rows.items() if row.core_hu}
    at = {key: core.median for key, core in hu.items()}
    found: dict[str, float] = {
        key: at[key] for key in ("aorta", "liver", "spleen", "pancreas") if key in at
    }
    for name, one, other in (
        ("aorta_minus_liver", "aorta", "liver"),
        ("aorta_minus_vena_cava", "aorta", "inferior_vena_cava"),
    ):
        if one in at and other in at:
            found[name] = at[one] - at[other]
    kidneys = [hu[key] for key in ("right_kidney", "left_kidney") if key in hu]
    if kidneys:
        found["kidney"] = sum(core.median for core in kidneys) / len(kidneys)
        found["kidney_spread"] = sum(core.p90 - core.p10 for core in kidneys) / len(kidneys)
    return found


def phase_of(rows: Mapping[str, OrganRow], told: Told | None = None) -> Phase | None:
    """Return the phase of a CT; None if too little is there to tell.

    Args:
        rows: By organ key.
        told: What the phases look like; None: what ships.
    """
    return likeliest(readings(rows), told or shipped())


def likeliest(seen: Mapping[str, float], told: Told) -> Phase | None:
    """Return the phase that goes best with some readings."""
    if len(seen) < FEWEST or not {"aorta", "kidney", "spleen", "liver"} & seen.keys():
        return None
    scores = {
        phase: TEMPER * sum(_log(seen[name], *said[name]) for name in seen if name in said)
        for phase, said in told.items()
    }
    best = max(scores, key=lambda phase: scores[phase])
    weights = {phase: math.exp(score - scores[best]) for phase, score in scores.items()}
    total = sum(weights.values())
    return Phase(best, {phase: weight / total for phase, weight in weights.items()})


def _log(value: float, mean: float, sd: float) -> float:
    return -0.5 * ((value - mean) / sd) ** 2 - math.log(sd)


@cache
def shipped() -> Told:
    """Return what the phases look like, from Resources."""
    text = (RESOURCES / "Trust" / "phase.json").read_text(encoding="utf-8")
    facts: dict[str, Any] = json.loads(text)["phases"]
    return {
        phase: {name: (said["mean"], said["sd"]) for name, said in readings.items()}
        for phase, readings in facts.items()
    }
