"""A file for each organ, in a folder as TotalSegmentator writes it: kidney_right.nii.gz ..."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from FlareSegLib.base.geometry import Labelmap
from FlareSegLib.base.labels import Organ
from FlareSegLib.images.writing import write_labelmap

_SIDES = ("right_", "left_")


def split_name(key: str) -> str:
    """Return what TotalSegmentator calls an organ: the side goes last."""
    side = next((side for side in _SIDES if key.startswith(side)), "")
    return f"{key.removeprefix(side)}_{side[:-1]}" if side else key


def write_split(labelmap: Labelmap, organs: Sequence[Organ], folder: Path) -> None:
    """Write a mask (0 and 1) for each organ, those that are absent too: scripts expect them.

    Raises:
        OutputError: A file cannot be written.
    """
    for organ in organs:
        mask = (labelmap.array == organ.value).view(np.uint8)
        write_labelmap(Labelmap(mask, labelmap.grid), folder / f"{split_name(organ.key)}.nii.gz")
