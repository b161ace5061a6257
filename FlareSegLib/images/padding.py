"""What fills the space around a scan and is no measurement: one exact value, or NaN.

Programs that turn, crop or mask a CT fill what is new with 0 unless told otherwise, and 0 HU is
water: a network finds organs in it. Real voxels are noisy: eight of one value in a corner are none.
"""

from __future__ import annotations

from itertools import combinations, product

import numpy as np
from numpy.typing import NDArray

from FlareSegLib.base.runs import FACES, Runs, pieces_of, runs_of
from FlareSegLib.images.hounsfield import coarse, is_ct

AIR_HU = -1024
MOST_AIR_HU = -900.0
"""What is below is air to all that follows, and left as it is."""
LEAST_SHARE = 0.001
"""Of all voxels, in a piece of padding."""
_MOST_VALUES = 4
"""Different values of padding that are looked for."""


def without_nan(
    array: NDArray[np.generic], hu_offset: float = 0.0
) -> tuple[NDArray[np.generic], tuple[str, ...]]:
    """Return voxels as read with air in place of NaN that are padding, and what to say of it.

    Args:
        array: (z, y, x), any type.
        hu_offset: What will be added to every voxel.
    """
    if array.dtype.kind != "f" or not np.isnan(array.min()):
        return array, ()
    padded = _at_edges(runs_of(np.isnan(array).view(np.uint8)))
    if not padded.row.size:
        return array, ()
    return _filled(array, padded, AIR_HU - hu_offset), (_said(padded, "no number (NaN)"),)


def without_padding(
    array: NDArray[np.generic],
) -> tuple[NDArray[np.generic], tuple[str, ...]]:
    """Return HU (z, y, x) with air in place of padding, and a sentence for each of its values.

    Padding is a piece of one exact value that reaches two edges of the box (where faces meet) and
    has a thousandth of the voxels. What is left without it must be a CT: a constant phantom is not.
    An array without padding is returned as it is.
    """
    said: tuple[str, ...] = ()
    for value in _edge_values(array):
        padded = _at_edges(runs_of((array == value).view(np.uint8)))
        if not padded.row.size:
            continue
        filled = _filled(array, padded, AIR_HU)
        rest = coarse(filled)
        if is_ct(rest[rest != AIR_HU]):
            array, said = filled, (*said, _said(padded, f"exactly {value:g} HU"))
    return array, said


def _filled(array: NDArray[np.generic], padded: Runs, value: float) -> NDArray[np.generic]:
    filled = array.copy()
    filled[padded.voxels()] = value
    return filled


def _said(padded: Runs, what: str) -> str:
    share = padded.lengths.sum() / np.prod(padded.shape)
    return f"{share:.1%} of the voxels, at the edge of the scan, are {what}: padding, taken as air"


def _edge_values(array: NDArray[np.generic]) -> list[float]:
    """Return the values over MOST_AIR_HU that fill blocks of 2 x 2 x 2 at the edges of the box."""
    found = [
        _solid(np.moveaxis(array, axis, 0)[:, ys, xs])
        for axis in range(3)
        for ys in (slice(0, 2), slice(-2, None))
        for xs in (slice(0, 2), slice(-2, None))
    ]
    values, counts = np.unique(np.concatenate(found), return_counts=True)
    order = np.argsort(-counts, kind="stable")
    return [float(v) for v in values[order] if v > MOST_AIR_HU][:_MOST_VALUES]


def _solid(edge: NDArray[np.generic]) -> NDArray[np.generic]:
    """Return the values of an edge (n, 2, 2) where it and its next voxel have one value."""
    first = edge[:, :1, :1]
    is_even = (edge == first).all(axis=(1, 2))
    values = first[:, 0, 0]
    is_next = is_even[:-1] & is_even[1:] & (values[:-1] == values[1:])
    solid: NDArray[np.generic] = values[:-1][is_next]
    return solid


def _at_edges(runs: Runs) -> Runs:
    """Return the runs of those pieces that reach two edges of the box and are large enough.

    One edge may be reached by a bone that was cut at the greatest value.
    """
    piece = pieces_of(runs, FACES)
    size, reached = np.bincount(piece, runs.lengths), np.zeros(piece.max(initial=-1) + 1, int)
    depth, height, width = runs.shape
    z, y = runs.zy
    axes = (
        (z == 0, z == depth - 1),
        (y == 0, y == height - 1),
        (runs.start == 0, runs.stop == width),
    )
    for one, other in combinations(axes, 2):
        for a, b in product(one, other):
            reached[np.unique(piece[a & b])] += 1
    is_padding = (reached > 1) & (size >= LEAST_SHARE * np.prod(runs.shape))
    return runs.part(is_padding[piece])
