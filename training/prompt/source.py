"""Batches of crops out of a ring of scenes. What is in it depends on seed and step alone."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from training.prompt import lesions, pool, regions
from training.prompt.cases import Case
from training.prompt.crops import Crops, changed, crops
from training.prompt.scenes import SHAPE, between, chances_of, cut, draw, seeded
from training.prompt.settings import Settings
from training.prompt.tubes import tube

TINTED, TINT_HU = 0.4, (10.0, 120.0)
"""Share of organs whose HU are changed as a whole, and by how much."""


class Source:
    """Gives the crops of each step; resumed at any step, it gives those of an unbroken run."""

    def __init__(self, cases: list[Case], settings: Settings, device: torch.device) -> None:
        self._cases, self._settings, self._device = cases, settings, device
        self._chances = chances_of(cases, settings.often)
        count = settings.ring
        self._hu = torch.zeros(count, 1, *SHAPE, device=device)
        self._mask = torch.zeros(count, 1, *SHAPE, device=device, dtype=torch.bool)
        self._is_organ = torch.zeros(count, device=device, dtype=torch.bool)
        self._filled = -1
        """Rounds of fresh scenes that the ring holds."""

    @torch.no_grad()
    def batch(self, step: int) -> Crops:
        """Return the crops of a step, counted from 0."""
        rounds = self._settings.ring // self._settings.fresh
        last = step + rounds - 1
        for number in range(max(self._filled + 1, last - rounds + 1), last + 1):
            self._put(number)
        self._filled = last
        rng = seeded(self._settings.seed, step, 1)
        count, size = self._settings.batch, self._settings.ring
        rows = torch.from_numpy(rng.choice(size, count, replace=count > size)).to(self._device)
        hu, mask, grid = self._hu[rows], self._mask[rows].float(), self._settings.grid
        flat = self._settings.flat
        return changed(crops(hu, mask, self._is_organ[rows], grid, flat=flat))

    def _put(self, number: int) -> None:
        """Put fresh scenes in the place of the oldest."""
        settings, rng = self._settings, seeded(self._settings.seed, number, 0)
        drawn = [
            draw(self._cases, self._chances, settings.left_out, rng) for _ in range(settings.fresh)
        ]
        pairs = [cut(scene) for scene in drawn]
        hu, mask = (torch.stack(part) for part in zip(*pairs, strict=True))
        painted = [i for i, scene in enumerate(drawn) if scene.kind == "lesion"]
        if painted:
            places = [drawn[i].what for i in painted]
            long = {
                row: tube(drawn[i].half_mm, rng)
                for row, i in enumerate(painted)
                if drawn[i].what == "tube"
            }
            hu[painted], mask[painted] = lesions.paint(hu[painted], places, rng, long)
        grown = [i for i, scene in enumerate(drawn) if scene.kind == "region"]
        if grown:
            mask[grown] = regions.grow(hu[grown], [drawn[i].what for i in grown], rng)
        for i, scene in enumerate(drawn):
            if scene.kind == "organ":
                hu[i] = tinted(hu[i], mask[i], rng)
        rows = (torch.arange(settings.fresh) + number * settings.fresh) % settings.ring
        self._hu[rows], self._mask[rows] = hu, mask > 0
        self._is_organ[rows] = torch.tensor(
            [scene.kind == "organ" for scene in drawn], device=self._device
        )


def objective(logits: Tensor, crops: Crops) -> tuple[Tensor, Tensor]:
    """Return the loss (cross-entropy and Dice) and the mean DSC of crops that count."""
    logits, truth = logits.float(), crops.truth
    entropy = torch.nn.functional.binary_cross_entropy_with_logits(
        logits, truth, reduction="none"
    ).mean((1, 2, 3, 4))
    soft = _dice(torch.sigmoid(logits), truth, 1.0)
    hard = _dice((logits > 0).float(), truth, 1e-6)
    weight = crops.weight / crops.weight.sum().clamp_min(1)
    return ((2 * entropy + 1 - soft) * weight).sum(), (hard * weight).sum()


def _dice(found: Tensor, truth: Tensor, smooth: float) -> Tensor:
    both = (found * truth).sum((1, 2, 3, 4))
    sums = found.sum((1, 2, 3, 4)) + truth.sum((1, 2, 3, 4))
    return (2 * both + smooth) / (sums + smooth)


def tinted(hu: Tensor, mask: Tensor, rng: np.random.Generator) -> Tensor:
    """Return a scene (1, z, y, x) whose organ took up more contrast medium, or less."""
    if rng.random() > TINTED:
        return hu
    change = between(*TINT_HU, rng) * rng.choice((-1, 1))
    return hu + pool.mean(mask[None], (3, 3, 3))[0] * change
