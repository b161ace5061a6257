"""An image made from labels: every tissue gets random HU (SynthSeg, Billot et al., 2023)."""

from __future__ import annotations

import torch
import torchio
from torch import Tensor
from torch.nn import functional

from training.augment.draws import normal, uniform

TISSUES: tuple[tuple[float, float, float], ...] = (
    (-980, 25, 15), (-820, 60, 40), (-100, 25, 15), (20, 40, 15), (70, 60, 20), (450, 250, 90),
)  # fmt: skip
"""Of what has no label, by HU: mean, spread of the mean, largest SD. Air, lung, fat, fluid, soft
tissue, bone."""
BORDERS = (-950.0, -300.0, -30.0, 30.0, 200.0)
"""HU between the tissues above."""


def synthetic(hu: Tensor, labels: Tensor, generator: torch.Generator) -> Tensor:
    """Return HU drawn anew for every tissue: shapes are the patient's, gray values are not.

    The generative model of SynthSeg: one Gaussian per label, a blur of partial volume, a smooth
    bias. What has no label is told into six tissues by its real HU; organs lie between -50 and
    350 HU, so that an unenhanced liver and an arterial one, and much beyond, are seen.

    Args:
        hu: Real, (z, y, x).
        labels: int64, same shape.
        generator: Source of randomness.
    """
    tissue = torch.bucketize(hu, torch.tensor(BORDERS))
    kinds = torch.where(labels > 0, labels + len(TISSUES) - 1, tissue)
    count = int(kinds.max()) + 1
    means, sds = torch.zeros(count), torch.zeros(count)
    for kind in range(count):
        if kind < len(TISSUES):
            mean, spread, largest = TISSUES[kind]
            means[kind] = normal(mean, spread, generator)
            sds[kind] = uniform(2, largest, generator)
        else:
            means[kind] = uniform(-50, 350, generator)
            sds[kind] = uniform(3, 40, generator)
    grains = torch.randn(hu.shape, generator=generator)
    drawn = means[kinds] + sds[kinds] * grains
    sd = uniform(0.4, 1.0, generator)
    return torchio.Blur(std=(sd, sd, sd))(drawn[None])[0] + _bias(hu.shape, generator)


def _bias(shape: torch.Size, generator: torch.Generator) -> Tensor:
    coarse = torch.randn(1, 1, 3, 4, 4, generator=generator) * uniform(0, 20, generator)
    return functional.interpolate(coarse, tuple(shape), mode="trilinear", align_corners=True)[0, 0]
