"""Changes of HU on the device, a batch at a time: what training/augment does patch by patch.

Every change takes HU (n, z, y, x) and draws its strengths there, one a patch; a share of the
patches meets it. Tables and ranges are those of training/augment where it has them.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional

from training.augment.tables import ENHANCEMENT, FLUID_KNOT, TONE_KNOTS
from training.gpu.store import Cut

STOMACH, DUODENUM, LIVER, GALLBLADDER = 11, 12, 1, 9
CUTMIX, MIXUP, PHASE, ORAL, BILE = 0.2, 0.1, 0.6, 0.2, 0.15
LESIONS, TONE, BIAS, THICK, BLUR, NOISE, CALIBRATION = 0.3, 0.25, 0.15, 0.25, 0.25, 0.35, 0.5
"""Shares of patches."""
DENSE = 0.12
"""Share of painted lesions as dense as lipiodol."""
SOLID = (1, 1, 1, 2, 3, 4, 13)
"""Organs that lesions are painted into, one drawn a patch: most often the liver."""


def mixed(cut: Cut) -> Cut:
    """Return patches with a box out of another patch (CutMix), or a faint whole of it (mixup)."""
    hu, labels = cut.hu, cut.labels
    other, said = hu.roll(1, 0), labels.roll(1, 0)
    box = _boxes(hu) & chance(CUTMIX, hu).bool()
    share = uniform(0.05, 0.35, hu) * (other > -300) * chance(MIXUP, hu) * ~box
    hu = torch.lerp(torch.where(box, other, hu), other, share)
    return Cut(hu, torch.where(box, said, labels))


def scene(cut: Cut) -> Tensor:
    """Return HU with contrast medium in the blood, in the bowel, and other bile."""
    hu, labels = cut.hu, cut.labels.clamp(max=15)
    table = _phases(len(hu), hu.device)
    change = soft_edged(table.gather(1, labels.flatten(1)).view_as(hu))
    hu = hu + change * ((hu + 120) / 120).clamp(0, 1) * chance(PHASE, hu)
    bowel = soft_edged(((labels == STOMACH) | (labels == DUODENUM)).to(hu.dtype))
    fluid = ((hu > -30) & (hu < 60)) * bowel
    hu = hu + fluid * uniform(50, 400, hu) * chance(ORAL, hu)
    bile = soft_edged((labels == GALLBLADDER).to(hu.dtype))
    return hu + bile * uniform(-15, 60, hu) * chance(BILE, hu)


def degraded(hu: Tensor, labels: Tensor) -> Tensor:
    """Return HU as a worse scan, or a diseased patient, would give them; the labels stay true."""
    hu = lesions(hu, labels)
    hu = _some(TONE, hu, tone(hu))
    hu = hu + bias(hu) * chance(BIAS, hu)
    hu = _some(THICK, hu, thick_slices(hu))
    hu = _some(BLUR, hu, blur(hu))
    hu = hu + noise(hu) * chance(NOISE, hu)
    scaled = hu * uniform(0.93, 1.07, hu) + uniform(-15, 15, hu)
    return _some(CALIBRATION, hu, scaled)


def lesions(hu: Tensor, labels: Tensor, most: int = 3) -> Tensor:
    """Return HU with up to three round lesions in one solid organ of some patches."""
    drawn = torch.randint(len(SOLID), (len(hu),), device=hu.device)
    organ = torch.tensor(SOLID, device=hu.device)[drawn].view(-1, 1, 1, 1)
    inside = labels == organ
    edge = soft_edged(inside.to(hu.dtype))
    axes = [torch.arange(n, device=hu.device, dtype=hu.dtype) for n in hu.shape[1:]]
    wanted = chance(LESIONS, hu) * (inside.flatten(1).sum(dim=1) > 200).view(-1, 1, 1, 1)
    for _ in range(most):
        spot = (torch.rand_like(hu) * inside).flatten(1).argmax(dim=1)
        z, y, x = (part.view(-1, 1, 1, 1) for part in _unravelled(spot, hu.shape[1:]))
        away = (
            ((axes[0].view(1, -1, 1, 1) - z) * 4 / 3).square()
            + (axes[1].view(1, 1, -1, 1) - y).square()
            + (axes[2].view(1, 1, 1, -1) - x).square()
        ).sqrt()
        ball = torch.sigmoid((uniform(2, 18, hu) - away) * 1.5) * edge
        change = _some(DENSE, uniform(-90, 60, hu), uniform(80, 600, hu))
        hu = hu + ball * change * wanted * chance(0.6, hu)
    return hu


def tone(hu: Tensor) -> Tensor:
    """Return HU with the gray scale of soft tissue bent, as contrast.tone does."""
    knots = TONE_KNOTS
    slopes = torch.exp(torch.randn(len(knots) - 1, len(hu), 1, 1, 1, device=hu.device) * 0.25)
    heights = [torch.zeros_like(slopes[0])]
    for i, slope in enumerate(slopes):
        heights.append(heights[-1] + slope * (knots[i + 1] - knots[i]))
    lift = knots[FLUID_KNOT] - heights[FLUID_KNOT] + uniform(-15, 15, hu)
    bent = lift + (hu - knots[0]).clamp(max=0)
    for i, slope in enumerate(slopes):
        last = i == len(slopes) - 1
        reach = math.inf if last else knots[i + 1] - knots[i]
        bent = bent + slope * (hu - knots[i]).clamp(0, reach)
    return bent


def bias(hu: Tensor) -> Tensor:
    """Return a smooth error of 3 to 14 HU in tissue, as beam hardening leaves."""
    coarse = torch.randn(len(hu), 1, 3, 3, 3, device=hu.device)
    field = functional.interpolate(coarse, hu.shape[1:], mode="trilinear", align_corners=True)
    return field[:, 0] * uniform(3, 14, hu) * (hu > -300)


def thick_slices(hu: Tensor) -> Tensor:
    """Return HU as if reconstructed in slices of 1.5 to 4 voxels, the same for the batch."""
    depth = max(1, round(hu.shape[1] / (1.5 + 2.5 * float(torch.rand(())))))
    thin = functional.interpolate(hu[:, None], size=(depth, *hu.shape[2:]), mode="area")
    return functional.interpolate(thin, size=hu.shape[1:], mode="trilinear")[:, 0]


def blur(hu: Tensor) -> Tensor:
    """Return HU as from a soft kernel: Gaussian of 0.4 to 1.2 voxels in-plane."""
    sd = uniform(0.4, 1.2, hu).view(-1, 1)
    offsets = torch.arange(-3, 4, device=hu.device)
    kernel = torch.exp(-(offsets**2) / (2 * sd**2))
    kernel = kernel / kernel.sum(dim=1, keepdim=True)
    rows = functional.pad(hu, (3, 3, 3, 3), mode="replicate").movedim(1, 0)
    n = len(kernel)
    rows = functional.conv2d(rows, kernel.view(n, 1, 7, 1), groups=n)
    rows = functional.conv2d(rows, kernel.view(n, 1, 1, 7), groups=n)
    return rows.movedim(0, 1)


def noise(hu: Tensor) -> Tensor:
    """Return noise of 5 to 60 HU, white or correlated in-plane."""
    grains = torch.randn_like(hu)
    smooth = functional.avg_pool2d(grains, 3, 1, 1) * 2.5
    return _some(0.5, grains, smooth) * 5 * 12 ** uniform(0, 1, hu)


def soft_edged(change: Tensor) -> Tensor:
    """Return maps (n, z, y, x) blurred by about a voxel: borders between organs are not steps."""
    halves = functional.avg_pool3d(change[:, None], 2)
    return functional.interpolate(halves, scale_factor=2, mode="trilinear")[:, 0]


def uniform(low: float, high: float, like: Tensor) -> Tensor:
    """Return a random number a patch, (n, 1, 1, 1)."""
    return low + (high - low) * torch.rand(len(like), 1, 1, 1, device=like.device)


def chance(share: float, like: Tensor) -> Tensor:
    """Return 1.0 for that share of patches, else 0.0, (n, 1, 1, 1)."""
    return (uniform(0, 1, like) < share).to(like.dtype)


def _some(share: float, before: Tensor, after: Tensor) -> Tensor:
    return torch.where(chance(share, before).bool(), after, before)


def _phases(count: int, device: torch.device) -> Tensor:
    """Return enhancement in HU by patch and class, (n, 16); see contrast.contrast_phase."""
    facts = torch.zeros(16, 3, device=device)
    for value, row in ENHANCEMENT.items():
        facts[value] = torch.tensor(row, device=device)
    arterial, venous, spread = facts.unbind(dim=1)
    phase, strength = torch.rand(count, 1, device=device), torch.rand(count, 1, device=device)
    mean = torch.lerp(arterial, venous, phase)
    return (1.7 * strength - 0.5) * mean + spread * torch.randn(count, 16, device=device)


def _boxes(hu: Tensor) -> Tensor:
    """Return a box a patch, a quarter to three quarters of it along one axis or all three."""
    n, device = len(hu), hu.device
    box = torch.ones_like(hu, dtype=torch.bool)
    axis = torch.randint(6, (n, 1, 1, 1), device=device)
    for i, length in enumerate(hu.shape[1:]):
        at = torch.arange(length, device=device).view([-1 if j == i else 1 for j in range(3)])
        size = uniform(0.25, 0.75, hu) * length
        start = torch.rand(n, 1, 1, 1, device=device) * (length - size)
        inside = (at >= start) & (at < start + size)
        box &= inside | ((axis != i) & (axis < 3))
    return box


def _unravelled(index: Tensor, shape: torch.Size) -> tuple[Tensor, Tensor, Tensor]:
    _, y, x = shape
    return index // (y * x), index // x % y, index % x
