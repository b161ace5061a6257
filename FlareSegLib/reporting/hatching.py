"""Hatching over a slice where the network was unsure of what lies there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

from FlareSegLib.base.geometry import Grid, Labelmap
from FlareSegLib.reporting.canvas import DIM, TEXT, write

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

UNSURE = 35
"""Percent of doubt from which on a place is hatched: another class is nearly as likely."""
PATTERN = "//////"
STYLE = {"hatch.color": TEXT, "hatch.linewidth": 0.6}
WORDS = f"hatched: the network was unsure what lies there (doubt of {UNSURE} % or more)"
SWATCH_INCHES, WORDS_INCHES = (0.32, 0.13), 4.6


class View(Protocol):
    """How a slice is cut."""

    @property
    def axis(self) -> int:
        """Across which array axis."""

    def cut(self, array: NDArray[np.generic], index: int) -> NDArray[np.generic]:
        """Return a slice, as it is shown: rows from top to bottom."""


def hatch(axes: Axes, doubt: Labelmap, grid: Grid, view: View, index: int) -> None:
    """Hatch where doubt is high in a slice.

    Args:
        axes: In mm from the top left corner of the slice.
        doubt: Percent, on a grid of the same directions as that of the slice.
        grid: Of the image that is cut, canonical.
        view: Cuts it.
        index: Of the slice.
    """
    middles = _middles_mm(doubt.grid, grid)
    at = int(np.abs(middles[view.axis] - (index + 0.5) * grid.spacing_mm[view.axis]).argmin())
    rows, columns = (middles[axis] for axis in range(3) if axis != view.axis)
    plane = view.cut(doubt.array, at).astype(np.uint8)
    if view.axis:  # upright: rows run down from the highest slice
        rows = grid.extent_mm[0] - rows[::-1]
    if (plane >= UNSURE).any():
        from matplotlib import rc_context

        with rc_context(STYLE):
            axes.contourf(
                columns, rows, plane, levels=[UNSURE, 101], colors="none", hatches=[PATTERN]
            )


def _middles_mm(cells: Grid, grid: Grid) -> list[NDArray[np.float64]]:
    """Return where the middles of cells lie along each axis of a grid, in mm from its edge."""
    apart = np.subtract(cells.origin, grid.origin)
    found: list[NDArray[np.float64]] = [
        np.arange(n, dtype=np.float64) * mm + float(np.dot(apart, toward)) + own / 2
        for n, mm, toward, own in zip(
            cells.shape, cells.spacing_mm, grid.direction, grid.spacing_mm, strict=True
        )
    ]
    return found


def explain(figure: Figure, y_inches: float) -> None:
    """Say at the right end of a line what hatching means."""
    from matplotlib import rc_context
    from matplotlib.patches import Rectangle

    size = figure.get_size_inches()
    left = size[0] - WORDS_INCHES - SWATCH_INCHES[0] - 0.1
    low = (left / size[0], (y_inches - SWATCH_INCHES[1] / 2) / size[1])
    wide, high = np.array(SWATCH_INCHES) / size
    with rc_context(STYLE):
        swatch = Rectangle(
            low, wide, high, fill=False, hatch=PATTERN, edgecolor=DIM, transform=figure.transFigure
        )
    figure.add_artist(swatch)
    write(figure, (left + SWATCH_INCHES[0] + 0.1, y_inches), WORDS, DIM, 8)
