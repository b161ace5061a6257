"""What a person decided who looked at labels: keep, take a second opinion, or teach nothing there.

A list of decisions is JSON: case, organ (a key, or "any"), take ("other": the second opinion;
"unknown": nothing is taught where the two differ or, for a single organ, where either says it),
optionally box ([z0, z1, y0, y1, x0, x1], voxels of the student's grid), and why.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

UNKNOWN = 255
"""Label of voxels where nothing is taught."""
GROW, CLOSE = 2, 3
"""Voxels that an unknown organ is grown by; that hollows of an organ are closed by."""
FILLED = (1, 3, 11)
"""Liver, spleen, stomach: a tumour, or food, in them is theirs."""

Labels = NDArray[np.uint8]


def decided(
    labels: Labels, other: Labels, decisions: Iterable[Mapping[str, Any]], keys: tuple[str, ...]
) -> Labels:
    """Return labels (z, y, x) as decided, hollows filled.

    Args:
        labels: Of the teacher.
        other: A second opinion, such as of the student before.
        decisions: Those of this case.
        keys: Of the organs, in the order of their values.
    """
    result = filled(labels, other)
    for one in decisions:
        value = 0 if one["organ"] == "any" else 1 + keys.index(one["organ"])
        place = _box(one.get("box"), labels.shape)
        mine, theirs = result[place], other[place]
        said = (mine == value) | (theirs == value)
        if one["take"] == "other":
            mine[(mine == value)] = 0
            mine[theirs == value] = value
        elif value:
            mine[ndimage.binary_dilation(said, iterations=GROW)] = UNKNOWN
        else:
            mine[(mine != theirs) & (mine != UNKNOWN)] = UNKNOWN
    return result


def filled(labels: Labels, other: Labels) -> Labels:
    """Return labels with hollows of large organs filled where the second opinion fills them too."""
    result = labels.copy()
    for value in FILLED:
        closed = ndimage.binary_closing(np.pad(labels == value, CLOSE), iterations=CLOSE)
        inside = closed[CLOSE:-CLOSE, CLOSE:-CLOSE, CLOSE:-CLOSE]
        result[inside & (labels == 0) & (other == value)] = value
    return result


def _box(corners: list[int] | None, shape: tuple[int, ...]) -> tuple[slice, ...]:
    if corners is None:
        return tuple(slice(0, n) for n in shape)
    return tuple(slice(corners[i], corners[i + 1]) for i in (0, 2, 4))
