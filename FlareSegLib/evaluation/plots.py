"""Scores as box plots. matplotlib is loaded when a plot is drawn, not before."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from FlareSegLib.base.atomic import atomic
from FlareSegLib.base.labels import LabelSet, Organ
from FlareSegLib.evaluation.scores import Measure, Score, by_case

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

PANELS: tuple[tuple[Measure, str], ...] = (("dsc", "DSC"), ("nsd", "NSD"))
HEIGHT_INCHES, COLUMN_INCHES, EDGE_INCHES, DPI = 8.5, 0.7, 1.0, 120
SPREAD = 0.12
"""Half the width over which the points of an organ are spread."""


def write_boxes(scores: Sequence[Score], labels: LabelSet, path: Path) -> None:
    """Write a PNG with a box per organ: median, quartiles, and a point per case that counts.

    Whiskers reach to the last case within 1.5 box lengths (Tukey).
    """
    figure = draw_boxes(scores, labels)
    with atomic(path) as temporary, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a glyph that the font lacks is no reason to fail
        figure.savefig(temporary, format="png", dpi=DPI)


def draw_boxes(scores: Sequence[Score], labels: LabelSet) -> Figure:
    """Return the figure: organs across, DSC above, NSD below."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    organs = [organ for organ in by_case(scores, "dsc") if organ in labels.by_key]
    width = EDGE_INCHES + COLUMN_INCHES * max(len(organs), 4)
    figure = Figure(figsize=(width, HEIGHT_INCHES), layout="constrained")
    FigureCanvasAgg(figure)  # no pyplot: it would keep the figure, and may open a window
    panels = figure.subplots(len(PANELS), 1, sharex=True)
    for axes, (measure, title) in zip(panels, PANELS, strict=True):
        found = by_case(scores, measure)
        columns = [(labels.by_key[organ], list(found[organ].values())) for organ in organs]
        _draw_panel(axes, title, columns)
    return figure


def _draw_panel(axes: Axes, title: str, columns: Sequence[tuple[Organ, Sequence[float]]]) -> None:
    for column, (organ, values) in enumerate(columns):
        color = tuple(value / 255 for value in organ.color)
        axes.boxplot(
            values, positions=[column], widths=0.6, showfliers=False, patch_artist=True,
            manage_ticks=False, medianprops={"color": "black"},
            boxprops={"facecolor": color, "alpha": 0.6},
        )  # fmt: skip
        places = column + np.linspace(-SPREAD, SPREAD, len(values)) * (len(values) > 1)
        axes.scatter(places, values, s=9, color="black", alpha=0.6, zorder=3)
    names = [organ.name for organ, _ in columns]
    axes.set_xticks(range(len(columns)), names, rotation=40, ha="right")
    axes.set(ylim=(-0.02, 1.02), xlim=(-0.5, max(len(columns), 1) - 0.5), ylabel=title)
    axes.grid(axis="y", alpha=0.3)
