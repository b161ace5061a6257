"""Courses of tubes through a scene: vessels, ducts and loops, straight, winding or bent back."""

from __future__ import annotations

import numpy as np
import torch
from scipy.interpolate import CubicSpline
from torch import Tensor
from torch.nn import functional

from training.prompt.cases import Zyx
from training.prompt.scenes import SHAPE, axes, between

KNOTS, POINTS = 5, 64
"""Points that a course is drawn by, and those that it is followed by."""
LOOPS, BESIDE = 0.4, 0.5
"""Shares of tubes that come back on themselves, and of tubes with another of the same blood."""
COARSE = tuple(n // 2 for n in SHAPE)
"""Distances are taken on so many voxels, and interpolated."""
FAR = 99.0
REACH = 2.0
"""Half a scene, in halves of what is in its middle."""


def tube(half_mm: Zyx, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
    """Return the distance (1, z, y, x) of each voxel to a tube, in radii, and to another beside it.

    The tube goes through the middle half of the scene along z and stays in it along y and x. Where
    there is no other one, it is far away. half_mm is half the size of the scene (z, y, x).
    """
    half = half_mm / REACH
    radius = min(float(half[1]) * between(0.12, 0.9, rng), float(half[0]) * 0.9)
    course = _course(half, radius, rng)
    other = torch.full((1, *SHAPE), FAR)
    if rng.random() < BESIDE:
        aside = rng.choice((-1, 1), 3) * rng.uniform(0.3, 1.2, 3) * half * (0.5, 1, 1)
        beside = _course(half * rng.uniform(0.8, 1.6, 3), radius, rng) + aside
        other = _distance(beside, half_mm, radius * rng.uniform(0.5, 1.2), rng)
    return _distance(course, half_mm, radius, rng), other


def _course(half: Zyx, radius: float, rng: np.random.Generator) -> Zyx:
    """Return points (POINTS, 3) of the middle of a tube that fills a box of half that size, mm."""
    reach = np.maximum(half - radius, 0.02 * radius)
    z = np.linspace(-1, 1, KNOTS)
    if rng.random() < LOOPS:
        z = 1 - 2 * np.abs(np.linspace(-1, rng.uniform(0.2, 1), KNOTS))
    aside = np.cumsum(rng.normal(0, 1, (KNOTS, 2)), 0) * rng.uniform(0.1, 1)
    if z[-1] < z.max():
        aside[:, 0] += np.linspace(-2, 2, KNOTS) * rng.uniform(0.5, 1.5)
    knots = np.concatenate([z[:, None], aside[:, rng.permutation(2)]], 1)
    line = CubicSpline(np.arange(KNOTS), knots)(np.linspace(0, KNOTS - 1, POINTS))
    line = line - (line.max(0) + line.min(0)) / 2
    wide = np.maximum(np.abs(line).max(0), (1e-6, 1, 1))
    found: Zyx = line / wide * reach
    found[:, 0] *= rng.choice((-1, 1))
    return found


def _distance(course: Zyx, half_mm: Zyx, radius: float, rng: np.random.Generator) -> Tensor:
    """Return how far voxels are from a course, in radii, which change along it."""
    swell = rng.uniform(0, 0.3) * np.sin(
        np.linspace(0, rng.uniform(1, 8), POINTS) + rng.uniform(0, 6)
    )
    z, y, x = (
        line * float(size)
        for line, size in zip(axes(COARSE, torch.device("cpu")), half_mm, strict=True)
    )
    nearest = torch.full(COARSE, FAR)
    for point, wide in zip(course, radius * (1 + swell), strict=True):
        dz, dy, dx = (
            ((line - float(p)) / wide) ** 2 for line, p in zip((z, y, x), point, strict=True)
        )
        nearest = torch.minimum(nearest, dz[:, None, None] + dy[:, None] + dx)
    found: Tensor = functional.interpolate(
        nearest.sqrt()[None, None], SHAPE, mode="trilinear", align_corners=False
    )
    return found[0]
