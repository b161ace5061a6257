"""Where an organ was found that is none, and the other way about; and where a user would click."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from training.prompt.cases import SPACING

LEAST_VOXELS, LEAST_ORGAN = 25, 200
"""Of an error, and of an organ: smaller ones are not learned from."""
LEAST_DSC, GOOD_DSC = 0.3, 0.85
"""What was missed as a whole is for a box; organs under the second are drawn twice as often."""
OFTEN, MORE = (4, 5, 6, 7, 8, 9, 10, 12), 3.0
"""Organs that are drawn so much more often: all but liver, kidneys, spleen and stomach."""
MOST, DEEP, PLACES = 6, 0.7, 200
"""Errors of a kind and organ; places of an error so deep, as a share of its depth; places kept."""

Labels = NDArray[np.uint8]


@dataclass(frozen=True)
class Spot:
    """An error, and where it may be clicked."""

    organ: int
    inside: bool
    """Whether the organ is there and was not found, or the other way about."""
    points: NDArray[np.int_]
    """Voxels (n, 3)."""
    weight: float
    """How often it is drawn."""


def spots_of(found: Labels, truth: Labels) -> list[Spot]:
    """Return the largest errors of each organ; truth may be 255, unknown."""
    spots: list[Spot] = []
    for organ in range(1, 14):
        is_there = truth == organ
        if np.count_nonzero(is_there) >= LEAST_ORGAN:
            spots += _of_organ(organ, found, truth)
    return spots


def _of_organ(organ: int, found: Labels, truth: Labels) -> Iterator[Spot]:
    box = ndimage.find_objects(((found == organ) | (truth == organ)).astype(np.uint8))[0]
    has, is_there, known = found[box] == organ, truth[box] == organ, truth[box] != 255
    dsc = 2 * np.count_nonzero(has & is_there) / (has.sum() + is_there.sum())
    if dsc < LEAST_DSC:
        return
    start = np.array([one.start for one in box])
    weight = (1.0 if dsc > GOOD_DSC else 2.0) * (MORE if organ in OFTEN else 1.0)
    for inside, wrong in ((True, is_there & ~has), (False, has & ~is_there & known)):
        for points, volume in _errors(wrong):
            yield Spot(organ, inside, points + start, weight * volume**0.5)


def _errors(wrong: NDArray[np.bool_]) -> Iterator[tuple[NDArray[np.int_], int]]:
    """Yield the deepest voxels of the largest pieces of a mask, and the voxels of each piece."""
    pieces, _ = ndimage.label(wrong)
    volumes = np.bincount(pieces.ravel())
    volumes[0] = 0
    depth = ndimage.distance_transform_edt(np.pad(wrong, 1), SPACING)[1:-1, 1:-1, 1:-1]
    for piece in np.argsort(-volumes)[:MOST]:
        if volumes[piece] >= LEAST_VOXELS:
            points = np.argwhere(pieces == piece)
            deep = depth[tuple(points.T)]
            yield points[deep >= DEEP * deep.max()][:PLACES], int(volumes[piece])
