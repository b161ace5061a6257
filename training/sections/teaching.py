"""Who labels, how, and which labels are learned first."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from training.sections.checks import choice, need, shares
from training.sections.train import Train

Which = Literal["all", "partial", "unlabelled"]
LearnsFrom = Literal["truth", "labels"]
Pick = Literal["mean", "reliable"]


@dataclass(frozen=True)
class Teacher:
    """The network that labels: an ONNX file, or one that the teacher stage trains."""

    onnx: Path | None = None
    """A published network; None: the teacher stage trains one."""
    facts: dict[str, object] = field(default_factory=dict)
    """Facts of the ONNX file, as in model.json."""
    features: tuple[str, ...] = ()
    """Names of tensors in the ONNX file: its lowest encoder levels, the bottleneck last."""
    decoder_features: tuple[str, ...] = ()
    """Names of tensors in the ONNX file: decoder levels, those of the student, finest first."""
    name: str = "teacher"
    """Run folder of the teacher that is trained: another name for the second step of paper 3."""
    size: str = "nnunet"
    """nnunet (32 base channels), stunet-s, stunet-b, stunet-l (paper 3, table 1)."""
    channels: tuple[int, ...] = ()
    """Of each level, instead of the size's."""
    blocks: int = 0
    """Residual blocks of a level, instead of the size's; 0: the size's."""
    learns_from: LearnsFrom = "truth"
    """truth: the labels that came with the CTs; labels: those that pseudo_label completed."""
    deep_supervision: int = 3
    """Decoder levels below the finest that have a loss."""
    train: Train = field(
        default_factory=lambda: Train(
            patch=(48, 128, 160), optimizer="sgd", learning_rate=0.01, weight_decay=3e-5,
            warmup_share=0.0, decay_share=1.0, decay_power=0.9, clip_norm=12.0, steps=250_000,
        )
    )  # fmt: skip
    """nnU-Net's schedule (papers 1 and 3)."""

    def __post_init__(self) -> None:
        choice("teacher.learns_from", self.learns_from, LearnsFrom)
        need(self.deep_supervision >= 0, "teacher.deep_supervision", self.deep_supervision, ">= 0")
        need(self.onnx is None or bool(self.facts), "teacher.facts", self.facts, "given with onnx")


@dataclass(frozen=True)
class PseudoLabel:
    """How cases are labelled."""

    which: Which = "all"
    """all; partial: cases with labels of some organs (paper 3, first step); unlabelled (second)."""
    flips: tuple[tuple[int, ...], ...] = ((), (0,), (1,), (2,))
    """Axes (z, y, x) flipped in each look of the teacher."""
    overlap: float = 0.34
    """Of the teacher's windows, as share."""
    sources: dict[str, Path] = field(default_factory=dict)
    """More labels of the same cases: name = folder with <case>.nii.gz."""
    pick: Pick = "mean"
    """mean: the mean of the teacher's looks; reliable: the label of the highest RS (paper 2)."""
    small_share: float = 0.1
    """Pieces smaller than this share of the organ's largest are dropped."""
    least_agreement: float = 0.0
    """Organs on which the looks agree less (mean DSC with their mean) are dropped from a case."""

    def __post_init__(self) -> None:
        choice("pseudo_label.which", self.which, Which)
        choice("pseudo_label.pick", self.pick, Pick)
        need(bool(self.flips), "pseudo_label.flips", self.flips, "at least [[]]")
        need(0 <= self.overlap < 1, "pseudo_label.overlap", self.overlap, "in [0, 1)")
        for key in ("small_share", "least_agreement"):
            need(0 <= getattr(self, key) <= 1, f"pseudo_label.{key}", getattr(self, key), "0 to 1")


@dataclass(frozen=True)
class Curriculum:
    """Easy cases first, then hard ones (paper 2)."""

    use: bool = False
    """Train by it; else on all cases all the time."""
    easy: float = 0.9
    """Difficulty Score from which on a case is easy."""
    erroneous: float = 0.5
    """Difficulty Score under which a case is left out."""
    easy_share: float = 0.4
    """Share of the schedule that is the easy course (paper 2: 1,000 of 2,500 epochs)."""
    labels: tuple[str, ...] = ()
    """Label sources that are compared; empty: all of a case."""

    def __post_init__(self) -> None:
        shares("curriculum", self)
        need(self.erroneous <= self.easy, "curriculum.erroneous", self.erroneous, "<= easy")
