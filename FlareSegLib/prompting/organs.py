"""Organs that were found before, in a file: which of them is to be corrected, and back to a file.

SimpleITK reads and writes them; it is not imported before.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from FlareSegLib.base.errors import InputError
from FlareSegLib.base.geometry import Grid, Labelmap
from FlareSegLib.base.labels import LabelSet, Organ, plain
from FlareSegLib.base.runs import boxes_of
from FlareSegLib.preprocessing.orient import to_canonical
from FlareSegLib.prompting.prompts import ClickPrompt, on_grid


@dataclass(frozen=True)
class Organs:
    """A labelmap, what its values mean, and the organ of it that is to be corrected."""

    labelmap: Labelmap
    """On the grid of the CT."""
    labels: LabelSet
    organ: Organ

    def check_free(self, click: ClickPrompt) -> None:
        """Check that a click inside lies in no other organ.

        Raises:
            InputError: It does, and that organ is to keep its voxels.
        """
        turned = to_canonical(self.labelmap)
        at = np.rint(on_grid(click.at, turned.grid) / np.array(turned.grid.spacing_mm)).astype(int)
        is_there = np.all(at >= 0) and np.all(at < turned.array.shape)
        value = int(turned.array[tuple(at)]) if is_there else 0
        if click.inside and value not in (0, self.organ.value):
            text = ", ".join(f"{v:g}" for v in click.at)
            raise InputError(
                f"{text} lies in the {self.labels.by_value[value].name}, which keeps its voxels: "
                f"remove it from there first, or give --others overwrite"
            )

    def write(self, path: Path) -> None:
        """Write the labelmap, with names, colors and codes if it is a .seg.nrrd.

        Raises:
            OutputError: It cannot be written.
        """
        from FlareSegLib.images.writing import write_labelmap

        write_labelmap(self.labelmap, path, labels=self.labels)


def read_organs(path: Path, name: str, grid: Grid) -> Organs:
    """Return the organs of a file, on the grid of a CT.

    Args:
        path: Labelmap of flareseg segment, or one that was edited.
        name: Of the organ to be corrected: its name or key, or its value.
        grid: Of the CT.

    Raises:
        InputError: It cannot be read, belongs to another CT, or has no such organ.
    """
    from FlareSegLib.images.case_files import labels_in
    from FlareSegLib.images.reading import read_labelmap
    from FlareSegLib.images.regrid import on_grid

    labelmap, known = read_labelmap(path), labels_in(path)
    values = [value for value, box in enumerate(boxes_of(labelmap.array), 1) if box]
    labels = LabelSet(tuple(known.by_value.get(value) or plain(value) for value in values))
    organ = _named(labels, name, path.name)
    if not labelmap.grid.is_like(grid):
        labelmap = on_grid(labelmap, grid, path.name)
    return Organs(labelmap, labels, organ)


def _named(labels: LabelSet, name: str, file: str) -> Organ:
    wanted = name.strip().lower()
    for organ in labels.organs:
        if wanted in (organ.key.lower(), organ.name.lower(), str(organ.value)):
            return organ
    there = ", ".join(organ.key for organ in labels.organs) or "nothing"
    raise InputError(
        f"{name} is not in {file}, which has {there}: name one of these, or segment it by a box "
        "without --start"
    )
