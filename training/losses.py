"""Losses of distillation."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional


def distillation(logits: Tensor, soft: Tensor) -> Tensor:
    """Return KL(teacher || student) plus soft Dice loss on the grid of logits.

    Args:
        logits: Student, float32, (n, classes, z, y, x).
        soft: Teacher's probabilities, same shape.
    """
    log_student = logits.log_softmax(dim=1)
    cross_entropy = -(soft * log_student).sum(dim=1).mean()
    entropy = torch.special.entr(soft).sum(dim=1).mean()
    return cross_entropy - entropy + soft_dice(log_student.exp(), soft)


def hard(logits: Tensor, labels: Tensor, corner: tuple[int, int, int]) -> Tensor:
    """Return cross entropy plus soft Dice on a block at full resolution, by interpolation.

    The block starts at corner (in logits) and is half as long as the patch along each axis: an
    eighth of the work, at other places in every step.

    Args:
        logits: Student, float32, (n, classes, z/2, y/2, x/2).
        labels: Teacher's labels, int64, (n, z, y, x).
        corner: First logit (z, y, x) of the block.
    """
    size = [n // 2 for n in logits.shape[2:]]
    block = tuple(slice(a, a + n) for a, n in zip(corner, size, strict=True))
    fine = tuple(slice(2 * a + 2, 2 * (a + n) - 2) for a, n in zip(corner, size, strict=True))
    larger = functional.interpolate(logits[(..., *block)], scale_factor=2, mode="trilinear")
    larger = larger[..., 2:-2, 2:-2, 2:-2]
    truth = labels[(slice(None), *fine)]
    one_hot = functional.one_hot(truth, logits.shape[1]).movedim(-1, 1).float()
    return functional.cross_entropy(larger, truth) + soft_dice(larger.softmax(dim=1), one_hot)


def soft_dice(student: Tensor, truth: Tensor) -> Tensor:
    """Return the mean over organs of 1 - soft Dice, taken over the batch."""
    axes = (0, 2, 3, 4)
    both = (student * truth).sum(axes)[1:]
    total = (student + truth).sum(axes)[1:]
    there = truth.sum(axes)[1:] > 1.0
    dice = 2 * both / (total + 1.0)
    # An organ that is not in the batch costs in proportion to what the student claims, up to 1.
    absent = total / (total + 100.0)
    return torch.where(there, 1 - dice, absent).mean()
