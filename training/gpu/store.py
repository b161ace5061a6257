"""All packed cases on the device, and batches of patches cut out of them there.

What is random about a patch's place and shape is drawn by numpy, so that the GPU is never waited
for; voxels are touched on the device alone.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from training.gpu.pack import UNKNOWN, unpacked

Shape = tuple[int, int, int]
AIR_HU = -1024.0
PLACES, MARGIN = 5000, 14
"""Voxels of each class that are kept to choose places from; voxels cut beyond a turned patch."""
CLASS_WEIGHTS = {4: 2.0, 7: 2.0, 8: 2.0, 9: 3.0, 10: 2.0, 12: 3.0}
"""How often a patch is centred on a class; others 1. Small organs, duodenum, gallbladder."""
ANYWHERE, JITTER = 0.2, 0.6
"""Share of patches centred anywhere; how far a centre strays, as share of the patch."""
AFFINE, BENDING, SWELLING = 0.85, 0.6, 0.5
"""Shares of patches that are turned and zoomed, bent, and whose hollow organ grows or shrinks."""
HOLLOW = (9, 11)
"""Gallbladder and stomach: they are large or small by the hour."""


@dataclass(frozen=True)
class GpuCase:
    """One case on the device."""

    name: str
    levels: Tensor
    """uint8, (z, y, x): index into the HU of the pack."""
    labels: Tensor
    """uint8, (z, y, x); UNKNOWN where nothing is taught."""
    places: dict[int, NDArray[np.int32]]
    """Some voxels (n, 3) of each class that is there."""
    hollow: dict[int, tuple[NDArray[np.float64], float]]
    """Middle (voxel) and radius (voxels along x) of each hollow organ that is whole."""


@dataclass(frozen=True)
class Cut:
    """A batch of patches, before any change of HU."""

    hu: Tensor
    """(n, z, y, x)."""
    labels: Tensor
    """int64, (n, z, y, x); UNKNOWN where nothing is taught."""


def load_cases(
    folders: list[Path], labels: Path, device: torch.device
) -> tuple[list[GpuCase], Tensor]:
    """Return the cases of packs, and the HU (float32) of their levels."""

    def load(job: tuple[Path, str, Shape]) -> GpuCase:
        folder, name, shape = job
        said = unpacked(labels / f"{name}.labels.xz", shape)
        return to_case(name, unpacked(folder / f"{name}.ct.xz", shape), said, device)

    jobs, levels = [], torch.zeros(0)
    for folder in folders:
        index = json.loads((folder / "index.json").read_text(encoding="utf-8"))
        levels = torch.tensor(index["levels"], dtype=torch.float32, device=device)
        jobs += [(folder, name, tuple(facts["shape"])) for name, facts in index["cases"].items()]
    with ThreadPoolExecutor() as threads:  # decompression leaves Python's lock
        return list(threads.map(load, jobs)), levels


def to_case(
    name: str, ct: NDArray[np.uint8], labels: NDArray[np.uint8], device: torch.device
) -> GpuCase:
    """Return a case on the device."""
    rng = np.random.default_rng(0)
    places, hollow = {}, {}
    for value in np.unique(labels[(labels > 0) & (labels != UNKNOWN)]):
        found = np.argwhere(labels == value)
        if len(found) > 20:
            places[int(value)] = found[rng.integers(0, len(found), PLACES)].astype(np.int32)
        if value in HOLLOW and len(found) > 300:
            radius = (len(found) * 0.75 / math.pi) ** (1 / 3)
            hollow[int(value)] = (found.mean(axis=0), radius)
    tensors = [torch.from_numpy(a.copy()).to(device) for a in (ct, labels)]
    return GpuCase(name, tensors[0], tensors[1], places, hollow)


class Drawer:
    """An endless source of batches."""

    def __init__(
        self, cases: list[GpuCase], levels: Tensor, shape: Shape, seed: int,
        weights: Mapping[str, float],
    ) -> None:  # fmt: skip
        """Draw patches of a shape (z, y, x) from cases; weights tell how often, by name."""
        self._cases, self._levels, self._shape = cases, levels, shape
        self._rng = np.random.default_rng(seed)
        self._of = {
            value: [case for case in cases if value in case.places]
            for value in sorted({value for case in cases for value in case.places})
        }
        chances = np.array([CLASS_WEIGHTS.get(value, 1.0) for value in self._of])
        self._chances, self._weights = chances / chances.sum(), weights

    def draw(self, count: int) -> Cut:
        """Return a batch of turned, bent and swollen patches."""
        drawn = [self._one() for _ in range(count)]
        return Cut(torch.stack([hu for hu, _ in drawn]), torch.stack([said for _, said in drawn]))

    def _case(self, cases: list[GpuCase]) -> GpuCase:
        chances = np.array([self._weights.get(case.name, 1.0) for case in cases])
        return cases[int(self._rng.choice(len(cases), p=chances / chances.sum()))]

    def _place(self) -> tuple[GpuCase, NDArray[np.float64]]:
        """Return a case and the voxel that becomes the middle of a patch."""
        rng = self._rng
        if rng.random() < ANYWHERE:
            case = self._case(self._cases)
            return case, rng.random(3) * case.levels.shape
        value = list(self._of)[int(rng.choice(len(self._of), p=self._chances))]
        case = self._case(self._of[value])
        place = case.places[value][rng.integers(PLACES)]
        return case, place + (rng.random(3) - 0.5) * self._shape * JITTER

    def _one(self) -> tuple[Tensor, Tensor]:
        rng = self._rng
        case, centre = self._place()
        matrix = random_matrix(rng) if rng.random() < AFFINE else np.eye(3)
        reach = np.abs(matrix) @ (np.array(self._shape) / 2) + MARGIN
        limit = np.array(case.levels.shape)
        start = np.clip(np.floor(centre - reach), 0, limit - 2).astype(int)
        stop = np.maximum(np.ceil(np.minimum(centre + reach, limit)).astype(int), start + 2)
        grid = self._grid(case, centre, matrix, start)
        grid = normed(grid, stop - start)[None]
        box = tuple(slice(a, b) for a, b in zip(start, stop, strict=True))
        hu = self._levels[case.levels[box].int()] - AIR_HU
        labels = case.labels[box].float()
        return (
            _sample(hu, grid, "bilinear") + AIR_HU,
            _sample(labels, grid, "nearest").long(),
        )

    def _grid(
        self, case: GpuCase, centre: NDArray[np.float64], matrix: NDArray[np.float64],
        start: NDArray[np.int_],
    ) -> Tensor:  # fmt: skip
        """Return where in the box each voxel of the patch lies, (z, y, x, 3) in voxels."""
        rng, device = self._rng, self._levels.device
        moves = _on(matrix, device)
        origin = _on(centre + 0.5 - start, device)
        axes = [torch.arange(n, device=device) + 0.5 - n / 2 for n in self._shape]
        z, y, x = (axes[i].reshape([-1 if j == i else 1 for j in range(3)])[..., None]
                   for i in range(3))  # fmt: skip
        grid = origin + z * moves[:, 0] + y * moves[:, 1] + x * moves[:, 2]
        if rng.random() < BENDING:
            coarse = np.pad(rng.normal(0, rng.uniform(1, 5), (3, 4, 5, 5)), ((0, 0), *[(1, 1)] * 3))
            smooth = functional.interpolate(
                _on(coarse, device)[None], self._shape, mode="trilinear", align_corners=True
            )
            grid = grid + smooth[0].movedim(0, -1)
        for middle, radius in case.hollow.values():
            if rng.random() < SWELLING:
                grid = swollen(grid, _on(middle + 0.5 - start, device), radius, rng)
        return grid


def random_matrix(rng: np.random.Generator) -> NDArray[np.float64]:
    """Return a random 3 x 3 matrix (z, y, x): rotation up to 15 degrees, zoom 0.75 to 1.33."""
    matrix = np.eye(3)
    for first, second, degrees in ((1, 2, 15.0), (0, 1, 8.0), (0, 2, 8.0)):
        angle = math.radians(rng.uniform(-degrees, degrees))
        turn = np.eye(3)
        turn[first, first] = turn[second, second] = math.cos(angle)
        turn[first, second], turn[second, first] = -math.sin(angle), math.sin(angle)
        matrix = matrix @ turn
    scales = math.exp(rng.uniform(-0.2, 0.2)) * np.exp(rng.uniform(-0.08, 0.08, 3))
    return matrix @ np.diag(scales)


def swollen(grid: Tensor, middle: Tensor, radius: float, rng: np.random.Generator) -> Tensor:
    """Return a sampling grid about whose middle an organ is larger or smaller than it was.

    p' = middle + (p - middle) (1 + s exp(-|p - middle|^2 / (2 (1.3 radius)^2))), s in [-0.5, 0.7]:
    below 0 the organ grows (up to twice as wide), above 0 it shrinks. Monotone along each ray.
    """
    away = grid - middle
    square = (away * away.new_tensor([4 / 3, 1.0, 1.0])).square().sum(dim=-1, keepdim=True)
    bump = torch.exp(-square / (2 * (1.3 * radius) ** 2))
    return middle + away * (1 + rng.uniform(-0.5, 0.7) * bump)


def normed(grid: Tensor, size: NDArray[np.int_]) -> Tensor:
    """Return coordinates of grid_sample, (z, y, x, 3) in the order x, y, z, of voxels (z, y, x)."""
    return (grid * _on(2.0 / size, grid.device) - 1.0).flip(-1)


def _on(array: NDArray[np.float64], device: torch.device) -> Tensor:
    return torch.from_numpy(np.asarray(array, np.float32)).to(device, non_blocking=True)


def _sample(source: Tensor, grid: Tensor, mode: str) -> Tensor:
    sampled: Tensor = functional.grid_sample(
        source[None, None], grid, mode=mode, padding_mode="zeros", align_corners=False
    )[0, 0]
    return sampled
