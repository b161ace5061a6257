"""What contrast phases look like, learned from CTs whose phase is known; told by leaving out."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from FlareSegLib.measuring.phase import NAMES, Told, likeliest

LEAST_SD = 12.0
"""HU: a few CTs may agree by chance."""
PRIOR = 2.0
"""CTs that the SD over all phases counts as, in that of each phase."""
DELAYED: dict[str, tuple[float, float]] = {
    "aorta": (100.0, 18.0), "aorta_minus_vena_cava": (0.0, 15.0), "aorta_minus_liver": (12.0, 18.0),
    "liver": (88.0, 15.0), "spleen": (92.0, 15.0), "pancreas": (78.0, 18.0),
    "kidney": (140.0, 30.0), "kidney_spread": (80.0, 40.0),
}  # fmt: skip
"""Mean and SD some minutes after the injection. Assumed, as no CT of ours is delayed: aorta and
vena cava have come to equal HU, and kidneys excrete."""


@dataclass(frozen=True)
class Known:
    """A CT whose phase is known."""

    case: str
    patient: str
    phase: str
    seen: Mapping[str, float]
    """Readings, see phase.readings()."""


def learn(cases: Sequence[Known]) -> Told:
    """Return mean and SD of each reading in each phase."""
    values: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for one in cases:
        for name, value in one.seen.items():
            values[one.phase][name].append(value)
    told: dict[str, dict[str, tuple[float, float]]] = {}
    for phase, names in values.items():
        told[phase] = {}
        for name, some in names.items():
            pooled = _pooled(name, values)
            variance = np.sum((np.array(some) - np.mean(some)) ** 2) + PRIOR * pooled**2
            sd = float(np.sqrt(variance / (len(some) - 1 + PRIOR)))
            told[phase][name] = (float(np.mean(some)), max(LEAST_SD, sd))
    return {**told, "delayed": DELAYED}


def _pooled(name: str, values: Mapping[str, Mapping[str, Sequence[float]]]) -> float:
    """Return the SD of a reading within phases."""
    parts = [np.array(by[name]) - np.mean(by[name]) for by in values.values() if name in by]
    return float(np.sqrt(np.mean(np.concatenate(parts) ** 2)))


def left_out(cases: Sequence[Known]) -> dict[str, tuple[str, float]]:
    """Return what each case is taken for, and with which probability, without its patient."""
    found = {}
    for one in cases:
        others = [case for case in cases if case.patient != one.patient]
        phase = likeliest(one.seen, learn(others))
        if phase:
            found[one.case] = phase.key, phase.probabilities[phase.key]
    return found


def table(cases: Sequence[Known], found: Mapping[str, tuple[str, float]]) -> str:
    """Return true phases against said ones, as Markdown."""
    counts = Counter((one.phase, found[one.case][0]) for one in cases if one.case in found)
    lines = ["| true phase | " + " | ".join(f"said {name}" for name in NAMES) + " |"]
    lines.append("|---|" + "---|" * len(NAMES))
    for true in list(NAMES)[:-1]:
        lines.append(f"| {true} | " + " | ".join(str(counts[true, said]) for said in NAMES) + " |")
    right = sum(n for (true, said), n in counts.items() if true == said)
    return "\n".join([*lines, "", f"{right} of {sum(counts.values())} right."])


def to_json(told: Told) -> dict[str, dict[str, dict[str, float]]]:
    """Return what phases look like as Resources/Trust/phase.json has it."""
    return {
        phase: {
            name: {"mean": round(mean, 1), "sd": round(sd, 1)} for name, (mean, sd) in said.items()
        }
        for phase, said in told.items()
    }
