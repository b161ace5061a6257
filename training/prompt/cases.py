"""CTs on the device, and where to look for things in them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from training.gpu.pack import unpacked

SPACING = np.array((2.0, 1.5, 1.5))
"""Of the packs (z, y, x), mm."""
POINTS, SAMPLE = 3000, 400_000
"""Places kept of each kind; voxels looked at for tissues."""
LEAST_VOXELS = 60
TISSUES = {
    "soft": (-20, 160),
    "fat": (-130, -60),
    "lung": (-960, -700),
    "bright": (130, 400),
    "bone": (250, 5000),
    "air": (-5000, -980),
}
"""HU, both ends outside."""
SCALE = 1000.0
"""HU are kept in units of that: half precision holds them so."""

Zyx = NDArray[np.float64]


@dataclass(frozen=True)
class Case:
    """One CT."""

    name: str
    hu: Tensor
    """(1, z, y, x), in units of SCALE."""
    pooled: Tensor
    """The same at half resolution."""
    labels: Tensor
    """uint8, (z, y, x)."""
    points: dict[int | str, Zyx]
    """Voxels (n, 3) of each organ and tissue that is there."""
    boxes: dict[int, tuple[Zyx, Zyx]]
    """First voxel of each organ, and the one after the last."""


def load_cases(packs: tuple[Path, ...], labels: Path, device: torch.device) -> list[Case]:
    """Return the cases of packs, by name."""
    found = []
    for folder in packs:
        index = json.loads((folder / "index.json").read_text(encoding="utf-8"))
        levels = np.array(index["levels"], np.int16)
        for name, facts in sorted(index["cases"].items()):
            hu = levels[unpacked(folder / f"{name}.ct.xz", tuple(facts["shape"]))]
            said = unpacked(labels / f"{name}.labels.xz", tuple(facts["shape"]))
            found.append(to_case(name, hu, said, device, len(found)))
    return sorted(found, key=lambda case: case.name)


def to_case(
    name: str, hu: NDArray[np.int16], labels: NDArray[np.uint8], device: torch.device, seed: int = 0
) -> Case:
    """Return a case on the device."""
    rng = np.random.default_rng(seed)
    points: dict[int | str, Zyx] = {}
    boxes = {}
    for value in range(1, 14):
        index = np.flatnonzero(labels == value)
        if index.size > LEAST_VOXELS:
            points[value] = _places(index, labels.shape, rng)
            where = np.stack(np.unravel_index(index, labels.shape))
            boxes[value] = (where.min(1).astype(float), where.max(1) + 1.0)
    some = rng.integers(0, hu.size, SAMPLE)
    values = hu.ravel()[some]
    for tissue, (low, high) in TISSUES.items():
        index = some[(values > low) & (values < high)]
        if index.size > LEAST_VOXELS:
            points[tissue] = _places(index, hu.shape, rng)
    kind = torch.half if device.type == "cuda" else torch.float32
    volume = torch.from_numpy(hu.astype(np.float32) / SCALE).to(device)[None]
    pooled = functional.avg_pool3d(volume[None], 2, ceil_mode=True)[0]
    on_device = torch.from_numpy(labels.copy()).to(device)
    return Case(name, volume.to(kind), pooled.to(kind), on_device, points, boxes)


def _places(index: NDArray[np.int_], shape: tuple[int, ...], rng: np.random.Generator) -> Zyx:
    return np.stack(np.unravel_index(rng.choice(index, POINTS), shape), 1).astype(float)
