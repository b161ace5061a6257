"""From HU to what the network was trained on."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from FlareSegLib.config import ModelConfig
from FlareSegLib.geometry import Volume


def normalize(volume: Volume, config: ModelConfig) -> Volume:
    """Return (clip(HU) - mean) / sd as float32."""
    array: NDArray[np.float32] = np.clip(volume.array, *config.hu_range, dtype=np.float32)
    array -= np.float32(config.hu_mean)
    array /= np.float32(config.hu_sd)
    return Volume(array, volume.grid)
