"""How a scanner sees: dose, kernel, slices, pixels, field of view. All take HU (z, y, x)."""

from __future__ import annotations

import math

import torch
import torchio
from torch import Tensor
from torch.nn import functional

from training.augment.draws import uniform


def thick_slices(hu: Tensor, generator: torch.Generator) -> Tensor:
    """Return HU as if reconstructed in slices of 1.5 to 4 voxels."""
    depth = max(1, round(hu.shape[0] / uniform(1.5, 4.0, generator)))
    thin = functional.interpolate(hu[None, None], size=(depth, *hu.shape[1:]), mode="area")
    return functional.interpolate(thin, size=hu.shape, mode="trilinear")[0, 0]


def low_resolution(hu: Tensor, generator: torch.Generator) -> Tensor:
    """Return HU as if the pixels had been 1.3 to 2 voxels wide."""
    factor = uniform(1.3, 2.0, generator)
    pixels = (hu.shape[0], *(max(1, round(n / factor)) for n in hu.shape[1:]))
    wide = functional.interpolate(hu[None, None], size=pixels, mode="area")
    return functional.interpolate(wide, size=hu.shape, mode="trilinear")[0, 0]


def blur(hu: Tensor, generator: torch.Generator) -> Tensor:
    """Return HU as from a soft kernel: Gaussian of 0.4 to 1.2 voxels in-plane (TorchIO's Blur)."""
    sd = uniform(0.4, 1.2, generator)
    return torchio.Blur(std=(0.0, sd, sd))(hu[None])[0]


def noise(hu: Tensor, generator: torch.Generator) -> Tensor:
    """Return HU with noise of 5 to 60 HU, white or correlated in-plane."""
    grains = torch.randn(hu.shape, generator=generator)
    if uniform(0, 1, generator) < 0.5:
        grains = functional.avg_pool2d(grains[:, None], 3, 1, 1)[:, 0] * 2.5
    return hu + grains * (5 * 12 ** uniform(0, 1, generator))


def low_dose(hu: Tensor, generator: torch.Generator) -> Tensor:
    """Return HU as at low dose: grainy, more so where rays cross much tissue, streaked sideways.

    The noise of a ray grows with the tissue that it crosses (Beer-Lambert); the longest rays run
    from side to side, so photon starvation draws streaks along x in the widest, densest rows.
    """
    sd = uniform(10, 40, generator)
    path = ((hu + 1000.0) / 1000.0).clamp(0, 2.5).mean(dim=2, keepdim=True)
    weight = (1.5 * (path / path.mean().clamp(min=1e-3) - 1)).exp().clamp(0.5, 2.5)
    grains = functional.avg_pool2d(torch.randn(hu.shape, generator=generator)[:, None], 3, 1, 1)
    rows = torch.randn(*hu.shape[:2], 4, generator=generator)
    streaks = functional.interpolate(rows, size=hu.shape[2], mode="linear", align_corners=True)
    return hu + sd * weight * (2.5 * grains[:, 0] + 0.3 * streaks)


def slices_lost(shape: tuple[int, ...], generator: torch.Generator) -> tuple[slice, slice, slice]:
    """Return the first or last slices of a patch, up to a quarter: a scan that begins or ends."""
    count = 2 * int(uniform(1, max(2, shape[0] / 8), generator))
    everything = slice(None)
    first = uniform(0, 1, generator) < 0.5
    return (slice(0, count) if first else slice(-count, None)), everything, everything


def beyond_circle(shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
    """Return True (y, x) outside a reconstruction circle that cuts one side of the patch.

    In cells of 2 x 2 voxels, so that labels at half resolution can follow.
    """
    y, x = (torch.arange(n // 2) * 2.0 for n in shape[1:])
    angle = uniform(0, 2 * math.pi, generator)
    away = uniform(0.2, 0.6, generator) * max(shape[1:])
    radius = away + uniform(0.4, 0.9, generator) * min(shape[1:]) / 2
    cy, cx = shape[1] / 2 + away * math.sin(angle), shape[2] / 2 + away * math.cos(angle)
    outside = (y[:, None] - cy) ** 2 + (x[None] - cx) ** 2 > radius**2
    return outside.repeat_interleave(2, 0).repeat_interleave(2, 1)
