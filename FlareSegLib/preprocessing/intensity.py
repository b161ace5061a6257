"""From HU to what the network was trained on."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from FlareSegLib.base.config import ModelConfig
from FlareSegLib.base.geometry import Volume
from FlareSegLib.base.runs import FACES, enclosed, runs_of

_LEAST = 1e-8
"""Of what is divided by."""


def normalize(volume: Volume, config: ModelConfig) -> Volume:
    """Return (clip(HU) - mean) / sd as float32."""
    array = volume.array.astype(np.float32)
    rescale(array, config)
    return Volume(array, volume.grid)


def rescale(hu: NDArray[np.float32], config: ModelConfig) -> None:
    """Do the same to an array, in place."""
    np.clip(hu, *config.hu_range, out=hu)
    hu -= np.float32(config.hu_mean)
    hu /= np.float32(config.hu_sd)


def slices_of(
    array: NDArray[np.generic], config: ModelConfig
) -> Callable[[int], NDArray[np.float32]]:
    """Return what gives slice i (y, x) of an image, float32, normalised as the recipe says.

    Args:
        array: (z, y, x), all that the network will see.
        config: Facts of a network with a recipe.
    """
    way = config.recipe.normalization if config.recipe else "clip"
    mask = not_zero(array) if way == "z_score_in_mask" else None
    low, scale = _low_and_scale(array if mask is None else array[mask], config, way)

    def one(i: int) -> NDArray[np.float32]:
        found: NDArray[np.float32] = array[i].astype(np.float32)
        if way == "clip":
            np.clip(found, *config.hu_range, out=found)
        found -= np.float32(low)
        found /= np.float32(scale)
        if mask is not None:
            found[~mask[i]] = 0  # as it was
        return found

    return one


def not_zero(array: NDArray[np.generic]) -> NDArray[np.bool_]:
    """Return where an image is not 0, and the holes in that."""
    found: NDArray[np.bool_] = array != 0
    found[enclosed(runs_of(found.astype(np.uint8)), FACES).voxels()] = True
    return found


def _low_and_scale(
    values: NDArray[np.generic], config: ModelConfig, way: str
) -> tuple[float, float]:
    """Return what is subtracted from values, and what they are divided by then."""
    if way == "none":
        return 0.0, 1.0
    if way == "clip":
        return config.hu_mean, max(config.hu_sd, _LEAST)
    if way == "to_0_1":
        low, high = float(values.min()), float(values.max())
        return low, max(high - low, _LEAST)
    return float(values.mean(dtype=np.float64)), max(float(values.std(dtype=np.float64)), _LEAST)
