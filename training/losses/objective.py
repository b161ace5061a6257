"""The loss of a step, put together from its terms as a config weighs them."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from training.losses import transfer
from training.losses.targets import at_phase
from training.losses.terms import deep_supervision, dice_ce, merged, soft_dice
from training.machine.distributed import total, world
from training.networks.features import Features
from training.networks.heads import TrainingHeads
from training.sections import Distill


@dataclass(frozen=True)
class Batch:
    """Some samples with their targets, on the device of the network."""

    images: Tensor
    """Normalized, (n, 1, z, y, x)."""
    target: Tensor
    """Probabilities at one voxel of each cell, (n, classes, z/2, y/2, x/2)."""
    labels: Tensor
    """Stored labels at the same voxels, int64, (n, z/2, y/2, x/2)."""
    phases: tuple[int, ...]
    """Which voxel of the cell, a sample: see targets.at_phase."""
    known: Tensor
    """Bool, (n, classes): classes that the stored labels tell."""
    is_taught: bool
    """Whether a teacher filled in the classes that the labels do not tell."""
    names: tuple[str, ...]
    """Of the cases, for messages."""
    features: tuple[Tensor, ...] = ()
    """Of the teacher, (n, c, z, y, x): as TrainingHeads.compared()."""


def terms(
    network: nn.Module, heads: TrainingHeads, batch: Batch, losses: Distill
) -> dict[str, Tensor]:
    """Return the weighted terms of the loss of a batch; their sum is the loss.

    Args:
        network: A training.networks.features.Network.
        heads: Of the network.
        batch: The samples.
        losses: Weights.
    """
    features: Features = network.features(batch.images)  # type: ignore[operator]
    finest = network.classify(features.decoder[0]).float()  # type: ignore[operator]
    logits = [on_target(finest, batch.phases, int(network.logits_stride))]  # type: ignore[arg-type]
    logits += [level.float() for level in heads.auxiliary(features)]
    found: dict[str, Tensor] = {}
    if losses.divergence:
        parts = [_divergence(level, batch, losses) for level in logits]
        found["divergence"] = losses.divergence * deep_supervision(parts)
    if losses.dice:
        found["dice"] = losses.dice * deep_supervision([_dice(level, batch) for level in logits])
    if losses.supervised:
        parts = [dice_ce(one, _labels_at(batch.labels, one), batch.known) for one in logits]
        found["supervised"] = losses.supervised * deep_supervision(parts)
    if losses.features:
        bridged = [level.float() for level in heads.bridged(features)]
        found["features"] = losses.features * transfer.feature_distance(bridged, batch.features)
    if losses.attention:
        compared = [level.float() for level in heads.compared(features)]
        found["attention"] = losses.attention * transfer.attention_distance(
            compared, batch.features
        )
    return found


def culprits(
    network: nn.Module, heads: TrainingHeads, batch: Batch, losses: Distill
) -> tuple[str, ...]:
    """Return the cases of a batch whose loss is no number by themselves; all, if none is.

    Also all in one of several processes, whose sums run over all of them.
    """
    wrong = []
    for i, name in enumerate(batch.names if world() == 1 else ()):
        with torch.no_grad():
            found = terms(network, heads, alone(batch, i), losses)
        if not all(bool(value.isfinite()) for value in found.values()):
            wrong.append(name)
    return tuple(wrong) or batch.names


def alone(batch: Batch, i: int) -> Batch:
    """Return a batch of one of its samples."""
    one = slice(i, i + 1)
    return dataclasses.replace(
        batch,
        images=batch.images[one],
        target=batch.target[one],
        labels=batch.labels[one],
        phases=batch.phases[one],
        known=batch.known[one],
        names=batch.names[one],
        features=tuple(level[one] for level in batch.features),
    )


def on_target(logits: Tensor, phases: tuple[int, ...], stride: int) -> Tensor:
    """Return logits (n, classes, z/2, y/2, x/2) at the voxel of each cell that is looked at."""
    pairs = zip(logits, phases, strict=True)
    return torch.stack([at_phase(one, phase, stride) for one, phase in pairs])


def _divergence(logits: Tensor, batch: Batch, losses: Distill) -> Tensor:
    target = _at_level(batch.target, logits)
    weight = 1 + losses.organ_weight * (1 - target[:, :1])
    if batch.is_taught or bool(batch.known.all()):
        return transfer.divergence(logits, target, losses.temperature, weight)
    logs = merged(logits.log_softmax(dim=1), batch.known)
    cross_entropy: Tensor = total(-(target * logs * weight).sum()) / total(weight.sum())
    return cross_entropy


def _dice(logits: Tensor, batch: Batch) -> Tensor:
    target = _at_level(batch.target, logits)
    known = None if batch.is_taught else batch.known
    return soft_dice(logits.softmax(dim=1), target, known, is_squared=True)


def _at_level(target: Tensor, logits: Tensor) -> Tensor:
    """Return the target on the grid of a decoder level: as it is, or averaged."""
    shape = logits.shape[2:]
    return target if target.shape[2:] == shape else functional.adaptive_avg_pool3d(target, shape)


def _labels_at(labels: Tensor, logits: Tensor) -> Tensor:
    """Return the labels on the grid of a decoder level: every n-th, as nnU-Net does."""
    shape = logits.shape[2:]
    z, y, x = (n // m for n, m in zip(labels.shape[1:], shape, strict=True))
    return labels[:, ::z, ::y, ::x]
