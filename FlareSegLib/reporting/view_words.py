"""What the viewer says in words: sides and place of a slice, volumes and flags of organs."""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from FlareSegLib.base.atomic import digest
from FlareSegLib.base.geometry import Labelmap
from FlareSegLib.base.job import beside
from FlareSegLib.base.labels import Organ
from FlareSegLib.measuring.rows import ml_text

SIDES = (("R", "L"), ("A", "P"), ("S", "I"))
"""Letters of the axes of RAS: of a direction along it, and against it."""
OBLIQUE = 0.999
"""Cosine below which a slice is called oblique."""
WORDS = {"touches_border": "cut", "out_of_field": "outside the scan"}
"""Flags that are said otherwise than by their keys."""


def letter(direction: NDArray[np.float64]) -> str:
    """Return the side of the patient to which a direction in RAS mostly points."""
    axis = int(np.abs(direction).argmax())
    return SIDES[axis][int(direction[axis] < 0)]


def sides(slice_to_ras: NDArray[np.float64]) -> dict[str, str]:
    """Return the letters at the edges of a slice, and its place in mm.

    Args:
        slice_to_ras: 4 x 4; its columns are right and up on the screen, the normal, the origin.
    """
    right, up, normal, origin = slice_to_ras[:3].T
    mm = float(normal @ origin)
    place = f"{letter(normal if mm >= 0 else -normal)} {abs(mm):.1f} mm"
    is_oblique = np.abs(normal).max() < OBLIQUE
    return {
        "left": letter(-right),
        "right": letter(right),
        "top": letter(up),
        "bottom": letter(-up),
        "place": f"{place}, oblique" if is_oblique else place,
    }


@dataclass(frozen=True)
class Line:
    """An organ in the list."""

    key: str
    name: str
    color: str
    """As CSS has it."""
    ml: str
    flags: str
    """Why to look at it, in words; empty if there is no reason."""


def lines(organs: Sequence[Organ], labelmap: Labelmap, path: Path) -> list[Line]:
    """Return the list of organs that are there.

    Volumes are of the labelmap as it is; flags are of the report beside it, if the file is still
    the one that the report tells of.

    Args:
        organs: Those to look for.
        labelmap: Read from path.
        path: Its file.
    """
    voxels = np.bincount(labelmap.array.ravel(), minlength=max(one.value for one in organs) + 1)
    flags = _flags(path)
    return [
        Line(
            organ.key,
            organ.name,
            organ.css_color,
            f"{ml_text(float(voxels[organ.value]) * labelmap.grid.voxel_ml)} ml",
            ", ".join(flags.get(organ.key, ())),
        )
        for organ in organs
        if voxels[organ.value]
    ]


def _flags(path: Path) -> dict[str, list[str]]:
    """Return the flags by organ key; none if the file has changed since its report."""
    with suppress(OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        report: Any = json.loads(beside(path, ".report.json").read_text(encoding="utf-8"))
        if report["run"]["files"][path.name] == digest(path):
            return {
                str(one["key"]): [WORDS.get(f, str(f).replace("_", " ")) for f in one["flags"]]
                for one in report["organs"]
            }
    return {}
