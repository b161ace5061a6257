"""Resampling by splines, as nnU-Net does it: each axis is a matrix.

A spline through the voxels is linear in them, and separable. So a volume goes to another shape by a
product with a matrix along each axis; of a cubic one that is exact, and BLAS does the work. The
edges of both boxes coincide, and beyond the outermost centres the nearest voxel is repeated, like
skimage.transform.resize(mode="edge", anti_aliasing=False), which nnU-Net calls.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_REPEATED = 12
"""Voxels repeated at each end before the spline is fitted: its memory, 0.27 a voxel, ends there."""


def weights(targets: int, sources: int, order: int) -> NDArray[np.float32]:
    """Return the matrix (targets, sources) that resamples an axis by a spline.

    Args:
        targets: Number of voxels wanted.
        sources: Number of voxels given.
        order: 0: the nearest (the upper one of two), 1: linear, 2, 3: a spline through the voxels.
    """
    at = (np.arange(targets) + 0.5) * (sources / targets) - 0.5
    if order == 0:
        nearest = np.clip(np.floor(at + 0.5).astype(np.intp), 0, sources - 1)
        picked: NDArray[np.float32] = np.eye(sources, dtype=np.float32)[nearest]
        return picked
    padded = np.pad(np.eye(sources), ((_REPEATED, _REPEATED), (0, 0)), mode="edge")
    fitted = np.linalg.solve(_at_voxels(len(padded), order), padded) if order > 1 else padded
    at += _REPEATED
    low = np.floor(at).astype(np.intp) if order % 2 else np.floor(at + 0.5).astype(np.intp)
    found = np.zeros((targets, sources))
    for step in range(-((order + 1) // 2) + 1 - (order == 2), order // 2 + 2):
        found += _basis(at - (low + step), order)[:, None] * fitted[low + step]
    return found.astype(np.float32)


def _at_voxels(count: int, order: int) -> NDArray[np.float64]:
    """Return the matrix from the coefficients of a spline to its values, mirrored at both ends."""
    middle, side = _basis(np.array([0.0, 1.0]), order)
    found = np.diag(np.full(count, middle))
    rows = np.arange(count - 1)
    found[rows, rows + 1] = found[rows + 1, rows] = side
    found[0, 1] = found[-1, -2] = 2 * side
    return found


def _basis(distance: NDArray[np.float64], order: int) -> NDArray[np.float64]:
    """Return the B-spline of an order at distances from its middle."""
    t = np.abs(distance)
    if order == 1:
        return np.where(t < 1, 1 - t, 0.0)
    if order == 2:
        near, far = 0.75 - t**2, 0.5 * (1.5 - t) ** 2
        return np.where(t < 0.5, near, np.where(t < 1.5, far, 0.0))
    near, far = 2 / 3 - t**2 + t**3 / 2, (2 - t) ** 3 / 6
    return np.where(t < 1, near, np.where(t < 2, far, 0.0))
