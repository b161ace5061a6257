"""Regions grown from the middle voxel of a scene: vessels, bones, pieces of muscle, fat and air."""

from __future__ import annotations

import math

import numpy as np
import torch
from scipy import ndimage
from torch import Tensor

from training.prompt import pool
from training.prompt.scenes import SHAPE

TOLERANCES = (1.0, 0.6, 0.36, 0.2)
"""Shares of the tolerance that are tried until a region does not reach the edge of its scene."""
MARGIN = (3, 7, 7)
"""Voxels (z, y, x) at the edge of a scene that a region may not reach."""
NEXT = (3, 3, 3)
"""Box about a voxel that is smoothed over."""
BONE_HU, GAS_HU = 180.0, -500.0
MIDDLE = tuple(n // 2 for n in SHAPE)


def grow(hu: Tensor, tissues: list[str], rng: np.random.Generator) -> Tensor:
    """Return the mask (n, 1, z, y, x) of a region in each scene; empty where it has no end."""
    smooth = pool.mean(hu, NEXT)
    if rng.random() < 0.5:
        smooth = pool.mean(smooth, NEXT)
    spread = np.exp(rng.uniform(math.log(20), math.log(70), len(hu)))
    tolerance = torch.tensor(spread, dtype=torch.float32, device=hu.device)
    edge = torch.ones(1, 1, *SHAPE, device=hu.device, dtype=torch.bool)
    edge[(..., *(slice(m, -m) for m in MARGIN))] = False
    best = torch.zeros_like(smooth)
    for share in TOLERANCES:
        found = _connected(_alike(smooth, smooth, tolerance * share, tissues))
        found = _grown(found, _alike(hu, smooth, tolerance * share, tissues))
        leaks = ((found > 0) & edge).flatten(1).any(1)
        take = (best.flatten(1).amax(1) == 0) & ~leaks
        best[take] = found[take]
    return (pool.mean(best, NEXT) > 0.5).float()


def _grown(found: Tensor, alike: Tensor) -> Tensor:
    """Return regions with what is alike beside them before smoothing, which blurs their border."""
    return torch.maximum(found, pool.largest(found) * alike)


def _alike(hu: Tensor, smooth: Tensor, tolerance: Tensor, tissues: list[str]) -> Tensor:
    middle = smooth[(slice(None), slice(None), *MIDDLE)][:, :, None, None, None]
    alike = (hu - middle).abs() < tolerance[:, None, None, None, None]
    for i, tissue in enumerate(tissues):
        if tissue == "bone":
            alike[i] = hu[i] > BONE_HU
        if tissue in ("lung", "air"):
            alike[i] = hu[i] < GAS_HU
    return alike.float()


def _connected(alike: Tensor) -> Tensor:
    """Return what is connected to the middle voxel by faces, edges or corners."""
    found = torch.zeros_like(alike)
    for one, here in zip(found, alike.bool(), strict=True):
        parts, _ = ndimage.label(here[0].cpu().numpy(), np.ones((3, 3, 3)))
        if parts[MIDDLE]:
            one[0] = torch.from_numpy(parts == parts[MIDDLE]).to(one)
    return found
