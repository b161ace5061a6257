"""Closed contours of a mask in a plane: marching squares, with keyholes to the holes.

Vertices lie a little before half-way between a voxel inside and its neighbour outside: who asks
which voxel centres a contour holds gets the mask back, and so does who rounds vertices to voxels
and fills what is between them. Diagonal neighbours are two contours.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator

import numpy as np
from numpy.typing import NDArray

Loop = list[tuple[float, float]]
"""Vertices (y, x) in voxels, the first one not said again at the end."""
REACH = 0.48
"""Of the way from the voxel inside to the one outside."""
_CORNERS = np.array([(0, 0), (0, 1), (1, 1), (1, 0)])
"""(y, x) of the corners of a cell; bit i of its code says that corner i is inside."""
_EDGES = ((0, 1), (1, 2), (3, 2), (0, 3))
"""Corners at the ends of each edge; a vertex is named by the first and by whether it goes down."""


def _segments(code: int) -> list[tuple[int, int]]:
    """Return from which edge to which a cell is crossed, the inside on one and the same hand."""
    inside = [i for i in range(4) if code >> i & 1]
    groups = [[i] for i in inside] if code in (5, 10) else [inside]
    found = []
    for group in groups:
        crossed = [e for e, (a, b) in enumerate(_EDGES) if (a in group) != (b in group)]
        if not crossed:
            continue
        start, stop = (_CORNERS[list(_EDGES[e])].mean(axis=0) for e in crossed)
        away = _CORNERS[group].mean(axis=0) - (start + stop) / 2
        along = stop - start
        is_left = along[1] * away[0] - along[0] * away[1] > 0
        found.append((crossed[0], crossed[1]) if is_left else (crossed[1], crossed[0]))
    return found


_TABLE = [_segments(code) for code in range(16)]


def contours(mask: NDArray[np.bool_]) -> list[Loop]:
    """Return the contours of a mask (y, x): one for each piece, with its holes."""
    inside = np.pad(mask, 1)
    loops = list(_loops(inside))
    place = {vertex: i for i, loop in enumerate(loops) for vertex in loop}
    outer = {i: loop for i, loop in enumerate(loops) if _area(loop) > 0}
    belongs = {i: i for i in outer}
    for i in sorted(set(range(len(loops))) - set(outer), key=lambda i: _leftmost(loops[i])[1]):
        y, x = _leftmost(loops[i])
        row = inside[int(y), : int(x + 0.5)]
        left = (y, float(len(row) - 1 - int(np.argmin(row[::-1]))) + 0.5)
        belongs[i] = belongs[place[left]]
        outer[belongs[i]] = _joined(outer[belongs[i]], left, loops[i], (y, x))
    return [[_drawn_in(vertex, inside) for vertex in loop] for loop in outer.values()]


def _drawn_in(vertex: tuple[float, float], inside: NDArray[np.bool_]) -> tuple[float, float]:
    """Return the place of a vertex that is half-way in the padded mask."""
    a, b = ((int(f(vertex[0])), int(f(vertex[1]))) for f in (math.floor, math.ceil))
    start, stop = (a, b) if inside[a] else (b, a)
    return (
        start[0] + (stop[0] - start[0]) * REACH - 1,
        start[1] + (stop[1] - start[1]) * REACH - 1,
    )


def _leftmost(loop: Loop) -> tuple[float, float]:
    return min(loop, key=lambda vertex: (vertex[1], vertex[0]))


def _joined(loop: Loop, at: tuple[float, float], hole: Loop, start: tuple[float, float]) -> Loop:
    """Return a loop that goes to a hole, around it and back."""
    i, j = loop.index(at), hole.index(start)
    return [*loop[: i + 1], *hole[j:], *hole[: j + 1], *loop[i:]]


def _loops(inside: NDArray[np.bool_]) -> Iterator[Loop]:
    """Yield the loops around what is inside: that of a hole runs the other way round."""
    following: dict[tuple[float, float], tuple[float, float]] = {}
    codes = sum(
        (inside[y : y - 1 or None, x : x - 1 or None].astype(np.uint8) << i)
        for i, (y, x) in enumerate(_CORNERS)
    )
    middles = [tuple(_CORNERS[list(edge)].mean(axis=0)) for edge in _EDGES]
    for code in range(1, 15):
        for y, x in np.argwhere(codes == code).tolist():
            for start, stop in _TABLE[code]:
                (a, b), (c, d) = middles[start], middles[stop]
                following[y + a, x + b] = (y + c, x + d)
    while following:
        first, at = following.popitem()
        loop = [first]
        while at != first:
            loop.append(at)
            at = following.pop(at)
        yield loop


def _area(loop: Loop) -> float:
    """Return the area, positive for what is around something."""
    y, x = np.array(loop).T
    return float(y @ np.roll(x, 1) - x @ np.roll(y, 1)) / 2


def without_straights(loop: Iterable[tuple[float, float]]) -> Loop:
    """Return a loop without vertices in the middle of a straight line; turning back stays."""
    points = np.array(list(loop))
    before, after = points - np.roll(points, 1, 0), np.roll(points, -1, 0) - points
    across = before[:, 0] * after[:, 1] - before[:, 1] * after[:, 0]
    is_straight = (np.abs(across) < 1e-9) & ((before * after).sum(1) > 0)
    return [(float(y), float(x)) for y, x in points[~is_straight]]
