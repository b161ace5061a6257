"""Where organs usually lie, how large they are: what is far from it is doubtful or out of field.

Positions are those of adults on their back, each organ about a common origin; where that origin
lies in a scan is told by the organs that are whole. From Resources/Trust/usual.json.
"""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Mapping
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from FlareSegLib.base.label_file import default_labels
from FlareSegLib.base.paths import RESOURCES
from FlareSegLib.measuring.rows import OrganRow
from FlareSegLib.measuring.scan import Scan

FEWEST_ANCHORS = 2
LEAST_ANCHOR = 0.5
"""Confidence of an organ that tells what part of a body a scan shows."""
APART_MM = (60.0, 30.0, 40.0)
"""Along L, P and S: organs that usually lie so far from each other keep their order."""
LUNGS = 0.3
"""Share of air in the lowest slices from which on these are lungs: the abdomen lies below."""
Usual = Mapping[str, Mapping[str, Any]]
"""By organ key: position_mm (L, P, S), far_mm, height_mm, ml, spread (SD of the log of ml)."""


@cache
def shipped() -> Usual:
    """Return what is usual, from Resources."""
    text = (RESOURCES / "Trust" / "usual.json").read_text(encoding="utf-8")
    found: Usual = json.loads(text)["organs"]
    return found


def expected_mm(
    key: str, rows: Mapping[str, OrganRow], usual: Usual, fewest: int = FEWEST_ANCHORS
) -> NDArray[np.float64] | None:
    """Return where (L, P, S) an organ is to be expected beside the others; None if too few tell."""
    if key not in usual:
        return None
    others = [row for row in rows.values() if row.key != key and row.centroid_mm]
    others = [row for row in others if row.key in usual]
    whole = [row for row in others if row.state == "whole"]
    anchors = whole if len(whole) >= fewest else others
    if len(anchors) < fewest:
        return None
    origins = [np.subtract(row.centroid_mm, usual[row.key]["position_mm"]) for row in anchors]  # type: ignore[arg-type]
    found: NDArray[np.float64] = np.median(origins, axis=0) + usual[key]["position_mm"]
    return found


def orders(rows: Mapping[str, OrganRow], axis: int) -> tuple[float, float]:
    """Return how much says that organs lie in their usual order along an axis, and how much not.

    Each pair of organs that usually lie far apart says so, with the product of their confidences,
    and with less weight where they lie close together.

    Args:
        rows: By organ key.
        axis: 0: L, 1: P, 2: S.
    """
    usual, far = shipped(), APART_MM[axis]
    found = [row for key, row in rows.items() if row.centroid_mm and key in usual]
    right = wrong = 0.0
    for one, other in itertools.combinations(found, 2):
        apart = usual[one.key]["position_mm"][axis] - usual[other.key]["position_mm"][axis]
        seen = one.centroid_mm[axis] - other.centroid_mm[axis]  # type: ignore[index]
        if abs(apart) >= far:
            share = _sure(one) * _sure(other) * min(1.0, abs(seen) / far)
            right, wrong = (right + share, wrong) if seen * apart > 0 else (right, wrong + share)
    return right, wrong


def _sure(row: OrganRow) -> float:
    return 1.0 if row.confidence is None else row.confidence


def is_out_of_field(
    key: str,
    rows: Mapping[str, OrganRow],
    scan: Scan,
    ends_mm: tuple[float, float],
) -> bool:
    """Return whether most of an organ would lie above or below the scan, or may, at its edge.

    Where no organ tells, it does if the network was sure that it is not there: the scan shows
    another part of the body.

    Args:
        key: Of an organ that was not found.
        rows: By organ key, with their confidence and doubt.
        scan: Tells lungs at the lower end, where no organ tells more.
        ends_mm: World S of the lowest and of the highest slice.
    """
    usual = shipped()
    if key not in usual:
        return False
    at = expected_mm(key, _solid(rows), usual, fewest=1)
    if at is None:
        row = rows[key]
        is_sure = row.confidence is not None and "doubtful" not in row.flags
        return is_sure or scan.air_low > LUNGS
    edge = usual[key]["far_mm"] / math.sqrt(3)
    return not ends_mm[0] + edge <= float(at[2]) <= ends_mm[1] - edge


def _solid(rows: Mapping[str, OrganRow]) -> dict[str, OrganRow]:
    """Return convincing organs but tubes, which run on through whatever part a scan shows."""
    tubes = {organ.key for organ in default_labels().tubes}
    return {
        key: row for key, row in rows.items() if key not in tubes and _sure(row) >= LEAST_ANCHOR
    }
