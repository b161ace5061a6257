"""The sections of a config: one frozen dataclass each, checked when it is made."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, get_args

from FlareSegLib.labels import BY_KEY, ORGANS

Zyx = tuple[int, int, int]
ZyxMm = tuple[float, float, float]
Optimizer = Literal["muon", "adamw", "sgd"]
StudentKind = Literal["flat", "light"]
Layout = Literal["auto", "folders", "nnunet"]
Which = Literal["all", "partial", "unlabelled"]
LearnsFrom = Literal["truth", "labels"]
Pick = Literal["mean", "reliable"]
DISTILL_WEIGHTS = ("hard", "stored", "live", "divergence", "dice", "supervised", "organ_weight",
                   "features", "attention")  # fmt: skip
"""Keys of the section distill that weigh something."""
LESION = "lesion"
"""Key of the optional class after the organs (papers 3 and FLARE 2023)."""


def _need(is_right: bool, key: str, value: object, rule: str) -> None:
    if not is_right:
        raise ValueError(f"{key} is {value!r}: it must be {rule}")


def _choice(key: str, value: str, choices: object) -> None:
    names = get_args(choices)
    _need(value in names, key, value, f"one of {', '.join(names)}")


def _shares(section: str, item: object) -> None:
    """Check that all numbers of a section are shares in [0, 1]."""
    for part in dataclasses.fields(item):  # type: ignore[arg-type]
        value = getattr(item, part.name)
        if isinstance(value, float):
            _need(0 <= value <= 1, f"{section}.{part.name}", value, "in [0, 1]")


@dataclass(frozen=True)
class Data:
    """Which CTs, what of them, and how they are brought to one grid."""

    cases: Path = Path("cases")
    """Folder with <case>/ct.nii.gz (and label.nii.gz), or of nnU-Net's raw layout."""
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
    """Carry lesion as a class after the organs, value 14."""
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
        _choice("data.layout", self.layout, Layout)
        _need(min(self.spacing_mm) > 0, "data.spacing_mm", self.spacing_mm, "> 0")
        low, high = self.hu_range
        _need(low < high, "data.hu_range", self.hu_range, "low, high")
        _need(self.hu_sd > 0, "data.hu_sd", self.hu_sd, "> 0")
        _need(0 <= self.val_share < 1, "data.val_share", self.val_share, "in [0, 1)")
        _need(self.threads > 0, "data.threads", self.threads, "> 0")
        for start, keys in self.partial.items():
            wrong = [key for key in keys if key not in self.keys]
            _need(not wrong, f"data.partial.{start}", wrong, f"of {', '.join(self.keys)}")

    @property
    def keys(self) -> tuple[str, ...]:
        """Keys of the classes from 1 on: the organs, and lesion if it is carried."""
        return (*BY_KEY, *((LESION,) if self.lesion else ()))

    @property
    def classes(self) -> int:
        """Number of classes, background included."""
        return len(ORGANS) + 1 + self.lesion


@dataclass(frozen=True)
class Train:
    """How a network is trained; all schedules count steps, so that stopping changes nothing."""

    patch: Zyx = (64, 128, 160)
    """Training patch (z, y, x), voxels."""
    batch: int = 2
    """Patches per step, over all processes; 0: as many as the GPU's memory holds (paper 5)."""
    steps: int = 8000
    """Length of the schedule."""
    optimizer: Optimizer = "muon"
    """muon: Muon for convolutions and AdamW for the rest; sgd: Nesterov 0.99 (papers 1 to 3)."""
    learning_rate: float = 0.02
    """At its peak."""
    weight_decay: float = 0.01
    """Of the convolutions."""
    warmup_share: float = 0.02
    """Share of the schedule in which the learning rate rises."""
    decay_share: float = 0.6
    """Share of the schedule, at its end, in which the learning rate falls to 0."""
    decay_power: float = 1.0
    """1: linear; 0.9 with decay_share 1: nnU-Net's poly decay."""
    clip_norm: float = 0.0
    """Gradients are scaled down to this norm; 0: never (paper 1: 1)."""
    ema_steps: float = 500.0
    """Time constant of the moving average of the weights."""
    half_precision: bool = True
    """bfloat16 where it is safe (autocast), on CPU and GPU (paper 5)."""
    compile: bool = False
    """torch.compile: pays on a GPU, was slower on the CPU."""
    anywhere: float = 0.15
    """Share of patches centred on any voxel of all cases; the others on one of a class."""
    workers: int = 0
    """Processes that make patches beside the training; 0: the training makes them itself."""
    threads: int = 0
    """Of a step on a CPU; 0: all cores. With workers, as many fewer."""
    device: str = "auto"
    """auto: a GPU if there is one; else cpu, cuda."""
    log_steps: int = 50
    """Steps between rows of metrics.csv."""
    checkpoint_steps: int = 250
    """Steps between checkpoints."""
    val_steps: int = 0
    """Steps between looks at the validation cases; 0: none."""
    patience: int = 0
    """Validations without gain after which the final decay begins at once; 0: never (paper 5)."""
    least_gain: float = 0.002
    """Of validation DSC, to count as gain."""

    def __post_init__(self) -> None:
        _choice("train.optimizer", self.optimizer, Optimizer)
        _need(min(self.patch) > 0, "train.patch", self.patch, "> 0")
        for key in ("steps", "log_steps", "checkpoint_steps", "learning_rate", "ema_steps"):
            _need(getattr(self, key) > 0, f"train.{key}", getattr(self, key), "> 0")
        for key in (
            "batch",
            "workers",
            "threads",
            "val_steps",
            "patience",
            "clip_norm",
            "weight_decay",
        ):
            _need(getattr(self, key) >= 0, f"train.{key}", getattr(self, key), "0 or more")
        for key in ("warmup_share", "decay_share", "anywhere"):
            _need(0 <= getattr(self, key) <= 1, f"train.{key}", getattr(self, key), "in [0, 1]")


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
        _choice("teacher.learns_from", self.learns_from, LearnsFrom)
        _need(self.deep_supervision >= 0, "teacher.deep_supervision", self.deep_supervision, ">= 0")
        _need(self.onnx is None or bool(self.facts), "teacher.facts", self.facts, "given with onnx")


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
        _choice("pseudo_label.which", self.which, Which)
        _choice("pseudo_label.pick", self.pick, Pick)
        _need(bool(self.flips), "pseudo_label.flips", self.flips, "at least [[]]")
        _need(0 <= self.overlap < 1, "pseudo_label.overlap", self.overlap, "in [0, 1)")
        for key in ("small_share", "least_agreement"):
            _need(0 <= getattr(self, key) <= 1, f"pseudo_label.{key}", getattr(self, key), "0 to 1")


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
        _shares("curriculum", self)
        _need(self.erroneous <= self.easy, "curriculum.erroneous", self.erroneous, "<= easy")


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
        _choice("student.kind", self.kind, StudentKind)
        same = len(self.channels) == len(self.blocks) == len(self.z_dilation)
        _need(same, "student.channels", self.channels, "as long as blocks and z_dilation")


@dataclass(frozen=True)
class Augment:
    """Share of the patches, in [0, 1], that meet each change."""

    affine: float = 0.75
    """Rotation up to 15 degrees, zoom 0.75 to 1.33."""
    mirror: float = 0.0
    """Left for right, top for bottom, front for back, each by itself; needed for flips at test."""
    bending: float = 0.2
    """Smooth shifts of about 4 voxels."""
    cutmix: float = 0.0
    """A part comes from another patch."""
    mixup: float = 0.0
    """Another patch shines through; only for a live teacher."""
    paste_organ: float = 0.0
    """The organ that another patch was chosen for is pasted in."""
    synthetic: float = 0.0
    """The image is made anew from the labels (SynthSeg)."""
    contrast_phase: float = 0.6
    """Each organ is enhanced after its own phase."""
    oral_contrast: float = 0.12
    """Positive contrast medium in stomach and duodenum."""
    metal: float = 0.02
    """Streaks from a piece of metal."""
    table: float = 0.1
    """A table behind the patient."""
    arms: float = 0.05
    """Arms beside the body."""
    slices_lost: float = 0.1
    """The scan ends inside the patch."""
    beyond_circle: float = 0.03
    """The circle of reconstruction ends inside the patch."""
    lesions: float = 0.1
    """Blobs in solid organs."""
    tone: float = 0.15
    """The gray scale of soft tissue is bent in pieces."""
    gamma: float = 0.1
    """The gray scale is bent by a power."""
    bias: float = 0.1
    """A smooth field is added."""
    thick_slices: float = 0.25
    """Slices of 2 to 5 voxels."""
    low_resolution: float = 0.1
    """Large voxels."""
    blur: float = 0.25
    """A soft kernel."""
    noise: float = 0.25
    """White or correlated noise."""
    low_dose: float = 0.1
    """Noise and streaks of few photons."""
    calibration: float = 0.5
    """A small error of scale and offset."""
    same_view: bool = True
    """A live teacher sees the patch as the student does; else before it is degraded."""

    def __post_init__(self) -> None:
        _shares("augment", self)


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
            _need(getattr(self, key) >= 0, f"distill.{key}", getattr(self, key), "0 or more")
        _need(self.hard + self.stored + self.live > 0, "distill.hard", self.hard, "> 0 with others")
        _need(self.temperature >= 1, "distill.temperature", self.temperature, "1 or more")


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
        _need(self.absent in ("score", "skip"), "evaluate.absent", self.absent, "score or skip")
        _need(self.sliver_ml >= 0, "evaluate.sliver_ml", self.sliver_ml, "0 or more")


@dataclass(frozen=True)
class Export:
    """What only the maker of a model knows."""

    name: str = "flareseg-own"
    """Id of the model, and the name of its folder."""
    version: str = "1"
    """Version of the weights."""
    window: Zyx = (64, 160, 160)
    """Input shape (z, y, x) of the network."""
    trained_on: str = ""
    """For the model card: which CTs, of which licence, labelled by whom."""
    licence: str = ""
    """For the model card: licence of the weights."""
