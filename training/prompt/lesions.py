"""Lesions painted into CTs: bumpy super-ellipsoids with soft rims, texture, cores and shells."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from training.prompt import pool
from training.prompt.scenes import axes
from training.prompt.tubes import FAR

CYSTS, CORES, SHELLS, CALCIFIED = 0.15, 0.25, 0.20, 0.30
"""Shares of lesions that are cysts, that have a core, a shell; of shells that are calcified."""
DARKER, STRONG = 0.65, 0.12
"""Shares that are darker than what is about them, and of three times the contrast."""
MIXED, PARTS_HU = 0.2, 40.0
"""Share of lesions of several tissues, and how far these are apart at most (SD)."""
WARPED, WARP = 0.4, (0.08, 0.4)
"""Share of lesions that are bent, and by how much, in radii (SD)."""
BLOOD = 0.7
"""Share of tubes that are full of contrast medium."""
APART = 0.3
"""Between a tube and another one, in radii."""


def paint(
    hu: Tensor,
    places: list[str],
    rng: np.random.Generator,
    tubes: Mapping[int, tuple[Tensor, Tensor]] | None = None,
) -> tuple[Tensor, Tensor]:
    """Return scenes with a lesion in the middle of each, and the masks of these.

    Args:
        hu: Scenes (n, 1, z, y, x), about four radii wide; z = 1 shows the middle of each lesion.
        places: Where each lies: organ, soft, node, nodule, tube.
        rng: Numbers are drawn from it, noise from torch.
        tubes: Scenes that show a tube instead: see tubes.tube().
    """
    n, device, shape = len(hu), hu.device, tuple(hu.shape[2:])
    radius, beside = _radius(n, shape, device, rng), hu.new_full((n, 1, *shape), FAR)
    for row, (own, other) in (tubes or {}).items():
        radius[row], beside[row] = own.to(device), other.to(device)
    bumps = _noise(n, (4, 5, 5), shape, device) * _column(rng.uniform(0, 0.26, n), device)
    bumps = bumps + _noise(n, (9, 12, 12), shape, device) * _column(rng.uniform(0, 0.11, n), device)
    inside = 0.8 + bumps - radius
    alike = torch.where(inside < -APART, 0.8 - beside, inside).maximum(inside)
    soft = torch.sigmoid(alike / (_column(rng.uniform(0.03, 0.2, n), device) * 0.5))
    size = [2 * min(4, (count - 1) // 2) + 1 for count in shape]
    smooth = pool.mean(hu, size)
    about = (radius < 1.3).float()
    level = (smooth * about).sum((2, 3, 4)) / about.sum((2, 3, 4)).clamp_min(1)
    value = _column(_values(level.flatten().cpu().numpy(), places, rng), device)
    value = value + _noise(n, (11, 22, 22), shape, device) * _column(rng.uniform(0, 14, n), device)
    parts = rng.uniform(0, PARTS_HU, n) * (rng.random(n) < MIXED)
    value = value + _noise(n, (5, 7, 7), shape, device) * _column(parts, device)
    fine = pool.mean(hu, [min(count, 3) for count in shape])
    value = value + (fine - smooth) * _column(rng.uniform(0.1, 1, n), device) + hu - fine
    value = value + _core(radius, rng) + _shell(inside, rng)
    return hu * (1 - soft) + value * soft, (inside > 0).float()


def _radius(
    n: int, shape: tuple[int, ...], device: torch.device, rng: np.random.Generator
) -> Tensor:
    """Return the distance of each voxel in a turned super-ellipsoid, 1 about at its border."""
    grid = torch.stack(torch.meshgrid(*axes(shape, device), indexing="ij")) * 2.0
    turns = torch.linalg.qr(torch.randn(n, 3, 3))[0].to(device)
    scale = torch.tensor(rng.uniform(0.75, 1.0, (n, 3)), dtype=torch.float32, device=device)
    warp = rng.uniform(*WARP, n) * (rng.random(n) < WARPED)
    moved = _noise(n, (4, 4, 4), shape, device, 3) * _column(warp, device)
    at = torch.einsum("nij,njzyx->nizyx", turns, grid + moved) / scale[:, :, None, None, None]
    power = _column(rng.uniform(1.7, 3.2, n), device)
    return (at.abs().clamp_min(1e-4) ** power).sum(1, keepdim=True) ** (1 / power)


def _values(about: np.ndarray, places: list[str], rng: np.random.Generator) -> np.ndarray:
    """Return the HU of each lesion, by its place and what is about it."""
    found = []
    for level, place in zip(about, places, strict=True):
        contrast = math.exp(rng.uniform(math.log(10), math.log(90)))
        contrast *= (3 if rng.random() < STRONG else 1) * (-1 if rng.random() < DARKER else 1)
        if place == "nodule":
            found.append(rng.uniform(-100, 60))
        elif place == "tube" and rng.random() < BLOOD:
            found.append(rng.uniform(80, 380))
        elif place == "node":
            found.append(rng.uniform(30, 110))
        elif rng.random() < CYSTS:
            found.append(rng.uniform(0, 20))
        else:
            found.append(float(np.clip(level + contrast, -60, 400)))
    return np.array(found)


def _core(radius: Tensor, rng: np.random.Generator) -> Tensor:
    n, device = len(radius), radius.device
    change = rng.uniform(-70, 70, n) * (rng.random(n) < CORES)
    return _column(change, device) * (radius < _column(rng.uniform(0.3, 0.65, n), device)).float()


def _shell(inside: Tensor, rng: np.random.Generator) -> Tensor:
    n = len(inside)
    calcified = rng.random(n) < CALCIFIED
    change = np.where(calcified, rng.uniform(30, 400, n), rng.uniform(20, 90, n))
    change = change * (rng.random(n) < SHELLS)
    return _column(change, inside.device) * torch.exp(-(((inside - 0.06) / 0.05) ** 2))


def _noise(
    n: int,
    coarse: tuple[int, int, int],
    shape: tuple[int, ...],
    device: torch.device,
    channels: int = 1,
) -> Tensor:
    low = torch.randn(n, channels, *coarse, device=device)
    found: Tensor = functional.interpolate(low, shape, mode="trilinear", align_corners=False)
    return found


def _column(values: np.ndarray, device: torch.device) -> Tensor:
    return torch.tensor(values, dtype=torch.float32, device=device)[:, None, None, None, None]
