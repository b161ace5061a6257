"""Crops about clicks into what is wrong with an organ, for a network that corrects it.

A cube about an error of FlareSeg's own (see results.py and spots.py), or about one that is made: a
bite out of the organ, or a bump that may follow what looks like it. The former mask is the organ as
it was found, what is to be learned is the organ, and only what the click may change counts: voxels
not yet in the organ for a click inside, those in it for a click outside, near the click.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from FlareSegLib.prompting.channels import CLICK_SIGMA
from training.prompt import pool
from training.prompt.cases import SCALE, SPACING, Case, Zyx
from training.prompt.clicks import channels
from training.prompt.crops import RATIO, Crops, changed
from training.prompt.results import load_results
from training.prompt.scenes import axes, between, seeded
from training.prompt.settings import Settings
from training.prompt.spots import LEAST_ORGAN, Spot, spots_of

SIDE_MM = (30.0, 50.0)
"""Side of the cube about a click."""
REAL, WORSENED = 0.72, 0.5
"""Share of crops with an error of FlareSeg's own; of those that show the CT as it was found in."""
BUMP_MM, APART_MM = (4.0, 22.0), (4.0, 14.0)
"""Radius of an error that is made; how far from the organ one outside has its middle."""
LEAKS, LEAK_HU = 0.7, (20.0, 90.0)
"""Share of bumps that follow what looks like their middle, and how much it may differ."""
NEAR_MM, DICE_MM, REACH_MM, FAR = 14.0, 18.0, 26.0, 0.05
"""Cross-entropy counts less the further from the click (SD, with a rest of FAR) and not beyond
REACH_MM; Dice counts within DICE_MM."""

Grid = tuple[int, int, int]


@dataclass(frozen=True)
class Faults:
    """A batch: what the network is shown, (n, 7, z, y, x), and what is to be learned."""

    shown: Tensor
    former: Tensor
    truth: Tensor
    inside: Tensor
    """(n, 1, 1, 1, 1): 1 for clicks inside."""
    apart_mm: Tensor
    """(n, 1, z, y, x), from the click."""


@dataclass(frozen=True)
class _Found:
    case: Case
    hu: Tensor
    """int16, the CT as it was made worse."""
    clean: Tensor
    found: Tensor
    spots: list[Spot]
    chances: Zyx


@dataclass(frozen=True)
class _Fault:
    """Crops (1, z, y, x) about a click."""

    hu: Tensor
    former: Tensor
    truth: Tensor
    inside: bool
    side_mm: float


class FaultSource:
    """Gives the crops of each step; what is in it depends on seed and step alone."""

    def __init__(self, cases: list[Case], settings: Settings, device: torch.device) -> None:
        assert settings.results
        self._settings, self._device = settings, device
        clean = {case.name: (case.hu[0].float().cpu() * SCALE).to(torch.int16) for case in cases}
        self._found = [
            _Found(
                result.case,
                torch.from_numpy(result.hu),
                clean[result.case.name],
                torch.from_numpy(result.found),
                spots := spots_of(result.found, result.case.labels.cpu().numpy()),
                np.array([spot.weight for spot in spots]),
            )
            for result in load_results(settings.results, cases)
        ]

    def batch(self, step: int) -> Faults:
        """Return the crops of a step, counted from 0."""
        rng, grid = seeded(self._settings.seed, step), self._settings.grid
        drawn = [self._one(rng) for _ in range(self._settings.batch)]
        hu, former, truth = (
            torch.stack([getattr(one, name) for one in drawn]).to(self._device)
            for name in ("hu", "former", "truth")
        )
        box = _cube(grid).to(self._device).expand_as(hu).clone()
        weight = torch.ones(len(drawn), device=self._device)
        crops = changed(Crops(hu, box, truth, weight, former))
        inside = torch.tensor([float(one.inside) for one in drawn], device=self._device)
        inside = inside[:, None, None, None, None]
        sides = torch.tensor([one.side_mm for one in drawn])[:, None, None, None, None]
        apart = (_apart(grid) * sides * (RATIO / 2)).to(self._device)
        assert crops.former is not None
        clicks = _click(grid).to(self._device)
        shown = channels(crops, crops.former, clicks * inside, clicks * (1 - inside))
        return Faults(shown, crops.former, crops.truth, inside, apart)

    def _one(self, rng: np.random.Generator) -> _Fault:
        """Return an error whose middle is wrong after resampling too."""
        middle = (0, *(n // 2 for n in self._settings.grid))
        while True:
            one = self._found[int(rng.integers(len(self._found)))]
            is_real = rng.random() < REAL and len(one.spots) > 0
            fault = self._real(one, rng) if is_real else self._made(one, rng)
            if fault is None:
                continue
            if bool(fault.truth[middle]) == fault.inside != bool(fault.former[middle]):
                return fault

    def _real(self, one: _Found, rng: np.random.Generator) -> _Fault:
        spot = one.spots[int(rng.choice(len(one.spots), p=one.chances / one.chances.sum()))]
        at = spot.points[rng.integers(len(spot.points))].astype(float)
        return self._cut(one, spot.organ, at, rng, inside=spot.inside)

    def _made(self, one: _Found, rng: np.random.Generator) -> _Fault | None:
        organ, inside = int(rng.integers(1, 14)), bool(rng.random() < 0.5)
        if organ not in one.case.points or len(one.case.points[organ]) < LEAST_ORGAN:
            return None
        at = one.case.points[organ][rng.integers(len(one.case.points[organ]))]
        if not inside:
            way = rng.normal(size=3)
            at = at + way / np.linalg.norm(way) * rng.uniform(*APART_MM) / SPACING
        fault = self._cut(one, organ, at, rng, inside=inside)
        bump = _bump(self._settings.grid, fault.side_mm, rng)
        if inside:
            return _Fault(fault.hu, fault.former * ~bump, fault.truth, inside, fault.side_mm)
        leak = bump & ~(fault.truth > 0)
        if rng.random() < LEAKS:
            smooth = pool.mean(fault.hu[None], (3, 3, 3))[0]
            middle = smooth[(0, *(n // 2 for n in self._settings.grid))]
            leak &= (smooth - middle).abs() < rng.uniform(*LEAK_HU)
        former = torch.maximum(fault.former, leak.float())
        return _Fault(fault.hu, former, fault.truth, inside, fault.side_mm)

    def _cut(
        self, one: _Found, organ: int, at: Zyx, rng: np.random.Generator, *, inside: bool
    ) -> _Fault:
        side, grid = rng.uniform(*SIDE_MM), self._settings.grid
        hu = taken(one.hu if rng.random() < WORSENED else one.clean, at, side, grid)
        former = taken(one.found == organ, at, side, grid) > 0.5
        truth = taken(one.case.labels.cpu() == organ, at, side, grid) > 0.5
        return _Fault(hu, former.float(), truth.float(), inside, side)


def taken(volume: Tensor, at: Zyx, side_mm: float, grid: Grid) -> Tensor:
    """Return the crop (1, *grid) of a volume (z, y, x) about a voxel, and a cube of side_mm."""
    half = side_mm * RATIO / 2 / SPACING
    reach = np.ceil(half).astype(int) + 2
    middle = np.rint(at).astype(int)
    low = np.clip(middle - reach, 0, np.array(volume.shape) - 1)
    high = np.clip(middle + reach + 1, low + 1, volume.shape)
    part = volume[tuple(map(slice, low, high))].float()[None, None]
    lines = [
        (float(a) + line * float(h) - float(first) + 0.5) / count * 2 - 1
        for a, h, first, count, line in zip(
            at, half, low, part.shape[2:], axes(grid, part.device), strict=True
        )
    ]
    where = torch.stack(torch.meshgrid(*lines, indexing="ij")).permute(1, 2, 3, 0).flip(-1)[None]
    found: Tensor = functional.grid_sample(
        part, where.float(), mode="bilinear", padding_mode="border", align_corners=False
    )[0]
    return found


def objective(logits: Tensor, batch: Faults) -> tuple[Tensor, Tensor]:
    """Return the loss, of what a click may change alone, and the mean soft DSC of the change."""
    may = torch.where(batch.inside > 0, 1 - batch.former, batch.former)
    near = torch.exp(-((batch.apart_mm / NEAR_MM) ** 2)) + FAR
    weight = may * near * (batch.apart_mm < REACH_MM)
    entropy = functional.binary_cross_entropy_with_logits(logits, batch.truth, reduction="none")
    entropy = _sum(entropy * weight) / _sum(weight).clamp_min(1)
    counts = may * (batch.apart_mm < DICE_MM)
    chance = torch.sigmoid(logits)
    change = torch.where(batch.inside > 0, chance, 1 - chance) * counts
    wanted = (batch.truth != batch.former).float() * counts
    dice = (2 * _sum(change * wanted) + 5) / (_sum(change) + _sum(wanted) + 5)
    return (2 * entropy + 1 - dice).mean(), dice.mean()


def _sum(values: Tensor) -> Tensor:
    return values.sum((1, 2, 3, 4))


def _apart(grid: Grid) -> Tensor:
    """Return how far voxels are from the middle, in halves of the crop."""
    z, y, x = axes(grid, torch.device("cpu"))
    return (z[:, None, None] ** 2 + y[:, None] ** 2 + x**2).sqrt()


def _cube(grid: Grid) -> Tensor:
    z, y, x = ((at.abs() <= 1 / RATIO).float() for at in axes(grid, torch.device("cpu")))
    return (z[:, None, None] * y[:, None] * x)[None]


def _click(grid: Grid) -> Tensor:
    """Return the channel of a click in the middle, as FlareSegLib.prompting.channels has it."""
    z, y, x = (torch.arange(n) - n // 2 for n in grid)
    square = (2 * z[:, None, None]) ** 2 + y[:, None] ** 2 + x**2
    return torch.exp(-square.float() / (2 * CLICK_SIGMA**2))[None]


def _bump(grid: Grid, side_mm: float, rng: np.random.Generator) -> Tensor:
    """Return a bumpy ball (1, z, y, x) about the middle."""
    half = side_mm * RATIO / 2 / between(*BUMP_MM, rng)
    z, y, x = (line * half * rng.uniform(0.7, 1.4) for line in axes(grid, torch.device("cpu")))
    apart = (z[:, None, None] ** 2 + y[:, None] ** 2 + x**2).sqrt()
    bumps = functional.interpolate(torch.randn(1, 1, 5, 7, 7), grid, mode="trilinear")[0, 0]
    return (apart + 0.25 * bumps < 1)[None]
