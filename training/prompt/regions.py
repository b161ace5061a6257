"""Regions grown from the middle voxel of a scene: vessels, bones, pieces of muscle, fat and air."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from training.prompt.scenes import SHAPE

TOLERANCES = (1.0, 0.6, 0.36, 0.2)
"""Shares of the tolerance that are tried until a region does not reach the edge of its scene."""
ROUNDS = 24
"""Of dilation by two voxels."""
MARGIN = (3, 7, 7)
"""Voxels (z, y, x) at the edge of a scene that a region may not reach."""
BONE_HU, GAS_HU = 180.0, -500.0
MIDDLE = tuple(n // 2 for n in SHAPE)


def grow(hu: Tensor, tissues: list[str], rng: np.random.Generator) -> Tensor:
    """Return the mask (n, 1, z, y, x) of a region in each scene; empty where it has no end."""
    smooth = functional.avg_pool3d(hu, 3, 1, 1, count_include_pad=False)
    if rng.random() < 0.5:
        smooth = functional.avg_pool3d(smooth, 3, 1, 1, count_include_pad=False)
    spread = np.exp(rng.uniform(math.log(20), math.log(70), len(hu)))
    tolerance = torch.tensor(spread, dtype=torch.float32, device=hu.device)
    edge = torch.ones(1, 1, *SHAPE, device=hu.device, dtype=torch.bool)
    edge[(..., *(slice(m, -m) for m in MARGIN))] = False
    best = torch.zeros_like(smooth)
    for share in TOLERANCES:
        found = _connected(_alike(smooth, tolerance * share, tissues))
        leaks = ((found > 0) & edge).flatten(1).any(1)
        take = (best.flatten(1).amax(1) == 0) & ~leaks
        best[take] = found[take]
    return (functional.avg_pool3d(best, 3, 1, 1) > 0.5).float()


def _alike(smooth: Tensor, tolerance: Tensor, tissues: list[str]) -> Tensor:
    middle = smooth[(slice(None), slice(None), *MIDDLE)][:, :, None, None, None]
    alike = (smooth - middle).abs() < tolerance[:, None, None, None, None]
    for i, tissue in enumerate(tissues):
        if tissue == "bone":
            alike[i] = smooth[i] > BONE_HU
        if tissue in ("lung", "air"):
            alike[i] = smooth[i] < GAS_HU
    return alike.float()


def _connected(alike: Tensor) -> Tensor:
    """Return what is connected to the middle voxel, near enough."""
    found = torch.zeros_like(alike)
    found[(slice(None), slice(None), *MIDDLE)] = 1
    found = found * alike
    for _ in range(ROUNDS):
        found = functional.max_pool3d(found, 5, 1, 2) * alike
    return found
