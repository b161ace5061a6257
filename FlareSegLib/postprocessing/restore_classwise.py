"""The threaded restoration of paper 1: every class at full resolution, classes in parallel.

Kept to choose (`--restore classwise`) and to measure against. It interpolates each class to every
voxel of the CT; threads take classes, as many at a time as cores and memory allow, and all is done
again by one thread if one fails (section 2.3). The labels are those of restore.to_labels(): the
mixed-cell way only leaves out what cannot change them.
"""

from __future__ import annotations

from threading import Lock

import numpy as np
from numpy.typing import NDArray

from FlareSegLib.base.geometry import Labelmap, ZyxMm
from FlareSegLib.base.linear import Axis, axes_between
from FlareSegLib.base.resources import free_mib
from FlareSegLib.base.threads import for_each

VOXEL_BYTES = 4 + 4 + 4 + 1
"""Of a class as it is interpolated: itself, a term of it, and shared by all the best and labels."""


def to_labels(
    logits: NDArray[np.float16], logits_spacing_mm: ZyxMm, target: Labelmap, threads: int
) -> None:
    """Write what restore.to_labels() writes.

    Args:
        logits: (z, y, x, classes).
        logits_spacing_mm: Spacing of the logits (z, y, x).
        target: All zero, on the grid of the CT; may be a view into a larger array.
        threads: Most classes at the same time; fewer where memory is short.
    """
    axes = axes_between(logits.shape, logits_spacing_mm, target.grid)
    labels = target.array
    best = np.full(labels.shape, -np.inf, np.float32)
    lock = Lock()

    def restore_class(value: int) -> None:
        found = _interpolated(logits[..., value].astype(np.float32), axes)
        with lock:
            wins = (found > best) | ((found == best) & (value < labels))
            labels[wins] = value
            np.maximum(best, found, out=best)

    fitting = max(1.0, free_mib() * 2**20 // (best.size * VOXEL_BYTES))
    for_each(restore_class, range(logits.shape[-1]), int(min(threads, fitting)))


def _interpolated(
    channel: NDArray[np.float32], axes: tuple[Axis, Axis, Axis]
) -> NDArray[np.float32]:
    """Return a class (z, y, x) at the voxels of the CT; in-plane first, where it is small."""
    for dimension in (1, 2, 0):
        channel = axes[dimension].along(channel, dimension)
    return channel
