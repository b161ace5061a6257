"""Facts of a model (ModelConfig, from model.json) and choices of a user (RunOptions)."""

from __future__ import annotations

import json
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Literal, get_args

from FlareSegLib.errors import ModelError
from FlareSegLib.geometry import Zyx, ZyxMm

Speed = Literal["fast", "balanced", "accurate"]
Runtime = Literal["auto", "onnxruntime", "openvino"]
RUNTIMES: tuple[str, ...] = get_args(Runtime)
SPEEDS: tuple[str, ...] = get_args(Speed)


@dataclass(frozen=True)
class ModelConfig:
    """All that inference needs to know of a network."""

    name: str
    """Model id, for reports."""
    version: str
    """Version of the weights."""
    sha256: str
    """Checksum of the ONNX file, hexadecimal."""
    spacing_mm: ZyxMm
    """Voxel spacing (z, y, x) that the network was trained on."""
    window: Zyx
    """Input shape (z, y, x) of the network."""
    hu_range: tuple[float, float]
    """HU are clipped to this range."""
    hu_mean: float
    """Subtracted after clipping."""
    hu_sd: float
    """Divided by after subtracting."""
    labels: tuple[str, ...]
    """Organ key of each class from 1 on; class 0 is background."""
    logits_stride: int = 1
    """Input voxels per logit along each axis: 2 for half-resolution logits."""
    pad_hu: float = -1024.0
    """HU of padding around the scan."""
    fine_windows_limit: int = 24
    """The fine stride is taken if its plan has at most this many windows, else the coarse one."""
    fine_overlap: float = 0.5
    """Least overlap of neighbouring windows in a fine plan, share of the window."""
    coarse_overlap: float = 0.25
    """Least overlap of neighbouring windows in a coarse plan."""
    onnx: str = "model.onnx"
    """File name of the network, beside model.json."""

    def __post_init__(self) -> None:
        if min(self.spacing_mm) <= 0 or min(self.window) < 1 or self.hu_sd <= 0:
            raise ModelError(f"model.json of {self.name}: spacing, window and hu_sd must be > 0")
        if not 0 <= self.coarse_overlap <= self.fine_overlap < 1:
            raise ModelError(f"model.json of {self.name}: need 0 <= coarse <= fine overlap < 1")

    @property
    def logits_spacing_mm(self) -> ZyxMm:
        """Spacing (z, y, x) of the logits."""
        z, y, x = (self.logits_stride * mm for mm in self.spacing_mm)
        return z, y, x

    @property
    def pad_value(self) -> float:
        """Value of padding after normalize()."""
        low, high = self.hu_range
        return (min(max(self.pad_hu, low), high) - self.hu_mean) / self.hu_sd


def read_model_config(folder: Path) -> ModelConfig:
    """Return the facts in folder/model.json.

    Raises:
        ModelError: The file is missing, is not JSON, or has a missing or unknown key.
    """
    path = folder / "model.json"
    try:
        facts = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ModelError(
            f"no model.json in {folder}: give --model a FlareSeg model folder"
        ) from None
    except (OSError, ValueError) as error:
        raise ModelError(f"{path} cannot be read ({error}): restore the model folder") from error
    unknown = sorted(set(facts) - {item.name for item in fields(ModelConfig)})
    if unknown:
        raise ModelError(f"{path} has unknown keys {unknown}: made by a newer FlareSeg?")
    values: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in facts.items()}
    try:
        return ModelConfig(**values)
    except TypeError as error:
        raise ModelError(f"{path} lacks a key or has a wrong type ({error})") from error


@dataclass(frozen=True)
class RunOptions:
    """What a user can choose for a run."""

    speed: Speed = "balanced"
    """fast: coarse windows; balanced: fine ones if they are few; accurate: fine, none skipped."""
    organs: tuple[str, ...] = ()
    """Organ keys to write; empty means all."""
    threads: int = 0
    """Upper limit of threads; 0 means as many as cores and memory allow."""
    skip_air: bool = True
    """Do not run windows that hold no body."""
    centre_first: bool = True
    """Skip the neighbours of a centre window that saw no organ (CDL-UNet, FLARE 2024)."""
    clean: bool = True
    """Apply the clean-up rules."""
    runtime: Runtime = "auto"
    """What runs the network; auto is OpenVINO where it is installed, else onnxruntime."""

    def __post_init__(self) -> None:
        if self.speed not in SPEEDS:
            raise ValueError(f"speed is {self.speed!r}: choose one of {', '.join(SPEEDS)}")
        if self.runtime not in RUNTIMES:
            raise ValueError(f"runtime is {self.runtime!r}: choose one of {', '.join(RUNTIMES)}")
        if self.threads < 0:
            raise ValueError(f"threads is {self.threads}: give 0 (automatic) or more")
