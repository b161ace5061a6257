"""A dark canvas measured in inches: figure, axes and words, for the preview and its tiles."""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING

import numpy as np

from FlareSegLib.base.errors import OutputError
from FlareSegLib.base.extras import how_to_get
from FlareSegLib.base.labels import Organ

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Color = str | tuple[float, float, float]
BACKGROUND, TEXT, DIM, WARN = "#101317", "#eceff2", "#8b949e", "#ffb454"


def check_installed() -> None:
    """Check that a preview can be drawn, before the work.

    Raises:
        OutputError: matplotlib is missing.
    """
    if find_spec("matplotlib") is None:
        cure = f"run {how_to_get('preview')}, or leave out --preview and --plots"
        raise OutputError(f"pictures need matplotlib, which is not installed: {cure}")


def new_figure(width_inches: float, height_inches: float) -> Figure:
    """Return an empty dark figure."""
    check_installed()
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width_inches, height_inches), facecolor=BACKGROUND)
    FigureCanvasAgg(figure)  # no pyplot: it would keep the figure, and may open a window
    return figure


def add_axes(figure: Figure, left: float, bottom: float, width: float, height: float) -> Axes:
    """Return axes at a place that is given in inches."""
    w, h = figure.get_size_inches()
    axes = figure.add_axes((left / w, bottom / h, width / w, height / h))
    axes.set_axis_off()
    return axes


def write(
    figure: Figure, at: tuple[float, float], words: str, color: Color, size: int, side: str = "left"
) -> None:
    """Write words at a place (x, y) in inches; a $ in them is no formula."""
    x, y = np.array(at) / figure.get_size_inches()
    figure.text(x, y, words, color=color, size=size, ha=side, va="center", parse_math=False)


def rgb(organ: Organ) -> Color:
    """Return the color of an organ as matplotlib knows it."""
    red, green, blue = (value / 255 for value in organ.color)
    return red, green, blue
