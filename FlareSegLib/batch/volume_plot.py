"""The volumes of an organ as a strip of dots: where everything lies, in pixels."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from FlareSegLib.batch.cohort import Spread
from FlareSegLib.measuring.rows import ml_text

WIDTH, HEIGHT, MARGIN = 520, 46, 8
AXIS = 32
"""y of the scale, in pixels from the top."""
MOST_DOTS = 1000
"""With more cases, every nth is drawn, and all outliers."""
_STEPS = (0.2, 0.5, 1.0, 2.0)
"""Between two marks of the scale, in powers of ten."""
_MOST_MARKS = 6


@dataclass(frozen=True)
class Dot:
    """A case."""

    case: str
    x: float
    y: float
    said: str
    """Its volume."""


@dataclass(frozen=True)
class Plot:
    """A strip; x and widths in pixels."""

    end: float
    """Of the scale."""
    ticks: list[tuple[float, str]]
    """x and volume in ml."""
    band: tuple[float, float] | None
    """x and width of what is not flagged; None if the label set has no limits."""
    box: tuple[float, float]
    """x and width of the middle half."""
    median: float
    near: list[Dot]
    far: list[Dot]
    """Outliers."""


def plot(one: Spread) -> Plot | None:
    """Return the strip of a spread; None if no case has the organ."""
    if not one.ml:
        return None
    usual = one.organ.plausible_ml or (0.0, 0.0)
    most = max([*one.ml.values(), usual[1] * 0.6]) * 1.03
    scale = (WIDTH - 2 * MARGIN) / most

    def at(ml: float) -> float:
        return round(MARGIN + min(ml, most) * scale, 1)

    low, median, high = (at(ml) for ml in one.quartiles)
    ends = [at(ml) for ml in usual]
    return Plot(
        end=at(most),
        ticks=[(at(ml), f"{ml:g}") for ml in _ticks(most)],
        band=(ends[0], round(ends[1] - ends[0], 1)) if one.organ.plausible_ml else None,
        box=(low, round(max(high - low, 1), 1)),
        median=median,
        near=_near(one, at),
        far=[Dot(case, at(one.ml[case]), 16, ml_text(one.ml[case])) for case in one.outliers],
    )


def _ticks(most: float) -> list[float]:
    """Return five round volumes or so."""
    power = 10.0 ** np.floor(np.log10(most))
    step = next(power * n for n in _STEPS if most / (power * n) <= _MOST_MARKS)
    return [float(ml) for ml in np.arange(0, most, step)]


def _near(one: Spread, at: Callable[[float], float]) -> list[Dot]:
    every = -(-len(one.ml) // MOST_DOTS)
    return [
        Dot(case, at(ml), _height(i), ml_text(ml))
        for i, (case, ml) in enumerate(one.ml.items())
        if i % every == 0 and case not in one.outliers
    ]


def _height(i: int) -> float:
    """Return a y for a dot that spreads neighbours evenly: steps of the golden ratio."""
    return round(7 + 18 * (i * 0.6180339887 % 1), 1)
