"""What becomes of a trained student."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from training.sections.checks import Zyx, need


@dataclass(frozen=True)
class Evaluate:
    """How the exported model is measured on the validation cases."""

    absent: Literal["score", "skip"] = "score"
    """Organs that the truth lacks: 1 or 0 as FLARE does, or left out."""
    sliver_ml: float = 0.0
    """Organs of which the truth has less than this are left out."""
    against: Path | None = None
    """Folder with other predictions <case>.nii.gz of the same cases: paired test."""

    def __post_init__(self) -> None:
        need(self.absent in ("score", "skip"), "evaluate.absent", self.absent, "score or skip")
        need(self.sliver_ml >= 0, "evaluate.sliver_ml", self.sliver_ml, "0 or more")


@dataclass(frozen=True)
class Export:
    """What only the maker of a model knows."""

    name: str = "flareseg-own"
    """Id of the model, and the name of its folder."""
    version: str = "1"
    """Version of the weights."""
    window: Zyx = (64, 160, 160)
    """Input shape (z, y, x) of the network."""
    flips: tuple[tuple[int, ...], ...] = ()
    """Axes (z, y, x) reversed in each further look at speed "accurate"; needs augment.mirror."""
    start_share: float = 0.0
    """Share of the weights of student.start in what is exported; the rest is the run's average."""
    trained_on: str = ""
    """For the model card: which CTs, of which licence, labelled by whom."""
    licence: str = ""
    """For the model card: licence of the weights."""

    def __post_init__(self) -> None:
        need(0 <= self.start_share < 1, "export.start_share", self.start_share, "in [0, 1)")
