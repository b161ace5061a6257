"""Random changes of a patch: what few cases lack. All take HU (z, y, x) and a generator."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional

AIR_HU = -1024.0

# Enhancement in HU over an unenhanced scan, arterial and portal venous, with its spread, by class
# value:
# ranges of daily radiology (unenhanced liver about 55, spleen 50, kidney 30, aorta 40 HU).
ENHANCEMENT: dict[int, tuple[float, float, float]] = {
    1: (10, 50, 12), 2: (110, 140, 30), 3: (60, 70, 15), 4: (50, 45, 12), 5: (270, 110, 40),
    6: (30, 100, 30), 7: (30, 35, 12), 8: (30, 35, 12), 9: (0, 0, 4), 10: (20, 30, 10),
    11: (10, 15, 15), 12: (25, 35, 15), 13: (110, 140, 30),
}  # fmt: skip


def uniform(low: float, high: float, generator: torch.Generator) -> float:
    """Return a random number in [low, high)."""
    return low + (high - low) * float(torch.rand((), generator=generator))


def affine(generator: torch.Generator) -> Tensor:
    """Return a random 3 x 3 matrix (z, y, x): rotation up to 15 degrees, zoom 0.75 to 1.33."""
    matrix = torch.eye(3)
    for first, second, degrees in ((1, 2, 15.0), (0, 1, 8.0), (0, 2, 8.0)):
        angle = math.radians(uniform(-degrees, degrees, generator))
        turn = torch.eye(3)
        turn[first, first] = turn[second, second] = math.cos(angle)
        turn[first, second], turn[second, first] = -math.sin(angle), math.sin(angle)
        matrix = matrix @ turn
    zoom = math.exp(uniform(-0.2, 0.2, generator))
    scales = [zoom * math.exp(uniform(-0.08, 0.08, generator)) for _ in range(3)]
    return matrix @ torch.diag(torch.tensor(scales))


def contrast_phase(hu: Tensor, soft: Tensor, generator: torch.Generator) -> Tensor:
    """Return HU as if contrast medium had been given: each organ is enhanced after its own phase.

    Args:
        hu: (z, y, x).
        soft: Probabilities (classes, z/2, y/2, x/2).
        generator: Source of randomness.
    """
    phase, strength = uniform(0, 1, generator), uniform(0.1, 1.2, generator)
    change = torch.zeros(soft.shape[1:])
    for value, (arterial, venous, spread) in ENHANCEMENT.items():
        mean = (1 - phase) * arterial + phase * venous
        enhanced = strength * mean + spread * float(torch.randn((), generator=generator))
        change += enhanced * soft[value]
    larger = functional.interpolate(change[None, None], scale_factor=2, mode="trilinear")[0, 0]
    tissue = ((hu + 120.0) / 120.0).clamp(0, 1)  # gas and fat take up no contrast medium
    return hu + larger * tissue


def oral_contrast(hu: Tensor, soft: Tensor, generator: torch.Generator) -> Tensor:
    """Return HU with positive contrast medium in the fluid of stomach and duodenum."""
    filled = (soft[11] + soft[12] > 0.9).float()
    larger = functional.interpolate(filled[None, None], scale_factor=2, mode="nearest")[0, 0]
    fluid = ((hu > -30) & (hu < 60)).float() * larger
    return hu + fluid * uniform(50, 250, generator)


def thick_slices(hu: Tensor, generator: torch.Generator) -> Tensor:
    """Return HU as if reconstructed in slices of 2 to 5 voxels."""
    depth = max(1, round(hu.shape[0] / uniform(1.5, 4.0, generator)))
    thin = functional.interpolate(hu[None, None], size=(depth, *hu.shape[1:]), mode="area")
    return functional.interpolate(thin, size=hu.shape, mode="trilinear")[0, 0]


def smooth(hu: Tensor, generator: torch.Generator) -> Tensor:
    """Return HU blurred in-plane, as by a soft kernel or large pixels."""
    weight = uniform(0.3, 1.0, generator)
    blurred = functional.avg_pool2d(hu[:, None], 3, 1, 1, count_include_pad=False)[:, 0]
    return hu + weight * (blurred - hu)


def noise(hu: Tensor, generator: torch.Generator) -> Tensor:
    """Return HU with noise of 5 to 60 HU, white or correlated in-plane as in low-dose scans."""
    grains = torch.randn(hu.shape, generator=generator)
    if uniform(0, 1, generator) < 0.5:
        grains = functional.avg_pool2d(grains[:, None], 3, 1, 1)[:, 0] * 2.5
    return hu + grains * (5 * 12 ** uniform(0, 1, generator))


def calibration(hu: Tensor, generator: torch.Generator) -> Tensor:
    """Return HU with a small error of scale and offset."""
    return hu * uniform(0.93, 1.07, generator) + uniform(-15, 15, generator)


def field_of_view(hu: Tensor, generator: torch.Generator) -> tuple[Tensor, int]:
    """Return HU with the first or last slices missing (air), and how many.

    The sign tells the end: n > 0 cuts the first n slices, n < 0 the last.
    """
    cut = 2 * int(uniform(2, hu.shape[0] / 4, generator))
    cut = cut if uniform(0, 1, generator) < 0.5 else -cut
    kept = hu.clone()
    kept[slice(0, cut) if cut > 0 else slice(cut, None)] = AIR_HU
    return kept, cut


def intensity(hu: Tensor, soft: Tensor, generator: torch.Generator) -> Tensor:
    """Return HU after a random choice of the changes above; geometry stays."""

    def chance(share: float) -> bool:
        return uniform(0, 1, generator) < share

    if chance(0.6):
        hu = contrast_phase(hu, soft, generator)
    if chance(0.12):
        hu = oral_contrast(hu, soft, generator)
    if chance(0.25):
        hu = thick_slices(hu, generator)
    if chance(0.25):
        hu = smooth(hu, generator)
    if chance(0.35):
        hu = noise(hu, generator)
    return calibration(hu, generator) if chance(0.5) else hu
