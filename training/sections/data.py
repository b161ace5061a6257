"""Which CTs there are."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from FlareSegLib.base.label_file import default_labels, read_label_file
from FlareSegLib.base.labels import LabelSet, plain
from training.sections.checks import ZyxMm, choice, need

Layout = Literal["auto", "folders", "nnunet"]
LESION = "lesion"
"""Key of the optional class after the organs (papers 3 and FLARE 2023)."""


@dataclass(frozen=True)
class Data:
    """Which CTs, what of them, and how they are brought to one grid."""

    cases: Path = Path("cases")
    """Folder with <case>/ct.nii.gz (and label.nii.gz), or of nnU-Net's raw layout."""
    labels: Path | None = None
    """labels.json of the organs to learn, with values from 1 on without gaps; none: FLARE's 13."""
    layout: Layout = "auto"
    """auto: nnU-Net's if there is a dataset.json, else folders."""
    spacing_mm: ZyxMm = (2.0, 1.5, 1.5)
    """Spacing (z, y, x) of the student."""
    hu_range: tuple[float, float] = (-971.0, 291.0)
    """HU are clipped to this (paper 1)."""
    hu_mean: float = 83.778564
    """Subtracted after clipping (paper 1); work/prepare/fingerprint.json tells your data's own."""
    hu_sd: float = 144.838928
    """Divided by after subtracting (paper 1)."""
    lesion: bool = False
    """Carry lesion as a class after the organs: of FLARE, value 14."""
    without_organs: tuple[str, ...] = ()
    """Cases known to hold none of the organs: whatever a teacher says there is wrong."""
    partial: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """Start of case names = the organs (and lesion) that are labelled there; others: all organs."""
    labels_required: bool = False
    """Every case must have a label; else a case without one waits for pseudo_label."""
    val_cases: Path | None = None
    """Another folder of cases, all of them for validation."""
    val: tuple[str, ...] = ()
    """Cases of validation, by name; never trained on."""
    val_share: float = 0.0
    """If val is empty: share of the patients, of those with labels, drawn for validation."""
    patients: dict[str, str] = field(default_factory=dict)
    """Case = patient, where a patient has several CTs; else every case is its own patient."""
    threads: int = 2
    """Of resampling and of the teacher on a CPU."""

    def __post_init__(self) -> None:
        choice("data.layout", self.layout, Layout)
        need(min(self.spacing_mm) > 0, "data.spacing_mm", self.spacing_mm, "> 0")
        low, high = self.hu_range
        need(low < high, "data.hu_range", self.hu_range, "low, high")
        need(self.hu_sd > 0, "data.hu_sd", self.hu_sd, "> 0")
        need(0 <= self.val_share < 1, "data.val_share", self.val_share, "in [0, 1)")
        need(self.threads > 0, "data.threads", self.threads, "> 0")
        values = [organ.value for organ in self.organs.organs]
        need(values == list(range(1, len(values) + 1)), "data.labels", values, "1, 2, 3 ...")
        for start, keys in self.partial.items():
            wrong = [key for key in keys if key not in self.keys]
            need(not wrong, f"data.partial.{start}", wrong, f"of {', '.join(self.keys)}")

    @property
    def keys(self) -> tuple[str, ...]:
        """Keys of the classes from 1 on: the organs, and lesion if it is carried."""
        return self.label_set.keys

    @property
    def organs(self) -> LabelSet:
        """The organs, without lesion."""
        return read_label_file(self.labels) if self.labels else default_labels()

    @property
    def label_set(self) -> LabelSet:
        """The organs, and lesion if it is carried."""
        organs = self.organs.organs
        return LabelSet((*organs, *((plain(len(organs) + 1, LESION),) if self.lesion else ())))

    @property
    def classes(self) -> int:
        """Number of classes, background included."""
        return len(self.keys) + 1
