"""Nouns of the core: Grid, Volume, Labelmap, Box. Arrays are (z, y, x); the world is LPS in mm."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass, field, replace
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

Zyx = tuple[int, int, int]
ZyxMm = tuple[float, float, float]
Direction = tuple[ZyxMm, ZyxMm, ZyxMm]

ROUNDING = 0.1
"""Voxels by which grids that are meant to be the same may differ."""
IDENTITY: Direction = ((0.0, 0.0, 1.0), (0.0, 1.0, 0.0), (1.0, 0.0, 0.0))
"""Direction of a canonical grid: array axes (z, y, x) point to S, P and L."""


@dataclass(frozen=True)
class Box:
    """A box of voxels, half open: start is inside, stop is not."""

    start: Zyx
    stop: Zyx

    @classmethod
    def of(cls, slices: tuple[slice, slice, slice]) -> Box:
        """Return the box of an index, as slices gives it."""
        return cls(*zip(*((edge.start, edge.stop) for edge in slices), strict=True))

    @property
    def shape(self) -> Zyx:
        """Extent in voxels."""
        z, y, x = (b - a for a, b in zip(self.start, self.stop, strict=True))
        return z, y, x

    @property
    def slices(self) -> tuple[slice, slice, slice]:
        """Index for an array (z, y, x)."""
        z, y, x = (slice(a, b) for a, b in zip(self.start, self.stop, strict=True))
        return z, y, x


@dataclass(frozen=True)
class Grid:
    """Where the voxels of an array lie in the world."""

    shape: Zyx
    spacing_mm: ZyxMm
    origin: ZyxMm = (0.0, 0.0, 0.0)
    """World position (L, P, S) of the centre of voxel (0, 0, 0)."""
    direction: Direction = IDENTITY
    """Row i is the unit world vector (L, P, S) along array axis i."""
    nifti: bytes = field(default=b"", compare=False, repr=False)
    """What the header of a NIfTI file says of this, for a labelmap that says the same; see
    images/headers/forms.py. Empty if it comes from no such file, or is a part."""

    @property
    def voxel_ml(self) -> float:
        """Volume of a voxel in millilitres."""
        z, y, x = self.spacing_mm
        return z * y * x / 1000.0

    @property
    def extent_mm(self) -> ZyxMm:
        """Extent of the array, voxel edges included."""
        z, y, x = (n * s for n, s in zip(self.shape, self.spacing_mm, strict=True))
        return z, y, x

    def to_world(self, index: tuple[float, float, float]) -> ZyxMm:
        """Return the world position (L, P, S) of a (fractional) voxel index (z, y, x)."""
        steps = np.array(index) * np.array(self.spacing_mm)
        x, y, z = np.array(self.origin) + steps @ np.array(self.direction)
        return float(x), float(y), float(z)

    def apart_mm(self, other: Grid) -> float:
        """Return how far apart corresponding voxels lie at most; infinity for another shape."""
        if self.shape != other.shape:
            return math.inf
        corners = itertools.product(*((0.0, n - 1.0) for n in self.shape))
        return max(math.dist(self.to_world(at), other.to_world(at)) for at in corners)  # type: ignore[arg-type]

    def is_like(self, other: Grid) -> bool:
        """Return whether its voxels are those of another grid, up to rounding in files."""
        return self.apart_mm(other) <= ROUNDING * min(other.spacing_mm)

    def crop(self, box: Box) -> Grid:
        """Return the grid of the voxels inside box."""
        start = (float(box.start[0]), float(box.start[1]), float(box.start[2]))
        return replace(self, shape=box.shape, origin=self.to_world(start), nifti=b"")

    @property
    def box(self) -> Box:
        """The whole grid."""
        return Box((0, 0, 0), self.shape)


@dataclass(frozen=True)
class _OnGrid:
    """An array with its grid."""

    array: NDArray[Any]
    """(z, y, x)."""
    grid: Grid

    def __post_init__(self) -> None:
        if self.array.shape != self.grid.shape:
            raise ValueError(f"array {self.array.shape} does not fit grid {self.grid.shape}")

    def crop(self, box: Box) -> Self:
        """Return the voxels inside box (a view)."""
        return type(self)(self.array[box.slices], self.grid.crop(box))


@dataclass(frozen=True)
class Volume(_OnGrid):
    """A 3-D image with its grid: HU as read, float32 after normalize()."""

    warnings: tuple[str, ...] = ()
    """What was repaired or looked odd when it was read: sentences for people."""


@dataclass(frozen=True)
class Labelmap(_OnGrid):
    """A labelmap with its grid: 0 is background, 1 to 13 the organs of labels.py."""

    array: NDArray[np.uint8]
    """(z, y, x)."""
