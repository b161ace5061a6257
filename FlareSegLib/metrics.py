"""How well a prediction agrees with the truth: DSC, the overlap of volumes."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from FlareSegLib.labels import Organ


def dice(truth: NDArray[np.bool_], pred: NDArray[np.bool_]) -> float:
    """Return the Dice overlap of two masks.

    Args:
        truth: Ground truth, (z, y, x).
        pred: Prediction, same shape and grid.

    Returns:
        DSC in [0, 1]; 1.0 if both are empty, 0.0 if only one is.
    """
    _check(truth.shape, pred.shape)
    total = np.count_nonzero(truth) + np.count_nonzero(pred)
    return 2.0 * np.count_nonzero(truth & pred) / total if total else 1.0


def dice_per_organ(
    truth: NDArray[np.uint8], pred: NDArray[np.uint8], organs: Iterable[Organ]
) -> dict[str, float | None]:
    """Return the DSC of each organ key.

    Args:
        truth: Ground truth, organ values, (z, y, x).
        pred: Prediction, same shape and grid.
        organs: Organs to compare.

    Returns:
        DSC in [0, 1]; 0.0 if only one labelmap has the organ, None if neither has (FLARE counts 1).
    """
    _check(truth.shape, pred.shape)
    both = sum((_voxels(a[a == b]) for a, b in zip(truth, pred, strict=True)), _voxels(truth[:0]))
    total = sum((_voxels(plane) for array in (truth, pred) for plane in array), _voxels(truth[:0]))
    return {
        organ.key: 2.0 * float(both[organ.value]) / float(total[organ.value])
        if total[organ.value]
        else None
        for organ in organs
    }


def _voxels(labels: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Return the voxels of each value. Give it planes: bincount makes 8 bytes of each voxel."""
    return np.bincount(labels.ravel(), minlength=256).astype(np.int64)


def _check(truth: tuple[int, ...], pred: tuple[int, ...]) -> None:
    if truth != pred:
        raise ValueError(f"truth {truth} and prediction {pred} differ in shape")
