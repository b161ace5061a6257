"""What is in the blood and in the bowel: contrast phases by organ, oral contrast, calibration."""

from __future__ import annotations

import torch
import torchio
from torch import Tensor
from torch.nn import functional

from training.augment.draws import normal, uniform
from training.augment.tables import ENHANCEMENT, FLUID_KNOT, TONE_KNOTS

STOMACH, DUODENUM = 11, 12
GAMMA_RANGE = (0.7, 1.5)


def contrast_phase(hu: Tensor, labels: Tensor, generator: torch.Generator) -> Tensor:
    """Return HU with contrast medium given, or taken away: each organ after its own phase.

    Args:
        hu: (z, y, x).
        labels: int64, same shape.
        generator: Source of randomness.
    """
    phase, strength = uniform(0, 1, generator), uniform(-0.5, 1.2, generator)
    table = torch.zeros(1 + max(ENHANCEMENT))
    for value, (arterial, venous, spread) in ENHANCEMENT.items():
        mean = (1 - phase) * arterial + phase * venous
        table[value] = strength * mean + spread * normal(0, 1, generator)
    tissue = ((hu + 120.0) / 120.0).clamp(0, 1)  # gas and fat take up no contrast medium
    return hu + _soft_edged(table[labels]) * tissue


def oral_contrast(hu: Tensor, labels: Tensor, generator: torch.Generator) -> Tensor:
    """Return HU with positive contrast medium in the fluid of stomach and duodenum."""
    filled = _soft_edged(((labels == STOMACH) | (labels == DUODENUM)).float())
    fluid = ((hu > -30) & (hu < 60)).float() * filled
    return hu + fluid * uniform(50, 250, generator)


def calibration(hu: Tensor, generator: torch.Generator) -> Tensor:
    """Return HU with a small error of scale and offset."""
    return hu * uniform(0.93, 1.07, generator) + uniform(-15, 15, generator)


def gamma(hu: Tensor, hu_range: tuple[float, float], generator: torch.Generator) -> Tensor:
    """Return HU with another gradation between the ends of hu_range, which stay (TorchIO's Gamma).

    Args:
        hu: (z, y, x).
        hu_range: Of the network; HU beyond it are clipped, as normalization does anyway.
        generator: Source of randomness.
    """
    low, high = hu_range
    share = ((hu.clamp(low, high) - low) / (high - low))[None]
    bent = torchio.Gamma(gamma=uniform(*GAMMA_RANGE, generator))(share)[0]
    return bent * (high - low) + low


def _soft_edged(change: Tensor) -> Tensor:
    """Return a map (z, y, x) blurred by about a voxel: borders between organs are not steps."""
    halves = functional.avg_pool3d(change[None, None], 2)
    return functional.interpolate(halves, scale_factor=2, mode="trilinear")[0, 0]


def tone(hu: Tensor, generator: torch.Generator) -> Tensor:
    """Return HU with the gray scale of soft tissue bent: five pieces, each with its own slope.

    Monotone, and without a jump: below the first knot HU are only moved.
    """
    slopes = torch.exp(torch.randn(len(TONE_KNOTS) - 1, generator=generator) * 0.25)
    knots = torch.tensor(TONE_KNOTS)
    heights = torch.cat([torch.zeros(1), (knots.diff() * slopes).cumsum(0)])
    heights = heights - heights[FLUID_KNOT] + knots[FLUID_KNOT] + uniform(-15, 15, generator)
    piece = torch.bucketize(hu, knots[1:-1])
    inside = heights[piece] + (hu - knots[piece]) * slopes[piece]
    return torch.where(hu < knots[0], hu + (heights[0] - knots[0]), inside)


def bias(hu: Tensor, generator: torch.Generator) -> Tensor:
    """Return HU with a smooth error of 3 to 14 HU in tissue, as beam hardening leaves."""
    coarse = torch.randn(1, 1, 3, 3, 3, generator=generator) * uniform(3, 14, generator)
    field = functional.interpolate(coarse, tuple(hu.shape), mode="trilinear", align_corners=True)
    return hu + field[0, 0] * (hu > -300)
