"""Organs with a local fault, for a network that corrects what was found by one click.

A cube about the border of an organ, and the organ as if found: with a bump too many, or a bite out
of it, and off by a voxel elsewhere. What is to be learned is the fault alone: elsewhere the organ
shall stay as it was found, right or wrong.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from training.prompt import pool
from training.prompt.cases import SPACING, Case, Zyx
from training.prompt.crops import RATIO, Crops
from training.prompt.scenes import Scene, axes, between

SIDE_MM, FAULT_MM = (48.0, 64.0), (4.0, 16.0)
"""Side of the cube; radius of the fault."""
APART_MM, TRIES = 8.0, 20
"""So far from a voxel of the organ one outside is looked for, and so often."""
LEAKS, OFF = 0.5, 0.7
"""Shares of bumps that follow what looks like the organ; of organs that are off elsewhere too."""
LEAST_VOXELS = 40
"""Of a fault, in the crop."""


def draw(
    cases: list[Case], chances: Zyx, left_out: tuple[int, ...], rng: np.random.Generator
) -> Scene:
    """Return a cube about a random place of the border of a random organ."""
    while True:
        case = cases[int(rng.choice(len(cases), p=chances))]
        known = [value for value in case.boxes if value not in left_out]
        centre = _border(case, int(rng.choice(known)), rng) if known else None
        if centre is not None:
            half = np.full(3, rng.uniform(*SIDE_MM) / 2)
            return Scene(case, centre[0], half, "organ", "organ", centre[1], (-np.inf, np.inf))


def _border(case: Case, organ: int, rng: np.random.Generator) -> tuple[Zyx, int] | None:
    """Return a place between a voxel of an organ and one outside, and the organ."""
    for _ in range(TRIES):
        points = case.points[organ]
        inside: Zyx = points[rng.integers(len(points))]
        way = rng.normal(size=3)
        outside = inside + APART_MM * way / np.linalg.norm(way) / SPACING
        index = tuple(np.clip(np.rint(outside), 0, np.array(case.labels.shape) - 1).astype(int))
        if case.labels[index] != organ:
            return inside + rng.random() * (outside - inside), organ
    return None


def crops(hu: Tensor, mask: Tensor, grid: tuple[int, int, int], rng: np.random.Generator) -> Crops:
    """Return crops with an organ that has a fault; what is to be found is it without the fault.

    Args:
        hu: Scenes (n, 1, z, y, x), cubes.
        mask: Of their organs.
        grid: Voxels of a crop.
        rng: Numbers are drawn from it, shapes from torch.
    """
    hu = functional.interpolate(hu, grid, mode="trilinear", antialias=False)
    truth = (functional.interpolate(mask, grid, mode="trilinear") > 0.5).float()
    fault = torch.cat([_bump(grid, hu.device, rng) for _ in range(len(hu))])
    former = torch.stack([_found(*one, rng) for one in zip(hu, truth, fault, strict=True)])
    wanted = torch.where(fault > 0, truth, former)
    enough = (former != wanted).sum((1, 2, 3, 4)) >= LEAST_VOXELS
    z, y, x = ((at.abs() <= 1 / RATIO).float() for at in axes(grid, hu.device))
    box = (z[:, None, None] * y[:, None] * x).expand_as(hu).clone()
    return Crops(hu, box, wanted, enough.float(), former)


def _bump(grid: tuple[int, int, int], device: torch.device, rng: np.random.Generator) -> Tensor:
    """Return a bumpy ball (1, 1, z, y, x) about the middle."""
    radius = 2 * between(*FAULT_MM, rng) / np.mean(SIDE_MM)
    z, y, x = (line * rng.uniform(0.7, 1.4) for line in axes(grid, device))
    apart = (z[:, None, None] ** 2 + y[:, None] ** 2 + x**2).sqrt() / radius
    bumps = functional.interpolate(
        torch.randn(1, 1, 5, 7, 7, device=device), grid, mode="trilinear"
    )
    return (apart + 0.25 * bumps < 1).float()


def _found(hu: Tensor, truth: Tensor, fault: Tensor, rng: np.random.Generator) -> Tensor:
    """Return an organ (1, z, y, x) as if found: wrong where the fault is, a bit off elsewhere."""
    other = torch.zeros_like(truth)
    if rng.random() < 0.5:
        other = torch.ones_like(truth)
        if rng.random() < LEAKS and truth.any():
            smooth = pool.mean(hu[None], (3, 3, 3))[0]
            other = ((smooth - hu[truth > 0].median()).abs() < between(20, 80, rng)).float()
        other = torch.maximum(other, truth)
    found = truth
    if rng.random() < OFF:
        sign = 1 if rng.random() < 0.5 else -1
        found = sign * pool.largest(sign * truth[None])[0]
    return torch.where(fault > 0, other, found)
