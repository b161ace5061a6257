"""A training set of phantoms."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from scipy import ndimage

from Testing.phantoms import abdomen
from training.cases import save_ct, save_labels, save_soft
from training.config import Config

SHAPE, SPACING_MM = (40, 60, 64), (8.0, 5.0, 6.0)


def a_config(folder: Path, **changes: object) -> Config:
    """Return settings for a network that trains in seconds."""
    facts: dict[str, object] = {
        "cases": folder / "cases",
        "work": folder / "work",
        "teacher": folder / "teacher" / "model.onnx",
        "teacher_facts": {},
        "spacing_mm": SPACING_MM,
        "channels": (8, 16),
        "blocks": (1, 1),
        "z_dilation": (1, 1),
        "patch": (16, 32, 32),
        "minutes": 0.05,
        "export": {"name": "small", "version": "1", "window": (16, 32, 32)},
    }
    return Config(**(facts | changes))  # type: ignore[arg-type]


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
        (config.cases / name).mkdir(parents=True, exist_ok=True)
        (config.cases / name / "ct.nii.gz").touch()
