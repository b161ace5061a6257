"""A training set of phantoms."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from scipy import ndimage

from Testing.phantoms import abdomen
from training.cases.store import save_ct, save_labels, save_soft
from training.config import Config
from training.sections import Data, Export, Student, Train

SHAPE, SPACING_MM = (40, 60, 64), (8.0, 5.0, 6.0)


def a_config(folder: Path, **changes: object) -> Config:
    """Return settings for a network that trains in seconds."""
    sections: dict[str, Any] = {
        "work": folder / "work",
        "data": Data(cases=folder / "cases", spacing_mm=SPACING_MM),
        "student": Student(channels=(8, 16), blocks=(1, 1), z_dilation=(1, 1)),
        "train": Train(patch=(16, 32, 32), steps=8, log_steps=1, checkpoint_steps=4),
        "export": Export(name="small", window=(16, 32, 32)),
    }
    return Config(**(sections | changes))


def write_cases(config: Config, names: list[str]) -> None:
    """Write phantoms as the stages before distillation would."""
    for seed, name in enumerate(names):
        volume, truth = abdomen(SHAPE, SPACING_MM, noise_hu=5, seed=seed)
        save_ct(config.work, name, volume.array.astype(np.int16))
        save_labels(config.work, name, truth.array)
        halves = [
            ndimage.zoom(
                (truth.array == i).astype(np.float32), 0.5, order=1, grid_mode=True, mode="nearest"
            )
            for i in range(14)
        ]
        save_soft(config.work, name, np.stack(halves) / np.maximum(sum(halves), 1e-6))
        (config.data.cases / name).mkdir(parents=True, exist_ok=True)
        (config.data.cases / name / "ct.nii.gz").touch()
