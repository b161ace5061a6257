"""Losses of distillation: what a student takes from a teacher beside the labels (paper 1, 2.2)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional

from training.machine.distributed import total


def tempered(probabilities: Tensor, temperature: float) -> Tensor:
    """Return softmax(z / T) from softmax(z): p^(1/T), made to sum to 1 over the classes.

    Args:
        probabilities: (n, classes, z, y, x).
        temperature: T >= 1; 1 changes nothing.
    """
    if temperature == 1:
        return probabilities
    raised = probabilities.clamp(min=1e-8) ** (1 / temperature)
    return raised / raised.sum(dim=1, keepdim=True)


def divergence(
    logits: Tensor, soft: Tensor, temperature: float = 1.0, weight: Tensor | None = None
) -> Tensor:
    """Return T^2 KL(softmax(z_teacher / T) || softmax(z_student / T)), mean over voxels.

    Hinton, Vinyals, Dean (2015), eq. 2 and section 2 for T^2. T = 3 in the program of paper 1.

    Args:
        logits: Student, float32, (n, classes, z, y, x).
        soft: Teacher's probabilities at T = 1, same shape.
        temperature: T.
        weight: Of each voxel, (n, 1, z, y, x). None: all the same.
    """
    soft = tempered(soft, temperature)
    log_student = (logits / temperature).log_softmax(dim=1)
    each = -(soft * log_student) - torch.special.entr(soft)
    if weight is None:
        return temperature**2 * each.sum(dim=1).mean()
    return temperature**2 * total((each * weight).sum()) / total(weight.sum())


def feature_distance(student: Sequence[Tensor], teacher: Sequence[Tensor]) -> Tensor:
    """Return the sum over levels of the MSE between feature maps (paper 1: two lowest levels).

    L = sum_l mean (f_l^S - f_l^T)^2, with f^S brought to the teacher's channels by a 1 x 1 x 1
    convolution. Where the grids differ, the finer map is averaged onto the coarser.

    Args:
        student: (n, c, z, y, x) a level.
        teacher: (n, c, z', y', x') a level, without gradient.
    """
    pairs = [_on_one_grid(s, t.detach()) for s, t in zip(student, teacher, strict=True)]
    distance: Tensor = sum(functional.mse_loss(s, t) for s, t in pairs)  # type: ignore[assignment]
    return distance


def attention_distance(student: Sequence[Tensor], teacher: Sequence[Tensor]) -> Tensor:
    """Return the sum over levels of the distance between normalized attention maps.

    A = sqrt(mean_c f_c^2) (the L2 norm over channels, paper 1), flattened, Q = A / |A|_2;
    L = sum_l |Q^S - Q^T|^2 / n (Zagoruyko & Komodakis, ICLR 2017, eq. 2). Channels may differ.

    Args:
        student: (n, c, z, y, x) a level.
        teacher: (n, c', z', y', x') a level, without gradient.
    """
    pairs = [_on_one_grid(_attention(s), _attention(t.detach())) for s, t in
             zip(student, teacher, strict=True)]  # fmt: skip
    distance: Tensor = sum(  # type: ignore[assignment]
        (_unit(s) - _unit(t)).square().sum(dim=1).mean() for s, t in pairs
    )
    return distance


def _attention(features: Tensor) -> Tensor:
    return (features.square().mean(dim=1, keepdim=True) + 1e-12).sqrt()


def _unit(attention: Tensor) -> Tensor:
    return functional.normalize(attention.flatten(1), dim=1)


def _on_one_grid(one: Tensor, two: Tensor) -> tuple[Tensor, Tensor]:
    shape = [min(a, b) for a, b in zip(one.shape[2:], two.shape[2:], strict=True)]
    return functional.adaptive_avg_pool3d(one, shape), functional.adaptive_avg_pool3d(two, shape)
