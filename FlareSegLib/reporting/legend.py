"""The organs of a picture, in columns: names, colors, volumes, and which to look at."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from FlareSegLib.base.geometry import Labelmap
from FlareSegLib.base.labels import Organ
from FlareSegLib.base.runs import boxes_of
from FlareSegLib.reporting.canvas import DIM, TEXT, WARN, Color, rgb, write

if TYPE_CHECKING:
    from matplotlib.figure import Figure

GAP_INCHES, HEADER_INCHES = 0.15, 0.75
LEGEND_INCHES, LINE_INCHES, LEGEND_LINES = 3.2, 0.27, 18
"""Of a column of the legend; with more organs than lines there are several."""
NOTE_INCHES = 0.5
"""Right of the volumes, for "cut" and "look"."""
CUT, ABSENT = "touches_border", "absent"


@dataclass(frozen=True)
class Caption:
    """What stands above the views and beside the organs."""

    title: str
    """Such as the name of the case."""
    flags: Mapping[str, Collection[str]] = field(default_factory=dict)
    """Flags of the report by organ key."""

    def note(self, organ: Organ) -> tuple[str, Color]:
        """Return a word beside the volume of an organ, and its color."""
        flags = set(self.flags.get(organ.key, ())) - {ABSENT}
        if flags - {CUT}:
            return "look", WARN
        return ("cut", DIM) if flags else ("", DIM)


def legend_inches(count: int) -> float:
    """Return the width of a legend of so many organs."""
    return LEGEND_INCHES * max(1, -(-count // LEGEND_LINES))


def draw_legend(
    figure: Figure, labelmap: Labelmap, organs: tuple[Organ, ...], caption: Caption
) -> None:
    """List the organs and their volumes, right of the views; absent ones are dim."""
    width, height = figure.get_size_inches()
    top = height - HEADER_INCHES - LINE_INCHES / 2
    boxes = boxes_of(labelmap.array)
    for i, organ in enumerate(organs):
        column, line = divmod(i, LEGEND_LINES)
        left = width - legend_inches(len(organs)) + column * LEGEND_INCHES + GAP_INCHES
        right = left + LEGEND_INCHES - 2 * GAP_INCHES - NOTE_INCHES
        if not line:
            write(figure, (right, top), "ml", DIM, 9, "right")
        y = top - (line + 1) * LINE_INCHES
        box = boxes[organ.value - 1]
        voxels = np.count_nonzero(labelmap.array[box] == organ.value) if box else 0
        color = TEXT if voxels else DIM
        write(figure, (left, y), "\u25a0", rgb(organ) if voxels else DIM, 14)
        write(figure, (left + 0.25, y), organ.name, color, 10)
        volume = f"{voxels * labelmap.grid.voxel_ml:.1f}" if voxels else "not found"
        write(figure, (right, y), volume, color, 10, "right")
        note, tint = caption.note(organ)
        if note:
            write(figure, (right + 0.08, y), note, tint, 8)
