"""Orientation as a view; no voxel is interpolated. Canonical: array axes toward S, P, L."""

from __future__ import annotations

import itertools
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from FlareSegLib.base.config import ModelConfig
from FlareSegLib.base.geometry import IDENTITY, Direction, Grid, Labelmap, Volume, ZyxMm
from FlareSegLib.base.recipe import STORED

Image = TypeVar("Image", Volume, Labelmap)
_TOWARD: dict[str, ZyxMm] = {
    "L": (1.0, 0.0, 0.0), "P": (0.0, 1.0, 0.0), "S": (0.0, 0.0, 1.0),
    "R": (-1.0, 0.0, 0.0), "A": (0.0, -1.0, 0.0), "I": (0.0, 0.0, -1.0),
}  # fmt: skip


def to_model(volume: Image, config: ModelConfig) -> Image:
    """Return a view with the axes that a model knows: canonical, unless its recipe says others.

    What is written into the view is written into the array of volume.
    """
    recipe = config.recipe
    if recipe is None:
        return to_canonical(volume)
    if recipe.orientation != STORED:
        x, y, z = (_TOWARD[letter] for letter in recipe.orientation)
        volume = _turned(volume, (z, y, x))
    grid = volume.grid
    shape, spacing, direction = (
        tuple(values[axis] for axis in recipe.axes)
        for values in (grid.shape, grid.spacing_mm, grid.direction)
    )
    grid = Grid(shape, spacing, grid.origin, direction)  # type: ignore[arg-type]
    return type(volume)(volume.array.transpose(recipe.axes), grid)


def axes_and_flips(
    grid: Grid, wanted: Direction = IDENTITY
) -> tuple[tuple[int, ...], tuple[bool, ...]]:
    """Return which array axis of grid becomes canonical z, y and x, and whether each is reversed.

    An oblique grid keeps its obliqueness: the assignment with the largest total alignment is taken.
    """
    cosines = np.array(grid.direction) @ np.array(wanted).T  # [array axis, canonical axis]
    axes = max(
        itertools.permutations(range(3)),
        key=lambda order: sum(abs(cosines[axis, i]) for i, axis in enumerate(order)),
    )
    return axes, tuple(bool(cosines[axis, i] < 0) for i, axis in enumerate(axes))


def _flipped(array: NDArray[np.generic], flips: tuple[bool, ...]) -> NDArray[np.generic]:
    return array[tuple(slice(None, None, -1 if flip else 1) for flip in flips)]


def to_canonical(volume: Image) -> Image:
    """Return a view with its array axes toward S, P and L (closest axes if it is oblique).

    What is written into the view is written into the array of volume.
    """
    return _turned(volume, IDENTITY)


def _turned(volume: Image, wanted: Direction) -> Image:
    """Return a view with its array axes toward the wanted directions, or close to them."""
    axes, flips = axes_and_flips(volume.grid, wanted)
    array = _flipped(volume.array.transpose(axes), flips)
    corner = [0.0, 0.0, 0.0]
    directions = []
    for axis, flip in zip(axes, flips, strict=True):
        corner[axis] = float(volume.grid.shape[axis] - 1) if flip else 0.0
        sign = -1.0 if flip else 1.0
        directions.append(tuple(sign * value for value in volume.grid.direction[axis]))
    spacing = tuple(volume.grid.spacing_mm[axis] for axis in axes)
    origin = volume.grid.to_world((corner[0], corner[1], corner[2]))
    return type(volume)(array, Grid(array.shape, spacing, origin, tuple(directions)))  # type: ignore[arg-type]
