"""One picture of a result: coronal, sagittal and axial view with outlines and a legend.

Radiological display: the patient's right is on the left, the head is up, anterior is up in the
axial view and on the left in the sagittal view. All views have the same scale.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from FlareSegLib.base.atomic import atomic
from FlareSegLib.base.geometry import Labelmap, Volume
from FlareSegLib.base.labels import Organ
from FlareSegLib.base.runs import boxes_of
from FlareSegLib.reporting.canvas import (
    BACKGROUND,
    DIM,
    TEXT,
    WARN,
    add_axes,
    check_installed,
    new_figure,
    rgb,
    write,
)
from FlareSegLib.reporting.hatching import explain, hatch
from FlareSegLib.reporting.legend import (
    GAP_INCHES,
    HEADER_INCHES,
    LEGEND_LINES,
    LINE_INCHES,
    Caption,
    draw_legend,
    legend_inches,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

WINDOW_HU = (-160.0, 240.0)
"""Soft tissue."""
HEIGHT_INCHES, WIDTH_INCHES = 5.4, 13.0
"""The views fill the first or the second, whichever they reach first."""
FOOTER_INCHES = 0.36
TILE_INCHES, TILE_MM, MOST_TILES = 1.7, 120.0, 8
"""Of the small axial pictures of flagged organs that no view shows."""
DPI = 120
__all__ = ["Caption", "Over", "best_slices", "check_installed", "write_preview"]
DISCLAIMER = "research use, not a medical device"


@dataclass(frozen=True)
class Over:
    """What is drawn over the views besides organs."""

    truth: Labelmap | None = None
    """Organ values on the grid of the organs, outlined in dots; the slices are those of truth."""
    doubt: Labelmap | None = None
    """Percent on a canonical grid of its own; hatched where it is high."""


@dataclass(frozen=True)
class _View:
    """One slice, as it is shown: rows from top to bottom."""

    name: str
    axis: int
    is_upright: bool
    """Rows run along z, whose first slice belongs at the bottom."""
    marks: str
    """Left, right, top, bottom."""

    def cut(self, array: NDArray[np.generic], index: int) -> NDArray[np.generic]:
        plane = array[(slice(None),) * self.axis + (index,)]
        return plane[::-1] if self.is_upright else plane

    def spacing_mm(self, labelmap: Labelmap) -> tuple[float, float]:
        row, column = (s for i, s in enumerate(labelmap.grid.spacing_mm) if i != self.axis)
        return row, column

    def extent_mm(self, labelmap: Labelmap) -> tuple[float, float]:
        """Return height and width."""
        height, width = (n for i, n in enumerate(labelmap.grid.extent_mm) if i != self.axis)
        return height, width


VIEWS = (
    _View("coronal", 1, is_upright=True, marks="RLHF"),
    _View("sagittal", 2, is_upright=True, marks="APHF"),
    _View("axial", 0, is_upright=False, marks="RLAP"),
)


def write_preview(
    hu: Volume,
    labelmap: Labelmap,
    organs: Iterable[Organ],
    path: Path,
    caption: Caption,
    over: Over | None = None,
) -> None:
    """Write a PNG of the slices that show most organs; either whole or not at all.

    Flagged organs that these slices do not cut get a small axial picture each, below.

    Args:
        hu: The CT, canonical (array axes toward S, P and L).
        labelmap: Organ values on the same grid.
        organs: Organs to outline and list.
        path: File to write, .png.
        caption: Title, and the flags of organs.
        over: What else is drawn.

    Raises:
        OutputError: matplotlib is missing, or the file cannot be written.
    """
    figure = _draw(hu, labelmap, tuple(organs), caption, over)
    with atomic(path) as temporary, warnings.catch_warnings():
        # the font lacks, say, Chinese: boxes in the title are no reason to fail
        warnings.simplefilter("ignore")
        figure.savefig(temporary, format="png", dpi=DPI, facecolor=BACKGROUND)


def best_slices(labelmap: Labelmap, organs: Iterable[Organ]) -> tuple[int, int, int]:
    """Return the index along z, y and x where most organs are cut, and of these the most voxels.

    The middle where there are no organs.
    """
    boxes = boxes_of(labelmap.array)
    voxels = [np.zeros(n, np.int64) for n in labelmap.grid.shape]
    counts = [np.zeros(n, np.int64) for n in labelmap.grid.shape]
    for organ in organs:
        if (box := boxes[organ.value - 1]) is None:
            continue
        mask = labelmap.array[box] == organ.value
        for axis, others in enumerate(((1, 2), (0, 2), (0, 1))):
            profile = mask.sum(axis=others)
            voxels[axis][box[axis]] += profile
            counts[axis][box[axis]] += profile > 0
    z, y, x = (
        int(np.lexsort((v, c))[-1]) if c.any() else len(c) // 2
        for v, c in zip(voxels, counts, strict=True)
    )
    return z, y, x


def _draw(
    hu: Volume,
    labelmap: Labelmap,
    organs: tuple[Organ, ...],
    caption: Caption,
    over: Over | None = None,
) -> Figure:
    over = over or Over()
    at = best_slices(over.truth or labelmap, organs)
    hidden = _hidden(labelmap, organs, caption, at)[:MOST_TILES]
    below = TILE_INCHES + GAP_INCHES * 2 if hidden else 0.0
    figure, frames = _lay_out(labelmap, len(organs), below)
    for view, axes in zip(VIEWS, frames, strict=True):
        _draw_view(axes, view, hu, labelmap, at[view.axis], organs)
        if over.doubt:
            hatch(axes, over.doubt, labelmap.grid, view, at[view.axis])
        if over.truth:
            _outline(axes, view, over.truth, at[view.axis], organs, ":")
    draw_legend(figure, labelmap, organs, caption)
    for i, organ in enumerate(hidden):
        axes, z = _draw_tile(figure, i, hu, labelmap, organ)
        if over.doubt:
            hatch(axes, over.doubt, labelmap.grid, VIEWS[2], z)
    top = figure.get_size_inches()[1] - HEADER_INCHES / 2.6
    write(figure, (GAP_INCHES, top), caption.title, TEXT, 13)
    write(figure, (GAP_INCHES, FOOTER_INCHES / 2), f"FlareSeg: {DISCLAIMER}", DIM, 8)
    if over.doubt:
        explain(figure, FOOTER_INCHES / 2)
    return figure


def _hidden(
    labelmap: Labelmap, organs: tuple[Organ, ...], caption: Caption, at: tuple[int, int, int]
) -> list[Organ]:
    """Return the organs to look at that are there, but that no view cuts."""
    shown = {
        value for view in VIEWS for value in np.unique(view.cut(labelmap.array, at[view.axis]))
    }
    boxes = boxes_of(labelmap.array)
    return [
        organ
        for organ in organs
        if caption.note(organ)[0] == "look" and boxes[organ.value - 1] and organ.value not in shown
    ]


def _draw_tile(
    figure: Figure, i: int, hu: Volume, labelmap: Labelmap, organ: Organ
) -> tuple[Axes, int]:
    """Draw the axial slice with most of an organ, near the organ, below; return its index too."""
    voxels = np.count_nonzero(labelmap.array == organ.value, axis=(1, 2))
    z = int(voxels.argmax())
    left = GAP_INCHES + i * (TILE_INCHES + GAP_INCHES)
    axes = add_axes(figure, left, FOOTER_INCHES, TILE_INCHES, TILE_INCHES)
    axial = VIEWS[2]
    _draw_view(axes, axial, hu, labelmap, z, (organ,))
    rows, columns = np.nonzero(labelmap.array[z] == organ.value)
    steps_mm = axial.spacing_mm(labelmap)
    y, x = ((float(n.mean()) + 0.5) * s for n, s in zip((rows, columns), steps_mm, strict=True))
    axes.set(xlim=(x - TILE_MM / 2, x + TILE_MM / 2), ylim=(y + TILE_MM / 2, y - TILE_MM / 2))
    axes.set_title(f"look: {organ.name}", color=WARN, size=9, loc="left", pad=3)
    return axes, z


def _lay_out(labelmap: Labelmap, count: int, below: float = 0.0) -> tuple[Figure, list[Axes]]:
    """Return an empty figure and the frames of the views, all at the same scale.

    Args:
        labelmap: Says how large the views are.
        count: Organs in the legend.
        below: Inches to leave free below them.
    """
    extents = [view.extent_mm(labelmap) for view in VIEWS]
    tallest, total = max(h for h, _ in extents), sum(w for _, w in extents)
    inch_per_mm = min(HEIGHT_INCHES / tallest, WIDTH_INCHES / total)
    body = max(tallest * inch_per_mm, (min(count, LEGEND_LINES) + 1) * LINE_INCHES)
    width = total * inch_per_mm + (len(VIEWS) + 1) * GAP_INCHES + legend_inches(count)
    figure = new_figure(width, body + below + HEADER_INCHES + FOOTER_INCHES)
    frames, left = [], GAP_INCHES
    for h, w in extents:
        bottom = FOOTER_INCHES + below + body - h * inch_per_mm
        frames.append(add_axes(figure, left, bottom, w * inch_per_mm, h * inch_per_mm))
        left += w * inch_per_mm + GAP_INCHES
    return figure, frames


def _draw_view(
    axes: Axes, view: _View, hu: Volume, labelmap: Labelmap, index: int, organs: tuple[Organ, ...]
) -> None:
    height, width = view.extent_mm(labelmap)
    low, high = WINDOW_HU
    image = view.cut(hu.array, index)
    frame = (0.0, width, height, 0.0)
    axes.imshow(image, "gray", vmin=low, vmax=high, extent=frame, interpolation="bilinear")
    _outline(axes, view, labelmap, index, organs, "-")
    axes.set(xlim=(0, width), ylim=(height, 0))
    _mark(axes, view)


def _outline(
    axes: Axes,
    view: _View,
    labelmap: Labelmap,
    index: int,
    organs: tuple[Organ, ...],
    style: Literal["-", ":"],
) -> None:
    labels = np.pad(view.cut(labelmap.array, index), 1)  # so that every outline is closed
    y, x = (
        (np.arange(-1, n - 1) + 0.5) * s
        for n, s in zip(labels.shape, view.spacing_mm(labelmap), strict=True)
    )
    for organ in organs:
        if (mask := labels == organ.value).any():
            axes.contour(
                x, y, mask, levels=[0.5], colors=[rgb(organ)], linewidths=1.3, linestyles=style
            )


def _mark(axes: Axes, view: _View) -> None:
    """Write the directions at the four edges, and the name of the view above."""
    places = (
        (0.015, 0.5, "left"),
        (0.985, 0.5, "right"),
        (0.5, 0.975, "center"),
        (0.5, 0.025, "center"),
    )
    for letter, (x, y, side) in zip(view.marks, places, strict=True):
        axes.text(
            x, y, letter, color=TEXT, size=10, weight="bold", transform=axes.transAxes,
            bbox={"facecolor": BACKGROUND, "alpha": 0.5, "pad": 1.5, "linewidth": 0},
            ha=side, va={0.975: "top", 0.025: "bottom"}.get(y, "center"),
        )  # fmt: skip
    axes.set_title(view.name, color=DIM, size=10, loc="left", pad=4)
