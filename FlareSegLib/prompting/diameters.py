"""The longest diameter of a thing in a slice, and the longest across it (RECIST)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_ANGLES = np.arange(16) * np.pi / 16
"""Directions in a slice, to find the slices that can have the longest diameter."""
_SHORTEST = np.cos(np.pi / 32) - 1e-9
"""What is left of a diameter along the nearest of these directions, at least; less rounding."""


@dataclass(frozen=True)
class Diameters:
    """Of one slice; zero of an empty mask."""

    longest_mm: float
    across_mm: float
    """The longest one at right angles to the longest."""
    slice: int
    """Index along z."""
    ends: tuple[tuple[float, float], tuple[float, float]] = ((0.0, 0.0), (0.0, 0.0))
    """Of the longest one: (y, x) in mm from the centre of the first pixel."""


def diameters(mask: NDArray[np.bool_], spacing_mm: tuple[float, float]) -> Diameters:
    """Return the longest diameter over all slices of a mask (z, y, x), and the one across it.

    Measured from edge to edge of pixels; holes and notches count as inside.

    Args:
        mask: Slices along the first axis.
        spacing_mm: Of pixels (y, x).
    """
    best = Diameters(0.0, 0.0, 0)
    least = _widths(mask, spacing_mm)
    for z in np.flatnonzero((least > 0) & (least / _SHORTEST >= least.max(initial=0.0))):
        found = _of_slice(_hull(_edges(mask[z])) / 2 * spacing_mm, int(z))
        best = found if found.longest_mm > best.longest_mm else best
    return best


def _widths(mask: NDArray[np.bool_], spacing_mm: tuple[float, float]) -> NDArray[np.float64]:
    """Return the largest extent of each slice along some directions, mm; 0 of an empty one.

    No diameter is shorter than that, and none is longer than that divided by _SHORTEST.
    """
    z, y = np.nonzero(mask.any(axis=2))
    rows = mask[z, y]
    ends = rows.argmax(axis=1), mask.shape[2] - 1 - rows[:, ::-1].argmax(axis=1)
    across, along = np.sin(_ANGLES) * spacing_mm[0], np.cos(_ANGLES) * spacing_mm[1]
    first, last = (y[:, None] * across + end[:, None] * along for end in ends)
    found = np.zeros(len(mask))
    slices, starts = np.unique(z, return_index=True)
    if starts.size:
        high = np.maximum.reduceat(np.maximum(first, last), starts)
        low = np.minimum.reduceat(np.minimum(first, last), starts)
        found[slices] = (high - low + np.maximum(np.abs(across), np.abs(along))).max(axis=1)
    return found


def _edges(mask: NDArray[np.bool_]) -> NDArray[np.int_]:
    """Return the middles of the four edges of the first and last pixels of each row, half pixels.

    In the order of y and then x, each once.
    """
    rows = np.flatnonzero(mask.any(axis=1))
    first = mask[rows].argmax(axis=1)
    last = mask.shape[1] - 1 - mask[rows, ::-1].argmax(axis=1)
    ends = 2 * np.concatenate([np.stack([rows, first], 1), np.stack([rows, last], 1)])
    moves = np.array([[0, 1], [0, -1], [1, 0], [-1, 0]])
    points: NDArray[np.int_] = np.unique((ends[:, None] + moves).reshape(-1, 2), axis=0)
    return points


def _hull(points: NDArray[np.int_]) -> NDArray[np.float64]:
    """Return the corners of the convex hull of sorted points, in its order (monotone chains)."""
    ways = []
    for way in (points.tolist(), points[::-1].tolist()):
        chain: list[list[int]] = []
        for point in way:
            while len(chain) > 1 and _turn(chain[-2], chain[-1], point) <= 0:
                chain.pop()
            chain.append(point)
        ways += chain[:-1]
    return np.array(ways, np.float64)


def _turn(a: list[int], b: list[int], c: list[int]) -> int:
    """Return whether the way from a over b to c turns: over 0 to one side, under 0 to the other."""
    return (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])


def _of_slice(hull: NDArray[np.float64], z: int) -> Diameters:
    apart = np.hypot(*(hull[:, None] - hull).transpose(2, 0, 1))
    a, b = np.unravel_index(apart.argmax(), apart.shape)
    longest = float(apart[a, b])
    along = (hull[b] - hull[a]) / max(longest, 1e-9)
    ends = (tuple(map(float, hull[a])), tuple(map(float, hull[b])))
    return Diameters(longest, _across(hull - hull[a], along), z, ends)  # type: ignore[arg-type]


def _across(hull: NDArray[np.float64], along: NDArray[np.float64]) -> float:
    """Return the longest chord of a hull at right angles to a direction: it ends in a corner."""
    s, t = hull @ along, hull @ np.array([-along[1], along[0]])
    at = np.unique(s)
    next_s, next_t = np.roll(s, -1), np.roll(t, -1)
    high, low = np.full(len(at), -np.inf), np.full(len(at), np.inf)
    for s0, t0, s1, t1 in zip(s, t, next_s, next_t, strict=True):
        if s1 == s0:
            continue
        between = (at >= min(s0, s1)) & (at <= max(s0, s1))
        value = t0 + (at[between] - s0) / (s1 - s0) * (t1 - t0)
        high[between] = np.maximum(high[between], value)
        low[between] = np.minimum(low[between], value)
    chords = high - low
    return float(chords[np.isfinite(chords)].max(initial=0.0))
