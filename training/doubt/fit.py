"""Fit the confidence, and measure it on patients that it was not fitted on."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from FlareSegLib.measuring.confidence import ALIASES, REASONS, predict
from training.doubt.table import Example, matrix
from training.doubt.trees import Growth, grow

POOR, GOOD = 0.7, 0.85
"""DSC under which an organ should be flagged, and from which on it should not."""
DOUBT = 0.8
"""Expected DSC under which an organ is flagged: nearer to GOOD, as a poor one that is not flagged
is worse than a good one that is."""
MISSED = 0.5
"""Chance that an organ is rightly not found, under which it is flagged."""
FLAGGED = 0.1
"""Share of good organs that may be flagged."""
FOLDS = 12
ROUND = 4
STEP = 0.2
"""Width of a step of the trees, share of the middle half of the feature."""


@dataclass(frozen=True)
class LeftOut:
    """What is said of examples whose patient was left out."""

    confidence: NDArray[np.float64]
    doubtful: NDArray[np.bool_]
    """By a threshold that the other patients set."""


def fit(rows: Sequence[Example], seed: int, growth: Growth | None = None) -> dict[str, Any]:
    """Return the contents of confidence.json, but for the threshold and the figures."""
    names = sorted(rows[0].features)
    table, dsc = matrix(rows, names)
    told = grow(table, dsc, growth or Growth(), seed)
    keys = sorted({row.key for row in rows})
    return {
        "organs": keys,
        "features": names,
        "width": _widths(table),
        **told,
        "good": {key: _good(rows, key) for key in keys},
    }


def _widths(table: NDArray[np.float64]) -> list[float]:
    """Return how wide the steps of trees are for each feature: a share of its middle half."""
    known = np.where(np.isnan(table).all(axis=0), 0.0, table)  # what is never told is in no tree
    low, high = np.nanpercentile(known, (25, 75), axis=0)
    widths: list[float] = np.nan_to_num(STEP * (high - low)).round(ROUND).tolist()
    return widths


def _good(rows: Sequence[Example], key: str) -> dict[str, list[float]]:
    """Return mean and SD of what can be a reason, over the good ones of an organ."""
    mine = [row for row in rows if row.key == key and row.is_there and row.dsc >= GOOD]
    found = {}
    for name in {ALIASES.get(name, name): None for name in REASONS}:
        values = np.array([row.features[name] for row in mine])
        values = values[~np.isnan(values)]
        if values.size >= 10:
            found[name] = [round(float(values.mean()), ROUND), round(float(values.std()), ROUND)]
    return found


def folds(
    rows: Sequence[Example], seed: int, of: Sequence[Example] | None = None
) -> NDArray[np.intp]:
    """Return the fold of each example: all of a patient are in one.

    Args:
        rows: Whose patients are shared out.
        seed: Of the order of patients.
        of: Examples of the same patients that are told; None: rows.
    """
    patients = sorted({row.patient for row in rows})
    order = np.random.default_rng(seed).permutation(len(patients))
    fold = {patient: int(place % FOLDS) for patient, place in zip(patients, order, strict=True)}
    return np.array([fold[row.patient] for row in (rows if of is None else of)])


def left_out(
    rows: Sequence[Example],
    seed: int,
    growth: Growth | None = None,
    of: Sequence[Example] | None = None,
) -> LeftOut:
    """Return confidence and flags of examples, fitted and set without their patient.

    Args:
        rows: To be fitted to.
        seed: Of folds and trees.
        growth: Of the trees.
        of: Other examples of the same patients, such as of another speed; None: of rows.
    """
    told_of = rows if of is None else of
    fold, fold_of = folds(rows, seed), folds(rows, seed, told_of)
    confidence, found = np.zeros(len(rows)), np.zeros(len(told_of))
    for number in range(FOLDS):
        told = fit([row for row, f in zip(rows, fold, strict=True) if f != number], seed, growth)
        for said, some, at in ((confidence, rows, fold), (found, told_of, fold_of)):
            mine = np.flatnonzero(at == number)
            said[mine] = predict([some[i].features for i in mine], told) if mine.size else ()
    doubtful = np.zeros(len(told_of), np.bool_)
    there, there_of = (np.array([row.is_there for row in some]) for some in (rows, told_of))
    for number in range(FOLDS):
        for kind, kind_of in ((there, there_of), (~there, ~there_of)):
            others, mine = (fold != number) & kind, (fold_of == number) & kind_of
            doubtful[mine] = found[mine] < threshold(rows, confidence, others)
    return LeftOut(found, doubtful)


def threshold(
    rows: Sequence[Example], confidence: NDArray[np.float64], some: NDArray[np.bool_]
) -> float:
    """Return the confidence under which organs are flagged, set on some examples, all of a kind.

    DOUBT (MISSED for organs that were not found), or if it is lower the confidence under which
    FLAGGED of the good ones lie.
    """
    there = np.array([row.is_there for row in rows])
    limit = DOUBT if (there & some).any() else MISSED
    good = np.array([row.dsc >= GOOD for row in rows]) & some
    return min(limit, float(np.quantile(confidence[good], FLAGGED * 0.9))) if good.any() else 0.0


def figures(rows: Sequence[Example], said: LeftOut, which: NDArray[np.bool_]) -> dict[str, Any]:
    """Return how well confidence tells the DSC, over some examples."""
    dsc = np.array([row.dsc for row in rows])[which]
    confidence, doubtful = said.confidence[which], said.doubtful[which]
    poor, good = dsc < POOR, dsc >= GOOD
    return {
        "organs": int(which.sum()),
        "poor": int(poor.sum()),
        "good": int(good.sum()),
        "spearman": _rounded(spearman(confidence, dsc)),
        "auroc_poor": _rounded(auroc(-confidence, poor)),
        "good_flagged": round(float(doubtful[good].mean()), 3) if good.any() else None,
        "poor_flagged": round(float(doubtful[poor].mean()), 3) if poor.any() else None,
        "mean_error": round(float(np.abs(confidence - dsc).mean()), 3) if which.any() else None,
    }


def _rounded(value: float) -> float | None:
    """Return a figure as JSON has it: None where it cannot be told."""
    return round(float(value), 3) if np.isfinite(value) else None


def spearman(one: NDArray[np.float64], other: NDArray[np.float64]) -> float:
    """Return the correlation of ranks; NaN if all of either are equal."""
    is_told = one.size > 1 and np.ptp(one) > 0 and np.ptp(other) > 0
    return float(stats.spearmanr(one, other)[0]) if is_told else float("nan")


def auroc(score: NDArray[np.float64], is_positive: NDArray[np.bool_]) -> float:
    """Return the chance that a positive has a higher score than a negative; 0.5 if equal."""
    n, m = int(is_positive.sum()), int((~is_positive).sum())
    if not n or not m:
        return float("nan")
    ranks = stats.rankdata(score)
    return float((ranks[is_positive].sum() - n * (n + 1) / 2) / (n * m))


def calibration(rows: Sequence[Example], said: LeftOut) -> list[tuple[float, float, int]]:
    """Return mean confidence, mean DSC and count of tenths of the confidence."""
    there = np.array([row.is_there for row in rows])
    dsc = np.array([row.dsc for row in rows])
    bins = np.minimum((said.confidence * 10).astype(int), 9)
    found = []
    for number in range(10):
        mine = there & (bins == number)
        if mine.any():
            mean = float(said.confidence[mine].mean())
            found.append((mean, float(dsc[mine].mean()), int(mine.sum())))
    return found


def to_json(told: dict[str, Any]) -> str:
    """Return the contents of confidence.json: a line per tree."""
    head = {key: value for key, value in told.items() if key != "trees"}
    trees = ",\n  ".join(json.dumps(tree) for tree in told["trees"])
    return json.dumps(head, indent=1)[:-2] + f',\n "trees": [\n  {trees}\n ]\n}}\n'
