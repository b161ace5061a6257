"""From the scores of cases to what is said of a model: means with intervals, and paired tests."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from FlareSegLib.base.labels import LabelSet, Organ

SEED, RESAMPLES = 20221021, 2000
"""Of the bootstrap: the same scores give the same interval."""
ALL = "mean"
"""Stands for an organ's key where a case's mean over its organs is meant."""
Measure = Literal["dsc", "nsd", "hd95_mm", "volume_error_percent"]
MEASURES: tuple[Measure, ...] = ("dsc", "nsd", "hd95_mm", "volume_error_percent")
FEWEST_PAIRS = 6
"""With fewer, no two-sided p of Wilcoxon's test is below 0.05 whatever the differences."""


@dataclass(frozen=True)
class Rules:
    """What goes into the means."""

    labels: LabelSet
    """What the values of the labelmaps mean."""
    keys: tuple[str, ...] = ()
    """Organs that are scored; empty: all."""
    absent: Literal["score", "skip"] = "score"
    """Organs that the truth does not have: as FLARE scores them (1 or 0), or left out."""
    sliver_ml: float = 0.0
    """Organs of which the truth has less than this, but some, are left out."""

    def __post_init__(self) -> None:
        if not 0 <= self.sliver_ml < math.inf:
            raise ValueError(f"sliver_ml is {self.sliver_ml}: give 0 or more ml")

    @property
    def organs(self) -> tuple[Organ, ...]:
        """The organs that are scored.

        Raises:
            ValueError: One of the keys is unknown.
        """
        return self.labels.chosen(self.keys)

    def name(self, key: str) -> str:
        """Return the name of an organ for people; of ALL the key."""
        return self.labels.by_key[key].name if key in self.labels.by_key else key

    def counts(self, truth_ml: float) -> bool:
        """Return whether an organ with this volume in the truth goes into the means."""
        return truth_ml >= self.sliver_ml if truth_ml else self.absent == "score"


@dataclass(frozen=True)
class Score:
    """One organ in one case."""

    case: str
    organ: str
    """Its key."""
    dsc: float
    nsd: float
    hd95_mm: float
    """inf if only one of the two has the organ, 0 if neither has."""
    truth_ml: float
    """In the whole scan, whatever part of it is scored."""
    pred_ml: float
    """In the whole scan."""
    is_counted: bool = True
    """Goes into the means."""

    @property
    def volume_error_percent(self) -> float:
        """Volume of the prediction against that of the truth; nan if the truth has none."""
        return 100 * (self.pred_ml / self.truth_ml - 1) if self.truth_ml else math.nan

    def knows(self, measure: Measure) -> bool:
        """Whether a measure has a value that belongs in a mean."""
        if measure == "volume_error_percent":
            return self.truth_ml > 0
        return measure != "hd95_mm" or self.hd95_is_known

    @property
    def hd95_is_known(self) -> bool:
        """Whether both have the organ: an infinite distance has no place in a mean."""
        return self.truth_ml > 0 and math.isfinite(self.hd95_mm)


@dataclass(frozen=True)
class Estimate:
    """A mean over cases."""

    mean: float
    low: float | None
    """95 % interval, bootstrap over cases; None if there is one case only."""
    high: float | None
    cases: int


@dataclass(frozen=True)
class Mean:
    """What is said of one organ, or of a case's mean over its organs (ALL)."""

    organ: str
    dsc: Estimate | None
    """None if no case counts."""
    nsd: Estimate | None
    hd95_mm: Estimate | None
    """Over the cases where both truth and prediction have the organ."""
    volume_error_percent: Estimate | None = None
    """Over the cases where the truth has the organ; its sign stays: too large is positive."""


@dataclass(frozen=True)
class Paired:
    """Two predictions of the same cases, compared."""

    organ: str
    measure: Measure
    difference: Estimate
    """This prediction minus the other."""
    p: float | None
    """Wilcoxon's signed-rank test, two-sided; 1 if all cases are equal, None with few cases."""


@dataclass(frozen=True)
class Evaluation:
    """All that is said of one prediction."""

    scores: list[Score]
    means: list[Mean]
    paired: list[Paired]
    """Against another prediction; empty without one."""


def estimate(values: Sequence[float]) -> Estimate | None:
    """Return the mean with its 95 % bootstrap percentile interval (Efron 1979); None of nothing."""
    if not values:
        return None
    found = np.array(values, np.float64)
    mean, n = float(found.mean()), len(found)
    if n == 1:
        return Estimate(mean, None, None, n)
    chosen = np.random.default_rng(SEED).integers(n, size=(RESAMPLES, n))
    low, high = np.quantile(found[chosen].mean(axis=1), (0.025, 0.975))
    return Estimate(mean, float(low), float(high), n)


def means(scores: Sequence[Score]) -> list[Mean]:
    """Return the mean of each organ, and at the end the mean over cases of their means (ALL).

    Cases are what is drawn in the bootstrap, as the organs of one case go together.
    """
    by_organ = {measure: by_case(scores, measure) for measure in MEASURES}
    keys = list(dict.fromkeys(score.organ for score in scores))
    return [
        Mean(key, *(estimate(list(by_organ[m].get(key, {}).values())) for m in MEASURES))
        for key in (*keys, ALL)
    ]


def by_case(scores: Sequence[Score], measure: Measure) -> dict[str, dict[str, float]]:
    """Return what counts of a measure, by organ and then by case; the organ ALL is the mean."""
    found: dict[str, dict[str, float]] = {}
    cases: dict[str, list[float]] = {}
    for score in scores:
        if score.is_counted and score.knows(measure):
            value = float(getattr(score, measure))
            found.setdefault(score.organ, {})[score.case] = value
            cases.setdefault(score.case, []).append(value)
    return {**found, ALL: {case: float(np.mean(values)) for case, values in cases.items()}}


def compare(scores: Sequence[Score], others: Sequence[Score]) -> list[Paired]:
    """Return DSC and NSD of one prediction minus those of another, per organ and over all (ALL).

    Only cases that both have are compared. The p-values are not corrected for their number.
    """
    found = []
    for measure in MEASURES[:2]:
        mine, theirs = by_case(scores, measure), by_case(others, measure)
        for organ in mine:
            shared = [case for case in mine[organ] if case in theirs.get(organ, {})]
            gains = [mine[organ][case] - theirs[organ][case] for case in shared]
            if difference := estimate(gains):
                p = wilcoxon_p(gains) if len(gains) >= FEWEST_PAIRS else None
                found.append(Paired(organ, measure, difference, p))
    return found


def wilcoxon_p(differences: Sequence[float]) -> float:
    """Return the two-sided p of Wilcoxon's signed-rank test; 1 if all differences are 0."""
    if not any(differences):
        return 1.0
    from scipy.stats import wilcoxon  # takes half a second to load

    return float(wilcoxon(differences).pvalue)


def worst_cases(scores: Sequence[Score], count: int) -> list[str]:
    """Return the cases with the lowest mean DSC, the worst first; ties by name."""
    found = by_case(scores, "dsc")[ALL]
    return sorted(found, key=lambda case: (found[case], case))[:count]
