"""The command in its own process, a phantom as a file, and a tiny model folder."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import SimpleITK as sitk

from FlareSegLib.base.geometry import Labelmap, Volume
from Testing.phantoms import abdomen
from Testing.tiny_model import constant_model, endless_model, threshold_model, write_model

ROOT = Path(__file__).parents[2]
SHAPE, SPACING_MM = (40, 38, 48), (8.0, 8.0, 8.0)
"""320 x 304 x 384 mm: life-sized."""
COMMAND = [sys.executable, "-m", "FlareSegLib"]
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONIOENCODING": "utf-8"}
LEAN = ("--runtime", "onnxruntime", "--threads", "1")
"""Starts fastest."""

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="session")
def flareseg() -> Run:
    """Run the command with these arguments."""

    def run(*words: object, **more: object) -> subprocess.CompletedProcess[str]:
        said = [*COMMAND, *map(str, words)]
        return subprocess.run(
            said, capture_output=True, encoding="utf-8", env=ENVIRONMENT, timeout=120, **more
        )

    return run


@pytest.fixture(scope="session")
def phantom() -> tuple[Volume, Labelmap]:
    return abdomen(SHAPE, SPACING_MM)


@pytest.fixture(scope="session")
def ct(phantom, tmp_path_factory) -> Path:
    """The phantom as a file, in a folder of its own."""
    volume = phantom[0]
    image = sitk.GetImageFromArray(volume.array)
    image.SetSpacing(volume.grid.spacing_mm[::-1])
    image.SetOrigin(volume.grid.origin)
    path = tmp_path_factory.mktemp("ct") / "ct.nii.gz"
    sitk.WriteImage(image, str(path))
    return path


@pytest.fixture(scope="session")
def model(tmp_path_factory) -> Path:
    """A model that knows the phantom, at the phantom's spacing."""
    tiny = threshold_model((16, 24, 24))
    return write_model(tmp_path_factory.mktemp("model") / "tiny", tiny, spacing_mm=SPACING_MM)


@pytest.fixture(scope="session")
def slow_model(tmp_path_factory) -> Path:
    """A model with windows so small that a run takes seconds, and can be hurt meanwhile."""
    tiny = constant_model((2, 2, 2))
    return write_model(tmp_path_factory.mktemp("slow") / "tiny", tiny, spacing_mm=SPACING_MM)


@pytest.fixture(scope="session")
def endless(tmp_path_factory) -> Path:
    """A model that takes a minute, so that a run can be stopped."""
    tiny = endless_model((8, 12, 12))
    return write_model(tmp_path_factory.mktemp("endless") / "tiny", tiny, spacing_mm=SPACING_MM)
