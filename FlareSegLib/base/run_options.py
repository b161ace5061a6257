"""Choices of a user."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

Speed = Literal["fast", "balanced", "accurate"]
Runtime = Literal["auto", "onnxruntime", "openvino"]
Restore = Literal["mixed", "classwise"]
Device = Literal["auto", "cpu", "gpu"]
RUNTIMES: tuple[str, ...] = get_args(Runtime)
SPEEDS: tuple[str, ...] = get_args(Speed)
RESTORES: tuple[str, ...] = get_args(Restore)
DEVICES: tuple[str, ...] = get_args(Device)


@dataclass(frozen=True)
class RunOptions:
    """What a user can choose for a run."""

    speed: Speed = "balanced"
    """fast: int8 where the model has it, else coarse windows; balanced: float32; accurate: no
    window skipped, slabs overlap more, mirrored looks where the model has flips."""
    organs: tuple[str, ...] = ()
    """Organ keys to write; empty means all."""
    threads: int = 0
    """Upper limit of threads; 0 means as many as cores and memory allow."""
    skip_air: bool = True
    """Do not run windows that hold no body."""
    centre_first: bool = True
    """Look closely only where a first look at half resolution saw organs; with a network of a fixed
    window, skip the neighbours of a centre window that saw none (CDL-UNet, FLARE 2024)."""
    clean: bool = True
    """Apply the clean-up rules."""
    keep_demographics: bool = False
    """Tell study date, sex and age in the report, if DICOM files say them."""
    keep_ids: bool = False
    """Leave the patient's name in names of cases, reports and messages: see privacy.py."""
    runtime: Runtime = "auto"
    """What runs the network; auto is OpenVINO where it is installed, but onnxruntime for int8."""

    device: Device = "auto"
    """What runs the network: auto is a graphics card for large networks, if there is one."""

    uncertainty: bool = False
    """Tell how unsure the network is at each voxel, too."""
    restore: Restore = "mixed"
    """How labels come to the grid of the CT: mixed looks only where classes meet; classwise is the
    threaded way of paper 1. The labels are the same."""

    def __post_init__(self) -> None:
        if self.restore not in RESTORES:
            raise ValueError(f"restore is {self.restore!r}: choose one of {', '.join(RESTORES)}")
        if self.speed not in SPEEDS:
            raise ValueError(f"speed is {self.speed!r}: choose one of {', '.join(SPEEDS)}")
        if self.runtime not in RUNTIMES:
            raise ValueError(f"runtime is {self.runtime!r}: choose one of {', '.join(RUNTIMES)}")
        if self.device not in DEVICES:
            raise ValueError(f"device is {self.device!r}: choose one of {', '.join(DEVICES)}")
        if self.threads < 0:
            raise ValueError(f"threads is {self.threads}: give 0 (automatic) or more")
