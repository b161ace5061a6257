"""Where an array lies in the world, and which organs lie on the wrong side."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping

import numpy as np

from FlareSegLib.base.geometry import Grid


def _world_axes(grid: Grid) -> tuple[int, ...]:
    """Return the world axis (0 L, 1 P, 2 S) that is closest to each array axis, each taken once."""
    cosines = np.abs(np.array(grid.direction))  # [array axis, world axis]
    return max(itertools.permutations(range(3)), key=lambda axes: cosines[[0, 1, 2], axes].sum())


def orientation(grid: Grid) -> str:
    """Return the letters toward which x, y and z of the image grow, such as LPS or RAS."""
    letters = [
        ("RL", "AP", "IS")[axis][grid.direction[i][axis] > 0]
        for i, axis in enumerate(_world_axes(grid))
    ]
    return "".join(reversed(letters))


def wrong_sided(at: Mapping[str, float], pairs: Iterable[tuple[str, str]]) -> set[str]:
    """Return the keys of paired organs that lie on the wrong side.

    A pair is wrong together if its right organ is not to the right of the left one. Without its
    partner, a right organ is wrong if it is nearer the spleen than the liver, and the reverse.

    Args:
        at: World position in mm toward the patient's left, per organ key; absent organs left out.
        pairs: Keys of the right and the left organ of each pair.
    """
    wrong: set[str] = set()
    for right, left in pairs:
        if right in at and left in at:
            wrong |= {right, left} if at[right] >= at[left] else set()
        elif "liver" in at and "spleen" in at:
            for key in at.keys() & {right, left}:
                is_right = abs(at[key] - at["liver"]) <= abs(at[key] - at["spleen"])
                wrong |= {key} if is_right != (key == right) else set()
    return wrong
