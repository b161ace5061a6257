"""What a cohort says as a whole: how organ volumes are spread, and which cases stand out."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from FlareSegLib.base.labels import Organ
from FlareSegLib.batch.summary import Row
from FlareSegLib.measuring.rows import HARMLESS, ml_text

FAR = 3.5
"""Modified z-score from which a value is an outlier (Iglewicz and Hoaglin 1993, How to Detect and
Handle Outliers, section 3)."""
FEWEST = 10
"""With fewer cases nothing is called an outlier."""
CUT = "touches_border"


@dataclass(frozen=True)
class Spread:
    """The volumes of one organ over a cohort."""

    organ: Organ
    ml: dict[str, float]
    """By case; those that do not have the organ are left out, and those that cut it, if whole."""
    is_whole: bool
    """Only organs that lie wholly in their scan are counted; not so for what is mostly cut."""
    absent: int
    """Cases without the organ."""
    cut: int
    """Cases whose scan cuts the organ."""
    quartiles: tuple[float, float, float]
    """25 %, median, 75 %, in ml; zeros if there is no case."""
    outliers: dict[str, float]
    """Modified z-score by case."""
    median_hu: float | None = None
    """Of the cores; None if no report tells one."""


def done(rows: Iterable[Row]) -> list[Row]:
    """Return the rows that have results."""
    return [row for row in rows if row.status != "failed"]


def spread(rows: Sequence[Row], organ: Organ) -> Spread:
    """Return how the volumes of an organ are spread over the rows that have results."""
    found = {
        row.case: row.measured.volumes_ml[organ.key]
        for row in rows
        if row.measured.volumes_ml.get(organ.key, 0.0) > 0
    }
    cut = {row.case for row in rows if f"{organ.key}:{CUT}" in row.measured.flags}
    cut &= found.keys()
    is_whole = 2 * len(cut) < max(len(found), 1)
    counted = {case: ml for case, ml in found.items() if not (is_whole and case in cut)}
    low, median, high = np.percentile(list(counted.values()) or [0.0], (25, 50, 75))
    return Spread(
        organ,
        counted,
        is_whole,
        absent=len(rows) - len(found),
        cut=len(cut),
        quartiles=(float(low), float(median), float(high)),
        outliers=outliers(counted),
        median_hu=_median_hu(rows, organ),
    )


def _median_hu(rows: Sequence[Row], organ: Organ) -> float | None:
    known = [row.measured.details.get(f"{organ.key}_core_hu") for row in rows]
    hu = [float(one) for one in known if one is not None]
    return float(np.median(hu)) if hu else None


def outliers(ml: dict[str, float]) -> dict[str, float]:
    """Return the modified z-score of the volumes that are far from the others.

    0.6745 (x - median) / MAD of x = log(ml), as volumes are spread evenly by factors, not by
    differences. None with fewer than FEWEST values, or where half of them are equal.
    """
    if len(ml) < FEWEST:
        return {}
    logs = np.log(np.array(list(ml.values())))
    from_median = logs - np.median(logs)
    mad = float(np.median(np.abs(from_median)))
    if mad == 0:
        return {}
    scores = 0.6745 * from_median / mad
    return {case: float(score) for case, score in zip(ml, scores, strict=True) if abs(score) > FAR}


def remarks(row: Row, spreads: Sequence[Spread]) -> list[str]:
    """Return why a person should look at a case, in words; empty if there is no reason."""
    flags = [flag.split(":") for flag in row.measured.flags]
    said = [flag[0].replace("_", " ") for flag in flags if len(flag) == 1]
    for one in spreads:
        if score := one.outliers.get(row.case):
            side = "larger" if score > 0 else "smaller"
            ml, usual = ml_text(one.ml[row.case]), ml_text(one.quartiles[1])
            said.append(f"{one.organ.name}: {ml} ml, far {side} than usual here ({usual})")
    names = {one.organ.key: one.organ.name for one in spreads}
    said += [
        f"{names[flag[0]]}: {flag[1].replace('_', ' ')}"
        for flag in flags
        if len(flag) == 2 and flag[1] not in HARMLESS and flag[0] in names
    ]
    return said
