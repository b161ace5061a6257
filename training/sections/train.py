"""How a network is trained."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from training.sections.checks import Zyx, choice, need

Optimizer = Literal["muon", "adamw", "sgd"]


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
    average_from: float = 1.0
    """Share of the schedule from which on the average is the plain mean of all weights; 1: never.
    For a rate that stays high: then no single step is good, but their mean is."""
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
        choice("train.optimizer", self.optimizer, Optimizer)
        need(min(self.patch) > 0, "train.patch", self.patch, "> 0")
        for key in ("steps", "log_steps", "checkpoint_steps", "learning_rate", "ema_steps"):
            need(getattr(self, key) > 0, f"train.{key}", getattr(self, key), "> 0")
        for key in (
            "batch",
            "workers",
            "threads",
            "val_steps",
            "patience",
            "clip_norm",
            "weight_decay",
        ):
            need(getattr(self, key) >= 0, f"train.{key}", getattr(self, key), "0 or more")
        for key in ("warmup_share", "decay_share", "anywhere", "average_from"):
            need(0 <= getattr(self, key) <= 1, f"train.{key}", getattr(self, key), "in [0, 1]")
