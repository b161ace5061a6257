"""Losses of segmentation: Dice + cross entropy, from soft, hard or partial labels."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from training.machine.distributed import total


def dice_ce(logits: Tensor, labels: Tensor, known: Tensor | None = None) -> Tensor:
    """Return soft Dice loss plus cross entropy (papers 1 and 3: the sum of both).

    CE = -mean_v log p_v[y_v];  Dice loss = mean_c (1 - 2 sum_v p q / (sum_v p + sum_v q + 1)).

    Args:
        logits: Float32, (n, classes, z, y, x).
        labels: Int64, (n, z, y, x). A class that was not labelled in a case is 0 there.
        known: Bool, (n, classes): which classes were labelled in each case. None: all.
    """
    logs = logits.log_softmax(dim=1)
    if known is not None:
        logs = merged(logs, known)
    one_hot = functional.one_hot(labels, logits.shape[1]).movedim(-1, 1).to(logits.dtype)
    return functional.nll_loss(logs, labels) + soft_dice(logs.exp(), one_hot, known)


def merged(logs: Tensor, known: Tensor) -> Tensor:
    """Return log-probabilities with the classes that a case does not label put into background.

    p'_0 = p_0 + sum over unknown c of p_c, p'_c = 0 (here e^-100): marginal loss for partial labels
    (Shi et al., Medical Image Analysis 70, 2021, eq. 4), so that an unlabelled organ may be called
    by its name or background, and neither costs.

    Args:
        logs: (n, classes, z, y, x).
        known: Bool, (n, classes); background is always known.
    """
    known = known.clone()
    known[:, 0] = True
    hidden = ~known[:, :, None, None, None]
    beside = hidden.clone()
    beside[:, 0] = True
    background = logs.masked_fill(~beside, -100.0).logsumexp(dim=1, keepdim=True)
    return torch.cat([background, logs[:, 1:].masked_fill(hidden[:, 1:], -100.0)], dim=1)


def soft_dice(
    student: Tensor, truth: Tensor, known: Tensor | None = None, *, is_squared: bool = False
) -> Tensor:
    """Return the mean over organs of 1 - soft Dice, taken over the batch of all processes.

    Args:
        student: Probabilities, (n, classes, z, y, x).
        truth: Probabilities or one-hot, same shape.
        known: Bool, (n, classes): cases without a class do not count for it. None: all.
        is_squared: p^2 + q^2 below the line (Milletari et al., 3DV 2016): least where p = q, also
            for a soft truth.
    """
    if known is not None:
        weight = known[:, :, None, None, None].to(student.dtype)
        student, truth = student * weight, truth * weight
    axes = (0, 2, 3, 4)
    both = total((student * truth).sum(axes)[1:])
    claims = student * student + truth * truth if is_squared else student + truth
    size = total(claims.sum(axes)[1:])
    there = total(truth.sum(axes)[1:]) > 1.0
    dice = 2 * both / (size + 1.0)
    # An organ that is not in the batch costs in proportion to what the student claims, up to 1.
    absent = size / (size + 100.0)
    costs = torch.where(there, 1 - dice, absent)
    if known is None:
        return costs.mean()
    judged = total(known[:, 1:].sum(dim=0).float()) > 0
    return (costs * judged).sum() / judged.sum().clamp(min=1)


def deep_supervision(losses: list[Tensor]) -> Tensor:
    """Return the weighted mean of one loss at several decoder levels, the finest first.

    w_l = 2^-l / sum of all (nnU-Net, Isensee et al. 2021).
    """
    weights = [0.5**level for level in range(len(losses))]
    mean: Tensor = sum(w * loss for w, loss in zip(weights, losses, strict=True)) / sum(weights)  # type: ignore[assignment]
    return mean
