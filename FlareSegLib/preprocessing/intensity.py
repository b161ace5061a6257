"""From HU to what the network was trained on."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from FlareSegLib.base.config import ModelConfig
from FlareSegLib.base.geometry import Volume


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
