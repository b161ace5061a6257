"""A strip of small pictures, one an organ: where it is largest, cut out and outlined."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from FlareSegLib.base.geometry import Labelmap, Volume
from FlareSegLib.base.labels import Organ
from FlareSegLib.reporting.png import gray_of

SIDE = 64
"""Pixels of a tile."""
MARGIN, LEAST_MM = 1.35, 50.0
"""A tile shows this much more than the organ, and never less than so many mm."""
GRAYS = 32
"""Levels of gray; more of them are noise, and make the file larger."""


def draw_tiles(hu: Volume, labelmap: Labelmap, organs: Sequence[Organ]) -> NDArray[np.uint8]:
    """Return a strip with a tile for each organ, from left to right; black for an absent one.

    Args:
        hu: The CT, canonical (array axes toward S, P and L).
        labelmap: Organ values on the same grid.
        organs: Those to show, in this order.

    Returns:
        (SIDE, SIDE * organs, RGB).
    """
    most = max(int(labelmap.array.max(initial=0)), *(organ.value for organ in organs))
    counts = np.array([np.bincount(one.ravel(), minlength=most + 1) for one in labelmap.array])
    tiles = []
    for organ in organs:
        z = int(counts[:, organ.value].argmax())
        mask = labelmap.array[z] == organ.value
        tiles.append(_tile(hu.array[z], mask, hu.grid.spacing_mm[1:], organ.color))
    return np.concatenate(tiles, axis=1)


def _tile(
    hu: NDArray[np.int16],
    mask: NDArray[np.bool_],
    spacing_mm: tuple[float, float],
    color: tuple[int, int, int],
) -> NDArray[np.uint8]:
    """Return the surroundings of a mask in its slice, (y, x, RGB)."""
    if not mask.any():
        return np.zeros((SIDE, SIDE, 3), np.uint8)
    spans = [(int(index.min()), int(index.max()) + 1) for index in np.nonzero(mask)]
    sizes = [(end - start) * mm for (start, end), mm in zip(spans, spacing_mm, strict=True)]
    side_mm = max(LEAST_MM, MARGIN * max(sizes))
    steps = (np.arange(SIDE) + 0.5) / SIDE - 0.5
    at = [
        np.floor(sum(span) / 2 + steps * side_mm / mm).astype(int)
        for span, mm in zip(spans, spacing_mm, strict=True)
    ]
    inside = [np.clip(i, 0, n - 1) for i, n in zip(at, mask.shape, strict=True)]
    is_inside = np.logical_and.outer(*(i == j for i, j in zip(at, inside, strict=True)))
    picks = np.ix_(*inside)
    levels = np.where(
        is_inside, (gray_of(hu[picks]) * (GRAYS - 1)).round() * (255 / (GRAYS - 1)), 0
    )
    picture = np.repeat(levels[..., None], 3, axis=2).astype(np.uint8)
    picture[_outline(mask[picks] & is_inside)] = color
    return picture


def _outline(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return the pixels of a mask that have a neighbour outside of it."""
    wide = np.pad(mask, 1)
    inner = wide[:-2, 1:-1] & wide[2:, 1:-1] & wide[1:-1, :-2] & wide[1:-1, 2:]
    return mask & ~inner
