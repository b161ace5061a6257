"""Patches: cases in memory, class-balanced places, random geometry and intensity."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from training import augment
from training.cases import LEVELS, load_ct, load_labels, load_soft
from training.config import Config

AFFINE_SHARE = 0.75
"""Share of patches that are rotated and zoomed."""
ANYWHERE_SHARE = 0.15
"""Share of patches centred anywhere; the others are centred on a voxel of a class drawn evenly."""
CUT_SHARE = 0.1
"""Share of patches that lose slices at one end."""


@dataclass(frozen=True)
class Patch:
    """One training sample."""

    image: Tensor
    """Normalized, (1, z, y, x)."""
    soft: Tensor
    """Teacher's probabilities, (classes, z/2, y/2, x/2)."""
    labels: Tensor
    """Teacher's labels, int64, (z, y, x)."""


@dataclass(frozen=True)
class Case:
    """One case in memory."""

    name: str
    hu: Tensor
    """int16, (z, y, x)."""
    soft: Tensor
    """uint8, (classes, z/2, y/2, x/2)."""
    labels: Tensor
    """uint8, (z, y, x)."""
    places: dict[int, NDArray[np.int32]]
    """Some voxels (n, 3) of each class that is there."""


def load_case(folder: Path, name: str, seed: int) -> Case:
    """Return a case; up to 5,000 voxels of each class are kept to choose places from."""
    labels = load_labels(folder, name)
    generator = np.random.default_rng(seed)
    places = {}
    for value in np.unique(labels[labels > 0]):
        found = np.argwhere(labels == value).astype(np.int32)
        if len(found) > 20:
            places[int(value)] = found[generator.integers(0, len(found), 5000)]
    hu, soft = load_ct(folder, name), load_soft(folder, name)
    return Case(
        name, torch.from_numpy(hu), torch.from_numpy(soft), torch.from_numpy(labels), places
    )


class Patches:
    """An endless source of patches."""

    def __init__(self, config: Config, names: list[str]) -> None:
        """Load the cases into memory."""
        self._config = config
        self._cases = [load_case(config.work, name, config.seed) for name in names]
        self._by_class = {
            value: [case for case in self._cases if value in case.places] for value in range(1, 14)
        }

    def draw(self, seed: int) -> Patch:
        """Return the patch that belongs to a seed."""
        generator = torch.Generator().manual_seed(seed)
        case, centre = self._place(generator)
        matrix = torch.eye(3)
        if augment.uniform(0, 1, generator) < AFFINE_SHARE:
            matrix = augment.affine(generator)
        hu, soft, labels = cut_patch(case, centre, matrix, self._config.train.patch)
        hu = augment.intensity(hu, soft, generator)
        if augment.uniform(0, 1, generator) < CUT_SHARE:
            hu, soft, labels = _cut_slices(hu, soft, labels, generator)
        config = self._config.data
        image = (hu.clamp(*config.hu_range) - config.hu_mean) / config.hu_sd
        return Patch(image[None], soft, labels)

    def _place(self, generator: torch.Generator) -> tuple[Case, Tensor]:
        """Return a case and the voxel that becomes the middle of the patch, jittered."""
        if augment.uniform(0, 1, generator) < ANYWHERE_SHARE:
            case = self._cases[_index(len(self._cases), generator)]
            return case, torch.rand(3, generator=generator) * torch.tensor(case.hu.shape)
        values = [value for value, cases in self._by_class.items() if cases]
        value = values[_index(len(values), generator)]
        case = self._by_class[value][_index(len(self._by_class[value]), generator)]
        place = case.places[value][_index(len(case.places[value]), generator)]
        jitter = (
            (torch.rand(3, generator=generator) - 0.5)
            * torch.tensor(self._config.train.patch)
            * 0.6
        )
        return case, torch.from_numpy(place).float() + jitter


def cut_patch(
    case: Case, centre: Tensor, matrix: Tensor, shape: tuple[int, int, int]
) -> tuple[Tensor, Tensor, Tensor]:
    """Return HU, soft labels at half resolution and labels around a voxel, turned by matrix."""
    start, stop = _source_box(centre, matrix, shape, case.hu.shape)
    box = tuple(slice(a, b) for a, b in zip(start, stop, strict=True))
    cells = tuple(slice(a // 2, b // 2) for a, b in zip(start, stop, strict=True))
    size = torch.tensor([b - a for a, b in zip(start, stop, strict=True)])
    middle = centre + 0.5 - torch.tensor(start)
    fine = _sampling_grid(shape, matrix, middle, size, 1)
    coarse = _sampling_grid(tuple(n // 2 for n in shape), matrix, middle, size, 2)
    hu = _sample(case.hu[box].float()[None] - augment.AIR_HU, fine, "bilinear")[0] + augment.AIR_HU
    organs = _sample(case.soft[(slice(1, None), *cells)].float() / LEVELS, coarse, "bilinear")
    labels = _sample(case.labels[box].float()[None], fine, "nearest")[0].long()
    return hu, torch.cat([1 - organs.sum(0, keepdim=True), organs]).clamp(0, 1), labels


def _source_box(
    centre: Tensor, matrix: Tensor, shape: tuple[int, int, int], limit: tuple[int, ...]
) -> tuple[list[int], list[int]]:
    """Return an even box of the case that holds the turned patch, at least two voxels wide."""
    reach = matrix.abs() @ (torch.tensor(shape) / 2) + 2
    start = [2 * math.floor(max(0.0, float(a)) / 2) for a in centre - reach]
    stop = [2 * math.ceil(min(float(b), n) / 2) for b, n in zip(centre + reach, limit, strict=True)]
    start = [min(a, n - 2) for a, n in zip(start, limit, strict=True)]
    return start, [max(b, a + 2) for a, b in zip(start, stop, strict=True)]


def _sampling_grid(
    shape: tuple[int, ...], matrix: Tensor, middle: Tensor, size: Tensor, step: int
) -> Tensor:
    """Return grid_sample coordinates (1, z, y, x, 3) of a patch with voxels `step` apart."""
    axes = [(torch.arange(n) + 0.5 - n / 2) * step for n in shape]
    scaled = matrix * (2.0 / size)[:, None]
    offset = middle * 2.0 / size - 1.0
    columns = [axes[i].reshape([-1 if j == i else 1 for j in range(3)]) for i in range(3)]
    parts = [offset[i] + sum(scaled[i, j] * columns[j] for j in range(3)) for i in (2, 1, 0)]
    return torch.stack(parts, dim=-1)[None]


def _sample(source: Tensor, grid: Tensor, mode: str) -> Tensor:
    sampled: Tensor = functional.grid_sample(
        source[None], grid, mode=mode, padding_mode="zeros", align_corners=False
    )[0]
    return sampled


def _cut_slices(
    hu: Tensor, soft: Tensor, labels: Tensor, generator: torch.Generator
) -> tuple[Tensor, Tensor, Tensor]:
    hu, cut = augment.field_of_view(hu, generator)
    missing = slice(0, cut) if cut > 0 else slice(cut, None)
    cells = slice(0, cut // 2) if cut > 0 else slice(cut // 2, None)
    soft, labels = soft.clone(), labels.clone()
    soft[1:, cells], soft[0, cells], labels[missing] = 0, 1, 0
    return hu, soft, labels


def _index(count: int, generator: torch.Generator) -> int:
    return int(torch.randint(count, (), generator=generator))
