"""How the confidence of a model is learned."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path

from FlareSegLib.measuring.phase import NAMES
from training.sections.checks import need


@dataclass(frozen=True)
class Confidence:
    """Degraded copies of the cases, and what is learned from them."""

    model: Path | None = None
    """Folder of the model; None: what export wrote."""
    copies: int = 12
    """Of each case, the clean one included."""
    workers: int = 1
    """Processes that label copies, with data.threads each."""
    trees: int = 150
    """Of the fit."""
    patient: str = ""
    """Pattern that finds the patient in a case's name; empty, or where it finds nothing: what
    prepare says."""
    shipped_usual: bool = False
    """Tell places and sizes by Resources/Trust/usual.json, as every run does; else by what these
    copies say, which has to be put there before the model is used."""
    phases: dict[str, str] = field(default_factory=dict)
    """Start of case names = contrast phase (unenhanced, arterial, portal_venous, delayed)."""

    def __post_init__(self) -> None:
        need(self.copies > 0, "confidence.copies", self.copies, "> 0")
        need(self.workers > 0, "confidence.workers", self.workers, "> 0")
        need(_is_pattern(self.patient), "confidence.patient", self.patient, "a regular expression")
        for start, phase in self.phases.items():
            need(phase in NAMES, f"confidence.phases.{start}", phase, f"one of {', '.join(NAMES)}")
        need(self.trees > 0, "confidence.trees", self.trees, "> 0")


def _is_pattern(text: str) -> bool:
    try:
        re.compile(text)
    except re.error:
        return False
    return True
