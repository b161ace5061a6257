"""The volumes of an organ as a strip of dots: SVG, drawn without a library."""

from __future__ import annotations

from collections.abc import Callable
from html import escape

import numpy as np

from FlareSegLib.batch.cohort import Spread

WIDTH, HEIGHT, MARGIN = 520, 46, 8
AXIS = 32
"""y of the scale, in pixels from the top."""
MOST_DOTS = 1000
"""With more cases, every nth is drawn, and all outliers."""
ROUND = (1, 2, 5, 10)


def plot(one: Spread) -> str:
    """Return the SVG of a spread; empty if no case has the organ."""
    if not one.ml:
        return ""
    usual = one.organ.plausible_ml or (0.0, 0.0)
    most = max([*one.ml.values(), usual[1] * 0.6]) * 1.03
    scale = (WIDTH - 2 * MARGIN) / most

    def at(ml: float) -> float:
        return round(MARGIN + min(ml, most) * scale, 1)

    parts = [_band(one, at), _ticks(most, at), _box(one, at), *_dots(one, at)]
    return f'<svg width="{WIDTH}" height="{HEIGHT}" role="img">{"".join(parts)}</svg>'


def _band(one: Spread, at: Callable[[float], float]) -> str:
    if not one.organ.plausible_ml:
        return ""
    low, high = (at(ml) for ml in one.organ.plausible_ml)
    return f'<rect class="band" x="{low}" y="2" width="{high - low:.1f}" height="{AXIS - 4}"/>'


def _ticks(most: float, at: Callable[[float], float]) -> str:
    power = 10.0 ** np.floor(np.log10(most))
    step = next(power * n / 10 for n in (*ROUND, 20, 50, 100) if most / (power * n / 10) <= 6)
    marks = [
        f'<path d="M{at(ml)} {AXIS}v3"/><text x="{at(ml)}" y="{AXIS + 13}">{ml:g}</text>'
        for ml in np.arange(0, most, step)
    ]
    return f'<g class="axis"><path d="M{at(0)} {AXIS}H{at(most)}"/>{"".join(marks)}</g>'


def _box(one: Spread, at: Callable[[float], float]) -> str:
    low, median, high = (at(ml) for ml in one.quartiles)
    return (
        f'<rect class="box" x="{low}" y="6" width="{max(high - low, 1):.1f}" height="20"/>'
        f'<path class="median" d="M{median} 4v24"/>'
    )


def _dots(one: Spread, at: Callable[[float], float]) -> list[str]:
    every = -(-len(one.ml) // MOST_DOTS)
    red, green, blue = one.organ.color
    near = "".join(
        f'<a href="#{escape(case)}"><circle cx="{at(ml)}" cy="{_height(i)}" r="2.2">'
        f"<title>{escape(case)}: {ml:.1f} ml</title></circle></a>"
        for i, (case, ml) in enumerate(one.ml.items())
        if i % every == 0 and case not in one.outliers
    )
    far = "".join(
        f'<a href="#{escape(case)}"><circle class="far" cx="{at(one.ml[case])}" cy="16" r="4">'
        f"<title>{escape(case)}: {one.ml[case]:.1f} ml</title></circle></a>"
        for case in one.outliers
    )
    return [f'<g fill="rgb({red},{green},{blue})">{near}</g>', far]


def _height(i: int) -> float:
    """Return a y for a dot that spreads neighbours evenly: steps of the golden ratio."""
    return round(7 + 18 * (i * 0.6180339887 % 1), 1)
