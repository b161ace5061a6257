"""From the grid of a CT, or of a teacher, to the student's."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from FlareSegLib.base.errors import InputError
from FlareSegLib.base.geometry import Grid, Volume, ZyxMm
from FlareSegLib.preprocessing.resample import to_spacing


def check_grid(case: str, ct: Grid, label: Grid) -> None:
    """Check that a label lies on the grid of its CT, to a tenth of a voxel.

    Raises:
        InputError: It does not; says by how much.
    """
    cure = "resample the label to the CT, or take the right file"
    if ct.shape != label.shape:
        raise InputError(
            f"the label of {case} has the shape {label.shape} (z, y, x), its CT {ct.shape}: {cure}"
        )
    far = tuple(n - 1.0 for n in ct.shape)
    corners = ((0.0, 0.0, 0.0), far, (far[0], 0.0, 0.0), (0.0, far[1], 0.0))
    apart_mm = max(math.dist(ct.to_world(at), label.to_world(at)) for at in corners)  # type: ignore[arg-type]
    if not apart_mm <= 0.1 * min(ct.spacing_mm):
        raise InputError(
            f"the label of {case} lies up to {apart_mm:.1f} mm beside its CT (origin, spacing or "
            f"direction differ): {cure}"
        )


def fit(array: NDArray[np.generic], shape: tuple[int, ...]) -> NDArray[np.float32]:
    """Cut or pad with 0 at the far end: rounding may differ by a voxel between two spacings."""
    result = np.zeros(shape, np.float32)
    inside = tuple(slice(0, min(n, m)) for n, m in zip(array.shape, shape, strict=True))
    result[inside] = array[inside]
    return result


def likeliest(
    probabilities: NDArray[np.float32],
    grid: Grid,
    spacing_mm: ZyxMm,
    shape: tuple[int, ...],
    threads: int,
) -> NDArray[np.uint8]:
    """Return the likeliest class of each voxel of another grid over the same box.

    Args:
        probabilities: (z, y, x, classes), on `grid`.
        grid: Where they lie.
        spacing_mm: Of the other grid (z, y, x).
        shape: Of the other grid.
        threads: Of resampling.
    """
    best, labels = np.zeros(shape, np.float32), np.zeros(shape, np.uint8)
    for value in range(probabilities.shape[-1]):
        channel = Volume(np.ascontiguousarray(probabilities[..., value]), grid)
        found = fit(to_spacing(channel, spacing_mm, threads).array, shape)
        labels[found > best] = value
        np.maximum(best, found, out=best)
    return labels


def labels_at(
    labels: NDArray[np.uint8],
    grid: Grid,
    spacing_mm: ZyxMm,
    shape: tuple[int, ...],
    threads: int,
) -> NDArray[np.uint8]:
    """Return labels (z, y, x) on another grid: the class with the largest share of each voxel."""
    best, result = np.zeros(shape, np.float32), np.zeros(shape, np.uint8)
    for value in np.unique(labels):
        channel = Volume((labels == value).astype(np.float32), grid)
        found = fit(to_spacing(channel, spacing_mm, threads).array, shape)
        result[found > best] = value
        np.maximum(best, found, out=best)
    return result


def shares(labels: NDArray[np.uint8], classes: int) -> NDArray[np.float32]:
    """Return the share of each class in each cell of 2 x 2 x 2 voxels, (classes, z/2, y/2, x/2)."""
    z, y, x = (n // 2 for n in labels.shape)
    cells = labels.reshape(z, 2, y, 2, x, 2)
    return np.stack(
        [(cells == value).mean(axis=(1, 3, 5), dtype=np.float32) for value in range(classes)]
    )
