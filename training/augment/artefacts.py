"""What lies in the scan beside healthy organs: metal, table, arms, lesions. HU (z, y, x)."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional

from training.augment.draws import index, uniform

METAL_HU = 3000.0
RAYS = 180
SOLID = (1, 2, 3, 4, 13)
"""Organs that lesions are put into: liver, kidneys, spleen, pancreas."""
AIR_BELOW = -900.0
"""HU under which a voxel is air."""


def metal(hu: Tensor, generator: torch.Generator) -> Tensor:
    """Return HU with one or two pieces of metal in tissue, and bright and dark streaks from them.

    In each slice a streak depends on the angle about the metal alone, and fades with distance; the
    mean over all angles is 0, so that the artefact redistributes HU and does not brighten.
    """
    tissue = (hu > -200).nonzero()
    if not len(tissue):
        return hu
    result = hu.clone()
    for _ in range(1 + index(2, generator)):
        z, y, x = (int(n) for n in tissue[index(len(tissue), generator)])
        half = 1 + index(6, generator)
        levels = slice(max(0, z - half), z + half + 1)
        result[levels] += _streaks((y, x), tuple(hu.shape), generator)
        size = uniform(1.5, 3.5, generator)
        rows, columns = (torch.arange(n, dtype=torch.float32) for n in hu.shape[1:])
        piece = (rows[:, None] - y) ** 2 + (columns[None] - x) ** 2 < size**2
        result[levels, piece] = METAL_HU
    return result


def _streaks(centre: tuple[int, int], shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
    y, x = (torch.arange(n, dtype=torch.float32) for n in shape[1:])
    dy, dx = y[:, None] - centre[0], x[None] - centre[1]
    strength = torch.randn(RAYS, generator=generator) * uniform(80, 300, generator)
    strength = strength - strength.mean()
    ray = ((torch.atan2(dy, dx) / (2 * math.pi) + 0.5) * RAYS).long().clamp(0, RAYS - 1)
    fade = torch.exp(-(dy**2 + dx**2).sqrt() / uniform(15, 60, generator))
    return strength[ray] * fade


def table(hu: Tensor, generator: torch.Generator) -> Tensor:
    """Return HU with a table in the air behind the patient: a curved plate with a bright skin."""
    y, x = (torch.arange(n, dtype=torch.float32) for n in hu.shape[1:])
    bow = uniform(0, 0.004, generator) * (x - hu.shape[2] * uniform(0.2, 0.8, generator)) ** 2
    top = hu.shape[1] * uniform(0.6, 0.95, generator) - bow
    depth = y[:, None] - top[None]
    thickness = uniform(4, 14, generator)
    inside, skin = (depth >= 0) & (depth < thickness), (depth - thickness / 2).abs()
    plate = torch.where(skin > thickness / 2 - 1.2, uniform(0, 300, generator), -850.0)
    return torch.where(inside & is_air_behind(hu) & is_scanned(hu), plate, hu)


def arms(hu: Tensor, generator: torch.Generator) -> Tensor:
    """Return HU with an arm in the air beside the patient: fat, muscle and bone, one in another."""
    y, x = (torch.arange(n, dtype=torch.float32) for n in hu.shape[1:])
    side = uniform(0, 0.15, generator)
    cx = hu.shape[2] * (side if uniform(0, 1, generator) < 0.5 else 1 - side)
    cy = hu.shape[1] * uniform(0.2, 0.8, generator)
    radius, squeeze = uniform(18, 32, generator), uniform(0.7, 1.3, generator)
    away = ((y[:, None] - cy) ** 2 * squeeze + (x[None] - cx) ** 2).sqrt() / radius
    limb = torch.full_like(away, uniform(-110, -80, generator))
    limb = torch.where(away < 0.85, uniform(30, 80, generator), limb)
    limb = torch.where(away < 0.3, uniform(400, 900, generator), limb)
    outside = (hu < AIR_BELOW) & ~_inside_body(hu) & is_scanned(hu)
    return torch.where((away < 1) & outside, limb, hu)


def lesions(hu: Tensor, labels: Tensor, generator: torch.Generator) -> Tensor:
    """Return HU with one to four round lesions in solid organs, darker or brighter; labels stay."""
    spots = torch.isin(labels, torch.tensor(SOLID)).nonzero()
    if len(spots) < 200:
        return hu
    result = hu.clone()
    for _ in range(1 + index(4, generator)):
        centre = spots[index(len(spots), generator)]
        radius = uniform(2, 12, generator)
        reach = int(2 * radius)
        box = tuple(slice(max(0, int(c) - reach), int(c) + reach + 1) for c in centre)
        axes = [
            torch.arange(n, dtype=torch.float32) - c for n, c in zip(hu.shape, centre, strict=True)
        ]
        z, y, x = (axis[part] for axis, part in zip(axes, box, strict=True))
        away = (z[:, None, None] ** 2 + y[:, None] ** 2 + x**2).sqrt()
        result[box] += torch.sigmoid((radius - away) * 1.5) * uniform(-90, 60, generator)
    return result


def is_air_behind(hu: Tensor) -> Tensor:
    """Return which voxels are air with no tissue behind them (larger y is posterior)."""
    tissue = (hu > AIR_BELOW).float()
    behind = tissue.flip(1).cumsum(1).flip(1) > 0
    return ~behind


def is_scanned(hu: Tensor) -> Tensor:
    """Return which slices (z, 1, 1) hold tissue; the others lie beyond the scan."""
    return (hu > AIR_BELOW).flatten(1).any(dim=1)[:, None, None]


def _inside_body(hu: Tensor) -> Tensor:
    """Return which voxels are tissue or have tissue on both sides: gas in the bowel, lungs."""
    tissue = functional.max_pool2d((hu > AIR_BELOW).float()[:, None], 5, 1, 2)[:, 0]
    left, right = tissue.cumsum(2) > 0, tissue.flip(2).cumsum(2).flip(2) > 0
    return left & right
