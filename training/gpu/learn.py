"""What a student learns from a batch on the device: targets, loss, and the mean of its weights."""

from __future__ import annotations

import copy
import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from FlareSegLib.inference.student import Student, StudentConfig
from training.gpu.pack import UNKNOWN
from training.loop.optimizer import optimizers
from training.losses import transfer
from training.losses.targets import at_phase, trust
from training.losses.terms import soft_dice
from training.networks.heads import TrainingHeads
from training.networks.slices import dilate_little
from training.sections import Train

CLASSES = 14
HARD, LIVE = 0.4, 0.6
DIVERGENCE, DICE, FEATURES = 2.0, 1.0, 0.5
"""Weights of the terms, as in configs/matching.toml."""
NEAR_WEIGHT = 3.0
"""Cells near an organ weigh 1 + this. By place, never by what the target says there: a weight on
what is probably organ makes organs too large where nobody is sure, which is their border."""


@dataclass(frozen=True)
class Lesson:
    """A batch with its targets, on the device."""

    images: Tensor
    """Normalized, (n, 1, z, y, x)."""
    target: Tensor
    """Probabilities at one voxel of each cell, (n, classes, z/2, y/2, x/2)."""
    weight: Tensor
    """Of each cell, (n, 1, z/2, y/2, x/2); 0 where nothing is known."""
    features: tuple[Tensor, ...]
    """Of the teacher."""
    phase: int
    """Which voxel of the cells: see targets.at_phase."""


def at(volume: Tensor, phase: int, stride: int) -> Tensor:
    """Return at_phase() of a batch (n, c, z, y, x)."""
    return at_phase(volume.flatten(0, 1), phase, stride).unflatten(0, volume.shape[:2])


def lesson(images: Tensor, labels: Tensor, logits: Tensor, shown: Sequence[Tensor],
           phase: int) -> Lesson:  # fmt: skip
    """Return a batch with its targets: the live teacher's word, and the stored labels beside it.

    The labels come from whole scans and four looks, the teacher sees a patch: where it gives the
    label no chance, it weighs a quarter. It is there for the borders and for what it doubts.

    Args:
        images: Normalized, (n, 1, z, y, x).
        labels: Stored, int64, (n, z, y, x).
        logits: Of the teacher, (n, classes, z, y, x).
        shown: Features of the teacher.
        phase: 0 to 7.
    """
    unknown = at(labels[:, None] == UNKNOWN, phase, 1).float()
    there = at(labels[:, None], phase, 1)[:, 0].masked_fill(unknown[:, 0].bool(), 0)
    hard = functional.one_hot(there, CLASSES).movedim(-1, 1).float()
    close = near(hard)
    organs = at(logits, phase, 1).float().softmax(dim=1)[:, 1:] * close[:, 1:]
    live = torch.cat([1 - organs.sum(dim=1, keepdim=True), organs], dim=1)
    agreed = (4 * (live * hard).sum(dim=1, keepdim=True) + 0.25).clamp(max=1)
    share = LIVE * _trusted(tuple(there.shape[1:]), live.device) * agreed
    target = torch.lerp(hard, live, share)
    weight = 1 + NEAR_WEIGHT * close[:, 1:].amax(dim=1, keepdim=True)
    return Lesson(images, target, weight * (1 - unknown), tuple(shown), phase)


@functools.cache
def _trusted(shape: tuple[int, ...], device: torch.device) -> Tensor:
    return trust(shape).to(device)


def near(hard: Tensor) -> Tensor:
    """Return 1 where a class lies within 4 to 8 voxels, else 0, of labels in cells (one-hot)."""
    grown = functional.max_pool3d(functional.max_pool3d(hard, 2), 3, 1, 1)
    return functional.interpolate(grown, size=hard.shape[2:], mode="nearest")


class Learner:
    """A student with what it needs to learn: heads, optimizers, and means of its weights."""

    def __init__(self, name: str, sizes: StudentConfig, start: Mapping[str, Tensor],
                 channels: tuple[tuple[int, ...], tuple[int, ...]], train: Train,
                 device: torch.device) -> None:  # fmt: skip
        """Make it.

        Args:
            name: Of its files.
            sizes: Of the network.
            start: Weights of the same sizes.
            channels: Of the teacher's encoder and decoder levels that are shown.
            train: Optimizer and rate.
            device: Where it learns.
        """
        self.name, self.sizes, self.train, self.device = name, sizes, train, device
        self.model = Student(sizes)
        self.model.load_state_dict(start)
        self.model.to(device, memory_format=torch.channels_last)
        dilate_little(self.model)
        self.heads = TrainingHeads(
            self.model, CLASSES, levels=0, teacher_channels=channels[0],
            decoder_channels=channels[1],
        ).to(device)  # fmt: skip
        named = [*self.model.named_parameters(), *self.heads.named_parameters(prefix="heads")]
        self.optimizers = optimizers(named, train)
        self.step = 0
        self.mean: dict[str, Tensor] = {}
        self.counted = 0

    def keep_statistics(self) -> None:
        """Normalize by the running means from now on, and leave them: for batches of one."""
        for module in self.model.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.eval()

    def learn(self, batch: Lesson, factor: float) -> Tensor:
        """Update the weights once, at a factor of the rate; return the terms of the loss."""
        for optimizer in self.optimizers:
            for group in optimizer.param_groups:
                group["lr"] = group.setdefault("peak", group["lr"]) * factor
        with torch.autocast(self.device.type, torch.bfloat16):
            features = self.model.features(batch.images)
            logits = self.model.classify(features.decoder[0])
            bridged = self.heads.bridged(features)
        terms = losses(logits.float(), [level.float() for level in bridged], batch)
        terms.sum().backward()
        for optimizer in self.optimizers:
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
        self.step += 1
        return terms.detach()

    @torch.no_grad()
    def count(self) -> None:
        """Take the weights into the plain mean."""
        state = {k: v for k, v in self.model.state_dict().items() if v.is_floating_point()}
        if not self.counted:
            self.mean = {k: v.clone() for k, v in state.items()}
        else:
            pairs = list(self.mean.values()), list(state.values())
            torch._foreach_lerp_(*pairs, 1 / (1 + self.counted))
        self.counted += 1

    def taken(self) -> dict[str, Tensor]:
        """Return the mean since the last call, small, on the CPU, and begin the next one."""
        mean, self.mean, self.counted = self.mean, {}, 0
        return _small(mean)

    def state(self) -> dict[str, Any]:
        """Return what a run goes on from, in half precision."""
        return {
            "sizes": {k: list(v) for k, v in vars(self.sizes).items() if isinstance(v, tuple)},
            "model": _small(self.model.state_dict()),
            "heads": _small(self.heads.state_dict()),
            "momenta": [_small(s) for s in self._momenta()],
            "step": self.step,
        }

    def load(self, state: Mapping[str, Any]) -> None:
        """Go on from what state() gave; AdamW begins anew."""
        self.model.load_state_dict(state["model"])
        self.heads.load_state_dict(state["heads"])
        for mine, saved in zip(self._momenta(), state["momenta"], strict=False):
            for name, value in saved.items():
                mine[name] = value.to(self.device, torch.float32)
        self.step = int(state["step"])

    def _momenta(self) -> list[dict[str, Tensor]]:
        """Return the states of Muon, parameter by parameter."""
        return [self.optimizers[0].state[p] for p in self.optimizers[0].param_groups[0]["params"]]


def losses(logits: Tensor, bridged: Sequence[Tensor], batch: Lesson) -> Tensor:
    """Return the terms of the loss: divergence, Dice, features."""
    there = at(logits, batch.phase, 2)
    known = (batch.weight > 0).float()
    divergence = transfer.divergence(there, batch.target, 1.0, batch.weight)
    dice = soft_dice(there.softmax(dim=1) * known, batch.target * known, is_squared=True)
    distance = divergence.new_zeros(())
    for mine, theirs in zip(bridged, batch.features, strict=True):
        distance = distance + _masked_distance(mine, theirs.float(), known)
    return torch.stack([DIVERGENCE * divergence, DICE * dice, FEATURES * distance])


def _masked_distance(mine: Tensor, theirs: Tensor, known: Tensor) -> Tensor:
    """Return the MSE of features on the coarser of both grids, where something is known."""
    shape = [min(a, b) for a, b in zip(mine.shape[2:], theirs.shape[2:], strict=True)]
    mine, theirs, known = (
        t if list(t.shape[2:]) == shape else functional.adaptive_avg_pool3d(t, shape)
        for t in (mine, theirs, known)
    )
    return ((mine - theirs).square() * known).mean() / known.mean().clamp(min=1e-3)


def _small(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return tensors on the CPU, large ones in float16."""
    return {k: (v.half() if v.is_floating_point() and v.numel() > 1024 else v).cpu().clone()
            for k, v in state.items()}  # fmt: skip


def write(path: Path, state: Mapping[str, Any]) -> None:
    """Write a file wholly or not at all."""
    part = path.with_suffix(".part")
    torch.save(dict(state), part)
    part.replace(path)


def deepened(
    start: Mapping[str, Tensor], old: StudentConfig, new: StudentConfig
) -> dict[str, Tensor]:
    """Return weights of more blocks a level that say the same: a block whose last norm is 0."""
    fresh = copy.deepcopy(Student(new).state_dict())
    fresh.update(start)
    for level, (before, after) in enumerate(zip(old.blocks, new.blocks, strict=True)):
        for block in range(before, after):
            fresh[f"encoders.{level}.{block}.along_z.norm.weight"].zero_()
    return fresh


def widened(start: Mapping[str, Tensor], noise: float = 0.02) -> dict[str, Tensor]:
    """Return weights of twice the channels that say the same (Chen et al., Net2Net, ICLR 2016).

    Every channel is there twice; who reads it, reads a random share of each. A little noise lets
    the twins grow apart.
    """
    wide = {}
    for name, value in start.items():
        if value.ndim == 0:
            wide[name] = value.clone()
            continue
        out = value if name.startswith("head.") else torch.cat([value, value])
        if value.ndim == 4 and not name.startswith("stem."):
            part = torch.rand(len(out), value.shape[1], 1, 1) * 0.6 + 0.2
            out = torch.cat([out * part, out * (1 - part)], dim=1)
        if value.ndim == 4:
            out = out + noise * out.std() * torch.randn_like(out)
        wide[name] = out
    return wide
