"""Means and maxima about each voxel, an axis after the other: torch's own take a cube at once."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor
from torch.nn import functional


def mean(volume: Tensor, size: Sequence[int]) -> Tensor:
    """Return the mean in a box of odd size (z, y, x) about each voxel of (n, c, z, y, x).

    Beyond the edge nothing counts; along an axis shorter than the box each voxel stands alone.
    """
    for axis, count in enumerate(size):
        if count > volume.shape[2 + axis]:
            continue
        line = [count if i == axis else 1 for i in range(3)]
        reach = [n // 2 for n in line]
        volume = functional.avg_pool3d(volume, line, 1, reach, count_include_pad=False)
    return volume


def largest(volume: Tensor) -> Tensor:
    """Return the maximum of the 27 voxels about each one of (n, c, z, y, x); axes as for mean()."""
    for axis in range(3):
        if volume.shape[2 + axis] < 3:
            continue
        line = [3 if i == axis else 1 for i in range(3)]
        volume = functional.max_pool3d(volume, line, 1, [n // 2 for n in line])
    return volume
