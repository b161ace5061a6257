"""From the lines of runs.py to a table: features of each organ of each copy, and its DSC."""

from __future__ import annotations

import math
import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from FlareSegLib.measuring.confidence import Seen, features, one_hot
from FlareSegLib.measuring.hu import Core, Hu
from FlareSegLib.measuring.rows import OrganRow
from FlareSegLib.measuring.scan import Scan
from FlareSegLib.measuring.usual import Usual, shipped
from training.sections.trust import Confidence

TRUE = ("clean", "mild")
"""Ways that leave a body as it was."""
LEAST_DSC = 0.8
"""Of organs that tell what is usual."""


@dataclass(frozen=True)
class Example:
    """An organ of a copy."""

    case: str
    patient: str
    way: str
    seed: int
    key: str
    is_there: bool
    """Whether the model found it."""
    features: dict[str, float]
    dsc: float
    """1 if it is neither in the truth nor found."""


def seen_of(line: dict[str, Any]) -> Seen:
    """Return what a run knew, from its line."""
    rows = {key: _row(dict(organ)) for key, organ in line["organs"].items()}
    known = {organ["value"]: organ["evidence"] for organ in line["organs"].values()}
    return Seen(rows, known, Scan(**line["scan"]), line["removed_ml"])


def _row(organ: dict[str, Any]) -> OrganRow:
    for name in ("evidence", "true_ml", "dsc"):
        organ.pop(name)
    for name, kind in (("hu", Hu), ("core_hu", Core)):
        organ[name] = kind(**organ[name]) if organ[name] else None
    for name in ("flags", "extent_mm", "centroid_mm"):
        organ[name] = tuple(organ[name]) if organ[name] is not None else None
    return OrganRow(**organ)


def patient_of(line: dict[str, Any], pattern: str) -> str:
    """Return the patient of a line: what a pattern finds in its case, else what prepare says."""
    found = re.search(pattern, line["case"]) if pattern else None
    return found[0] if found else str(line["patient"])


def usual_by(lines: Sequence[dict[str, Any]], options: Confidence) -> Usual:
    """Return where organs lie and how large they are: as it ships, or as the lines say."""
    return shipped() if options.shipped_usual else usual_of(lines)


def usual_of(lines: Sequence[dict[str, Any]]) -> Usual:
    """Return where organs lie and how large they are, of whole organs that the model found well.

    Positions are about a common origin, which is moved in each scan to where its organs fit best.
    """
    found: dict[str, list[tuple[int, OrganRow]]] = defaultdict(list)
    for number, line in enumerate(line for line in lines if line["way"] in TRUE):
        for key, row in seen_of(line).rows.items():
            if row.state == "whole" and (line["organs"][key]["dsc"] or 0) >= LEAST_DSC:
                found[key].append((number, row))
    origin: dict[int, np.ndarray] = {}
    position = {key: np.zeros(3) for key in found}
    for _ in range(20):
        at = defaultdict(list)
        for key, rows in found.items():
            for number, row in rows:
                at[number].append(np.array(row.centroid_mm) - position[key])
        origin = {number: np.median(places, axis=0) for number, places in at.items()}
        for key, rows in found.items():
            own = [np.array(row.centroid_mm) - origin[number] for number, row in rows]
            position[key] = np.mean(own, axis=0)
    return {key: _usual(rows, position[key], origin) for key, rows in found.items()}


def _usual(
    rows: list[tuple[int, OrganRow]], position: np.ndarray, origin: dict[int, np.ndarray]
) -> dict[str, Any]:
    far = [np.array(row.centroid_mm) - origin[n] - position for n, row in rows]
    logs = np.log([row.volume_ml for _, row in rows])
    return {
        "position_mm": position.round(1).tolist(),
        "far_mm": round(float(np.sqrt(np.mean(np.square(far).sum(axis=1)))) + 5, 1),
        "height_mm": round(float(np.median([row.extent_mm[0] for _, row in rows])), 1),
        "ml": round(float(np.exp(np.median(logs))), 2),
        "spread": round(max(0.2, float(np.std(logs))), 3),
    }


def examples(lines: Sequence[dict[str, Any]], usual: Usual, pattern: str) -> list[Example]:
    """Return a row per organ of each copy whose truth is known."""
    found = []
    for line in lines:
        seen = seen_of(line)
        keys = list(seen.rows)
        for key, organ in line["organs"].items():
            is_there = organ["components"] > 0
            nowhere = not is_there and organ["true_ml"] == 0 and line["split"] == "train"
            dsc = 1.0 if nowhere else organ["dsc"]
            if dsc is not None:
                known = {**features(key, seen, usual), **one_hot(key, keys)}
                found.append(
                    Example(
                        line["case"], patient_of(line, pattern), line["way"], line["seed"],
                        key, is_there, known, dsc,
                    )
                )  # fmt: skip
    return found


def matrix(rows: Sequence[Example], names: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """Return features (rows, names) and DSC (rows,)."""
    table = np.array([[row.features.get(name, math.nan) for name in names] for row in rows])
    return table, np.array([row.dsc for row in rows])
