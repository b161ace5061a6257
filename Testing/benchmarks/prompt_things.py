"""Things in real CTs to be prompted: masks, the boxes about them, and where a user would click."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from FlareSegLib.base.geometry import Volume
from FlareSegLib.images.reading import read_labelmap, read_volume
from FlareSegLib.preprocessing.orient import to_canonical
from FlareSegLib.prompting.found import Found
from FlareSegLib.prompting.prompts import in_world
from FlareSegLib.prompting.session import Session
from Testing.benchmarks.prompt_methods import largest

UNSEEN = (2, 3, 5, 9, 13)
"""Organs that training was never shown: right kidney, spleen, aorta, gallbladder, left kidney."""
CUT = (("ts_example", 10),)
"""Organs that the CT cuts off."""
LEAST_VOXELS = 200

Mask = NDArray[np.bool_]
Edges = NDArray[np.float64]


@dataclass(frozen=True)
class Thing:
    """A mask of one thing in a CT; both canonical."""

    group: str
    name: str
    volume: Volume
    mask: Mask


def things(data: Path, groups: tuple[str, ...]) -> Iterator[Thing]:
    """Yield the open lesions, and the organs of the validation CTs, of some groups (all: none)."""
    if not groups or "open lesions" in groups:
        for folder in sorted((data / "lesions").glob("STS_*")):
            volume = to_canonical(read_volume(folder / "ct.nii.gz"))
            mask = to_canonical(read_labelmap(folder / "mask.nii.gz")).array > 0
            yield Thing("open lesions", folder.name, volume, mask)
    if not groups or set(groups) - {"open lesions"}:
        yield from (one for one in organs(data / "val") if not groups or one.group in groups)


def organs(data: Path) -> Iterator[Thing]:
    """Yield the organs of labelled CTs in folders of a folder, cut ones left out."""
    for folder in sorted(data.glob("*")):
        volume = to_canonical(read_volume(folder / "ct.nii.gz"))
        labels = to_canonical(read_labelmap(folder / "label.nii.gz")).array
        for value in range(1, 14):
            mask = labels == value
            if mask.sum() >= LEAST_VOXELS and (folder.name, value) not in CUT:
                group = "unseen organs" if value in UNSEEN else "trained organs"
                yield Thing(group, f"{folder.name} {value}", volume, mask)


def dsc(a: Mask, b: Mask) -> float:
    """Return the overlap of two masks."""
    return float(2 * np.count_nonzero(a & b) / max(np.count_nonzero(a) + np.count_nonzero(b), 1))


def bounds(mask: Mask) -> tuple[Edges, Edges]:
    """Return the first and last edges of a mask, in voxels from the centre of the first."""
    places = [np.flatnonzero(mask.any(axis=other)) for other in ((1, 2), (0, 2), (0, 1))]
    return np.array([p[0] for p in places]) - 0.5, np.array([p[-1] for p in places]) + 0.5


def loosened(low: Edges, high: Edges, rng: np.random.Generator | None) -> tuple[Edges, Edges]:
    """Return a box with each side 0 to 10 % further out; as it is without a generator."""
    if rng is None:
        return low.copy(), high.copy()
    size = high - low
    return low - rng.uniform(0, 0.1, 3) * size, high + rng.uniform(0, 0.1, 3) * size


def full(found: Found, shape: tuple[int, ...]) -> Mask:
    """Return a mask on the whole grid."""
    mask = np.zeros(shape, bool)
    mask[found.box.slices] = found.mask
    return mask


def next_click(session: Session, thing: Thing, mask: Mask):
    """Return where a user would click, the middle of the largest error, and on which side."""
    spacing = thing.volume.grid.spacing_mm
    at = error_at(mask, thing.mask, spacing)
    if at is None:
        return None
    return in_world(at * np.array(spacing), session.grid), bool(thing.mask[tuple(at)])


def error_at(mask: Mask, truth: Mask, spacing_mm: Sequence[float]) -> NDArray[np.int_] | None:
    """Return the middle voxel of the largest error of a mask; None where there is none."""
    wrong = mask != truth
    if not wrong.any():
        return None
    found = ndimage.find_objects(wrong.astype(np.uint8))[0]
    near = tuple(slice(max(a.start - 1, 0), a.stop + 1) for a in found)
    piece = np.pad(largest(wrong[near]), 1)
    depth = ndimage.distance_transform_edt(piece, spacing_mm)[1:-1, 1:-1, 1:-1]
    return np.array(np.unravel_index(depth.argmax(), depth.shape)) + [s.start for s in near]
