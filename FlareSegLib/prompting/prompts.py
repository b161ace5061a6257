"""Prompts in the world, and where they lie on a grid.

Positions of prompts are in mm in RAS, as 3D Slicer shows them. "Grid mm" are distances along the
array axes (z, y, x) of a grid from the centre of its first voxel.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from FlareSegLib.base.errors import InputError
from FlareSegLib.base.geometry import Grid

Point = tuple[float, float, float]
_RAS = np.array([-1.0, -1.0, 1.0])
"""Signs between RAS and LPS."""
_ALIGNED = math.cos(math.radians(30))
"""Axes of a box that are nearer than that to those of a grid are taken for them."""
_WORLD = ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0))


@dataclass(frozen=True)
class BoxPrompt:
    """A box in the world; thinner than a slice along an axis of the CT: depth unknown there."""

    centre: Point
    """RAS, mm."""
    size_mm: Point
    """Along its axes."""
    axes: tuple[Point, Point, Point] = _WORLD
    """Rows are unit vectors (R, A, S)."""

    @classmethod
    def between(cls, low: Sequence[float], high: Sequence[float]) -> BoxPrompt:
        """Return the box between two corners (R, A, S), in whatever order."""
        a, b = np.array(low, float), np.array(high, float)
        return cls(_point((a + b) / 2), _point(np.abs(b - a)))


@dataclass(frozen=True)
class LinePrompt:
    """The longest diameter of a thing, as measured for RECIST."""

    start: Point
    """RAS, mm."""
    end: Point
    """RAS, mm."""


@dataclass(frozen=True)
class ClickPrompt:
    """A point that is inside of the thing, or outside."""

    at: Point
    """RAS, mm."""
    inside: bool = True


Prompt = BoxPrompt | LinePrompt | ClickPrompt


@dataclass(frozen=True)
class VoxelBox:
    """A box by its first and last voxels of a CT: i0, i1, j0, j1, k0, k1 with i along rows."""

    ends: tuple[float, ...]

    def in_world(self, grid: Grid) -> BoxPrompt:
        """Return the box in the world, along the axes of a grid."""
        low, high = np.array(self.ends[::2])[::-1], np.array(self.ends[1::2])[::-1]
        centre = grid.to_world(_point((low + high) / 2))
        size = (np.abs(high - low) + 1) * np.array(grid.spacing_mm)
        axes = tuple(_point(np.array(row) * _RAS) for row in grid.direction)
        return BoxPrompt(_point(np.array(centre) * _RAS), _point(size), axes)  # type: ignore[arg-type]


@dataclass(frozen=True)
class Extent:
    """A box along the axes of a grid, in grid mm (z, y, x)."""

    low: Point
    high: Point

    @property
    def size(self) -> NDArray[np.float64]:
        """Extent along (z, y, x), mm."""
        size: NDArray[np.float64] = np.array(self.high) - np.array(self.low)
        return size

    @property
    def centre(self) -> NDArray[np.float64]:
        """Middle, grid mm."""
        middle: NDArray[np.float64] = (np.array(self.high) + np.array(self.low)) / 2
        return middle

    @classmethod
    def about(cls, centre: NDArray[np.float64], size: NDArray[np.float64]) -> Extent:
        """Return the box of a size about its middle."""
        return cls(_point(centre - size / 2), _point(centre + size / 2))

    def halfway(self, other: Extent) -> Extent:
        """Return the box whose faces lie halfway to those of another."""
        low = (np.array(self.low) + np.array(other.low)) / 2
        high = (np.array(self.high) + np.array(other.high)) / 2
        return Extent.about((low + high) / 2, high - low)

    def within(self, other: Extent) -> Extent:
        """Return the part of the box that lies in another."""
        low = np.maximum(self.low, other.low)
        return Extent(_point(low), _point(np.minimum(self.high, other.high)))

    def holding(self, at: NDArray[np.float64], margin: float) -> Extent:
        """Return the box, grown so that it holds a point and a margin about it."""
        low = np.minimum(self.low, at - margin)
        return Extent(_point(low), _point(np.maximum(self.high, at + margin)))


def on_grid(point: Sequence[float], grid: Grid) -> NDArray[np.float64]:
    """Return a point (R, A, S) in grid mm (z, y, x)."""
    world = np.array(point, float) * _RAS - np.array(grid.origin)
    at: NDArray[np.float64] = np.array(grid.direction) @ world
    return at


def in_world(at: NDArray[np.float64], grid: Grid) -> Point:
    """Return where a point in grid mm lies in the world (R, A, S)."""
    return _point((at @ np.array(grid.direction) + np.array(grid.origin)) * _RAS)


def box_extent(box: BoxPrompt, grid: Grid) -> Extent:
    """Return a box along the axes of a grid.

    If it is turned against them by little its sides are taken as they are; else the box along the
    axes of the grid that holds it.

    Raises:
        InputError: It has no size, is no number, or lies outside of the grid.
    """
    check_point(box.centre, "the box")
    check_point(box.size_mm, "the size of the box")
    cosines = np.abs(np.array(box.axes) * _RAS @ np.array(grid.direction).T)  # [of box, of grid]
    near = cosines.argmax(0)
    is_aligned = set(near) == {0, 1, 2} and cosines.max(0).min() >= _ALIGNED
    size = np.array(box.size_mm)[near] if is_aligned else np.array(box.size_mm) @ cosines
    extent = Extent.about(on_grid(box.centre, grid), size)
    _check_size(extent, grid)
    check_inside(extent, grid)
    return extent


def check_point(point: Sequence[float], what: str) -> None:
    """Check that a point is three numbers.

    Raises:
        InputError: It is not.
    """
    if len(point) != 3 or not all(math.isfinite(value) for value in point):
        raise InputError(f"{what} is {_text(point)}: give three finite numbers in mm")


def _check_size(extent: Extent, grid: Grid) -> None:
    thin = extent.size < 0.5 * np.array(grid.spacing_mm)
    if thin.sum() > 1:
        size = _text(extent.size[::-1])
        raise InputError(
            f"the box has a size of {size} mm: draw it over at least two directions of a slice"
        )


def check_inside(extent: Extent, grid: Grid) -> None:
    """Check that the middle of a box lies in the grid, and that it is not larger than the grid.

    Raises:
        InputError: It does not; says where both lie.
    """
    reach = np.array(grid.extent_mm)
    half_voxel = np.array(grid.spacing_mm) / 2
    if np.any(extent.centre < -half_voxel) or np.any(extent.centre > reach - half_voxel):
        raise outside("the middle of the box", in_world(extent.centre, grid), grid)
    if np.all(extent.size >= reach):
        raise InputError(
            f"the box of {_text(extent.size[::-1])} mm is larger than the CT "
            f"({_text(reach[::-1])} mm): draw it around one thing"
        )


def outside(what: str, point: Sequence[float], grid: Grid) -> InputError:
    """Return the error that says that a point lies outside of a CT, and where the CT lies."""
    corners = np.array(
        [in_world(np.array(at) * np.array(grid.extent_mm), grid) for at in np.ndindex(2, 2, 2)]
    )
    ends = zip("RAS", corners.min(0), corners.max(0), strict=True)
    reach = ", ".join(f"{axis} {low:.0f} to {high:.0f}" for axis, low, high in ends)
    return InputError(
        f"{what} ({_text(point)}) lies outside of the CT ({reach} mm): give mm in RAS as 3D Slicer "
        "shows them, and see whether the prompt belongs to this CT"
    )


def _text(values: Sequence[float] | NDArray[np.float64]) -> str:
    return ", ".join(f"{value:.1f}" for value in values)


def _point(values: NDArray[np.float64]) -> Point:
    a, b, c = (float(value) for value in values)
    return a, b, c
