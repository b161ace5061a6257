"""Linear interpolation between grids that cover the same box: the edges of both coincide."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from FlareSegLib.base.geometry import Grid, ZyxMm


@dataclass(frozen=True)
class Axis:
    """Interpolation along one axis: target i lies between the sources low[i] and high[i]."""

    low: NDArray[np.intp]
    high: NDArray[np.intp]
    share: NDArray[np.float32]
    """Weight of high."""

    def nearest(self) -> Axis:
        """Return the axis with each target at its nearest source, the upper one of two."""
        at = np.where(self.share < 0.5, self.low, self.high)
        return Axis(at, at, np.zeros_like(self.share))

    def part(self, where: slice) -> tuple[slice, Axis]:
        """Return the sources of some of the targets, and the interpolation between these."""
        low, high = self.low[where], self.high[where]
        first = low[0]
        return slice(first, high[-1] + 1), Axis(low - first, high - first, self.share[where])

    def along(self, array: NDArray[Any], dimension: int) -> NDArray[np.float32]:
        """Return array interpolated along a dimension, float32."""
        share = self.share.reshape([-1 if i == dimension else 1 for i in range(array.ndim)])
        low: NDArray[np.float32] = array.take(self.low, dimension).astype(np.float32, copy=False)
        high = array.take(self.high, dimension).astype(np.float32, copy=False)
        high -= low
        high *= share
        low += high
        return low


def axes_between(
    shape: tuple[int, ...], spacing_mm: ZyxMm, target: Grid
) -> tuple[Axis, Axis, Axis]:
    """Return how the voxels of a target grid lie between sources over the same box.

    Beyond the outermost sources the nearest one is repeated.

    Args:
        shape: Of the sources (z, y, x); further axes are ignored.
        spacing_mm: Of the sources.
        target: What is interpolated.
    """
    z, y, x = (
        _axis(n, ours, m, theirs)
        for n, ours, m, theirs in zip(
            target.shape, target.spacing_mm, shape[:3], spacing_mm, strict=True
        )
    )
    return z, y, x


def _axis(targets: int, target_mm: float, sources: int, source_mm: float) -> Axis:
    at = (np.arange(targets) + 0.5) * (target_mm / source_mm) - 0.5
    at = np.clip(at, 0, sources - 1)
    low = np.floor(at).astype(np.intp)
    return Axis(low, np.minimum(low + 1, sources - 1), (at - low).astype(np.float32))
