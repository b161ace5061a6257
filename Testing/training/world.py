"""Phantom CTs in files, as a group would have its own, and a teacher that knows organs by HU."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import SimpleITK as sitk
from numpy.typing import NDArray

from FlareSegLib.base.geometry import Grid
from Testing.flare import ORGANS
from Testing.phantoms import abdomen
from Testing.tiny_model import HU_MEAN, HU_RANGE, HU_SD, threshold_model
from Testing.training.small import SHAPE, SPACING_MM, a_config
from training.config import Config
from training.sections import Data, Teacher

WINDOW = (24, 32, 32)


def write_image(array: NDArray[np.generic], path: Path, shift_mm: float = 0.0) -> None:
    """Write an array (z, y, x) at SPACING_MM."""
    image = sitk.GetImageFromArray(array)
    image.SetSpacing(SPACING_MM[::-1])
    image.SetOrigin((shift_mm, 0.0, 0.0))
    path.parent.mkdir(parents=True, exist_ok=True)
    sitk.WriteImage(image, str(path))


def write_case(
    folder: Path, name: str, seed: int = 0, labels: NDArray[np.uint8] | None = None
) -> Grid:
    """Write <name>/ct.nii.gz, and label.nii.gz if labels are given."""
    volume, _ = abdomen(SHAPE, SPACING_MM, noise_hu=2, seed=seed)
    write_image(volume.array, folder / name / "ct.nii.gz")
    if labels is not None:
        write_image(labels, folder / name / "label.nii.gz")
    return volume.grid


def truth() -> NDArray[np.uint8]:
    """Return the labels of every phantom here."""
    return abdomen(SHAPE, SPACING_MM)[1].array.copy()


def with_teacher(folder: Path, **changes: Any) -> Config:
    """Return a config whose teacher is an ONNX file that knows organs by their HU."""
    path = folder / "teacher" / "model.onnx"
    path.parent.mkdir(parents=True, exist_ok=True)
    onnx.save(threshold_model(WINDOW), path)
    facts = {
        "name": "teacher", "version": "0", "spacing_mm": SPACING_MM, "window": WINDOW,
        "hu_range": HU_RANGE, "hu_mean": HU_MEAN, "hu_sd": HU_SD,
        "labels": tuple(organ.key for organ in ORGANS),
    }  # fmt: skip
    return a_config(folder, **{"teacher": Teacher(onnx=path, facts=facts), **changes})


def with_data(config: Config, **changes: Any) -> Config:
    """Return a config with another [data]."""
    return dataclasses.replace(config, data=dataclasses.replace(config.data, **changes))


__all__ = ["Data", "truth", "with_data", "with_teacher", "write_case", "write_image"]
