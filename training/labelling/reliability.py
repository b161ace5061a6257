"""How far to trust several labels of one case: paper 2 (CDL-UNet), equations 1 and 2."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

Labels = NDArray[np.uint8]


def dice(one: Labels, two: Labels, classes: Sequence[int]) -> float:
    """Return the mean DSC of two labelmaps over some classes; in [0, 1].

    A class that neither holds counts 1, as two labels that agree on nothing there agree; so does
    a list without classes.
    """
    counts = [np.bincount(labels.ravel(), minlength=256) for labels in (one, two)]
    both = np.bincount(one[one == two].ravel(), minlength=256)
    total = counts[0] + counts[1]
    scores = [2 * both[c] / total[c] if total[c] else 1.0 for c in classes]
    return float(np.mean(scores)) if scores else 1.0


def present(labels: Mapping[str, Labels]) -> list[int]:
    """Return the classes that at least one labelmap holds, without background."""
    values: set[int] = set()
    for one in labels.values():
        values |= set(np.unique(one).tolist())
    return sorted(values - {0})


def reliability(labels: Mapping[str, Labels]) -> dict[str, float]:
    """Return the Reliability Score of each label of a case.

    RS_i = (Dice(L_i, L_j) + Dice(L_i, L_k)) / 2 for three labels (paper 2, eq. 1); for another
    number the mean over all others. Dice is the mean over the classes that any of them holds.

    Raises:
        ValueError: There are fewer than two labels.
    """
    if len(labels) < 2:
        raise ValueError(f"{len(labels)} label: scores compare two or more, paper 2 takes three")
    classes, names = present(labels), list(labels)
    pairs = {
        (a, b): dice(labels[a], labels[b], classes)
        for i, a in enumerate(names)
        for b in names[i + 1 :]
    }
    return {
        name: float(np.mean([score for pair, score in pairs.items() if name in pair]))
        for name in names
    }


def most_reliable(scores: Mapping[str, float]) -> str:
    """Return the label of the highest RS, L_real; the first of several."""
    return max(scores, key=lambda name: scores[name])


def difficulty(labels: Mapping[str, Labels], real: str) -> float:
    """Return the Difficulty Score of a case: high is easy.

    DS = (Dice(L_real, L_1) + Dice(L_real, L_2)) / 2 with L_1, L_2 the two other labels (paper 2,
    eq. 2); for another number the mean over all others.
    """
    classes = present(labels)
    others = [one for name, one in labels.items() if name != real]
    return float(np.mean([dice(labels[real], other, classes) for other in others]))


def compared(names: Sequence[str], wanted: Sequence[str] = ()) -> list[str]:
    """Return which label sources are compared.

    Args:
        names: Of all sources of a case: "teacher", "look_0" ..., and external ones.
        wanted: Of the config; empty: the teacher and the external ones if there are two or more of
            these (as in paper 2), else the looks of the teacher and the external ones.
    """
    if wanted:
        return [name for name in names if name in wanted]
    external = [name for name in names if name != "teacher" and not name.startswith("look_")]
    looks = [name for name in names if name.startswith("look_")]
    if len(external) > 1 and "teacher" in names:
        return ["teacher", *external]
    return [*looks, *external]
