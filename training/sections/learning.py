"""The student, and what it takes from the teacher."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from training.sections.checks import choice, need

StudentKind = Literal["flat", "light"]
DISTILL_WEIGHTS = ("hard", "stored", "live", "divergence", "dice", "supervised", "organ_weight",
                   "features", "attention")  # fmt: skip
"""Keys of the section distill that weigh something."""


@dataclass(frozen=True)
class Student:
    """The network that ships."""

    kind: StudentKind = "flat"
    """flat: for CPUs (FlareSegLib/student.py); light: of paper 1 (training/networks/light.py)."""
    channels: tuple[int, ...] = (16, 32, 64, 128)
    """Of each level."""
    blocks: tuple[int, ...] = (1, 2, 2, 2)
    """Residual blocks of each level."""
    z_dilation: tuple[int, ...] = (1, 1, 2, 4)
    """Dilation along z of each level; flat alone."""
    start: Path | None = None
    """Weights to start from: training/checkpoints/*.pt, or a checkpoint, of the same sizes."""

    def __post_init__(self) -> None:
        choice("student.kind", self.kind, StudentKind)
        same = len(self.channels) == len(self.blocks) == len(self.z_dilation)
        need(same, "student.channels", self.channels, "as long as blocks and z_dilation")


@dataclass(frozen=True)
class Distill:
    """What the student takes from the teacher (paper 1)."""

    hard: float = 0.5
    """Weight of stored labels, one-hot."""
    stored: float = 0.5
    """Weight of stored probabilities."""
    live: float = 0.0
    """Weight of a live teacher that sees the same patch (function matching)."""
    temperature: float = 1.0
    """Of the KL divergence (3 in the program of paper 1)."""
    divergence: float = 2.0
    """Weight of the KL divergence from the mixture of labels (paper 1, program: 0.7)."""
    dice: float = 1.0
    """Weight of soft Dice against the mixture of labels."""
    supervised: float = 0.0
    """Weight of Dice + cross entropy against the stored labels alone (paper 1, program: 0.3)."""
    organ_weight: float = 3.0
    """Voxels of organs weigh 1 + this in the divergence."""
    features: float = 0.0
    """Weight of the MSE of the two lowest encoder levels (paper 1: 0.5); for a trained teacher."""
    attention: float = 0.0
    """Weight of attention transfer; needs a trained teacher."""
    deep_supervision: int = 0
    """Decoder levels below the finest that have a loss."""
    from_student: Path | None = None
    """A checkpoint of a student that teaches instead (Base+Distill2nd of paper 1)."""

    def __post_init__(self) -> None:
        for key in DISTILL_WEIGHTS:
            need(getattr(self, key) >= 0, f"distill.{key}", getattr(self, key), "0 or more")
        need(self.hard + self.stored + self.live > 0, "distill.hard", self.hard, "> 0 with others")
        need(self.temperature >= 1, "distill.temperature", self.temperature, "1 or more")
