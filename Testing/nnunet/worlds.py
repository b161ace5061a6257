"""Little data sets of phantoms, as nnU-Net wants them, and what is to be trained on each.

iso      CT, 3d_fullres, two folds
aniso    CT in thick slices, 3d_fullres: slices are resampled each on its own
flat     MR around which all is 0, 2d: each slice is a window, z scores
regions  CT, 3d_fullres with a residual encoder: regions that lie in each other, with a lesion
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from FlareSegLib.base.geometry import Labelmap, Volume, Zyx, ZyxMm
from Testing.phantoms import abdomen, save

ORGANS = {1: (1,), 3: (2,), 2: (3,), 13: (3,), 5: (4,)}
"""Value in the phantom, and in these data sets: liver 1, spleen 2, kidneys 3, aorta 4."""
LESION, LESION_HU = 5, 150
CASES = 6


@dataclass(frozen=True)
class World:
    """A data set and what is trained on it."""

    number: int
    name: str
    shape: Zyx
    spacing_mm: ZyxMm
    configuration: str
    patch: tuple[int, ...]
    channel: str = "CT"
    labels: dict[str, object] = field(
        default_factory=lambda: {
            "background": 0, "liver": 1, "spleen": 2, "kidneys": 3, "aorta": 4, "lesion": 5,
        }
    )  # fmt: skip
    regions: tuple[int, ...] = ()
    is_residual: bool = False
    folds: tuple[int, ...] = (0,)
    mirrored: tuple[int, ...] | None = (0, 1, 2)
    strides: tuple[tuple[int, ...], ...] = ()
    kernels: tuple[tuple[int, ...], ...] = ()

    @property
    def dataset(self) -> str:
        """Name of the folder of the data set."""
        return f"Dataset{self.number:03}_{self.name}"


NESTED = {"background": 0, "liver_and_lesion": [1, 5], "lesion": [5], "spleen": [2]}
WORLDS = {
    world.name: world
    for world in (
        World(801, "iso", (48, 52, 64), (6.5, 6.0, 6.0), "3d_fullres", (32, 32, 32),
              folds=(0, 1), strides=((1, 1, 1), (2, 2, 2), (2, 2, 2)), kernels=((3, 3, 3),) * 3),
        World(802, "aniso", (22, 60, 72), (15.0, 5.0, 5.5), "3d_fullres", (8, 40, 40),
              mirrored=None, strides=((1, 1, 1), (1, 2, 2), (2, 2, 2)),
              kernels=((1, 3, 3), (3, 3, 3), (3, 3, 3))),
        World(803, "flat", (24, 60, 72), (12.0, 5.0, 5.0), "2d", (48, 48),
              channel="MRI", mirrored=(0, 1), strides=((1, 1), (2, 2), (2, 2)),
              kernels=((3, 3),) * 3),
        World(804, "regions", (48, 52, 64), (6.0, 6.0, 6.0), "3d_fullres", (32, 32, 32),
              labels=NESTED, regions=(1, 5, 2), is_residual=True,
              strides=((1, 1, 1), (2, 2, 2), (2, 2, 2)), kernels=((3, 3, 3),) * 3),
    )
}  # fmt: skip


def case(world: World, number: int) -> tuple[Volume, Labelmap]:
    """Return an image and its truth; no two are of one size, spacing or noise."""
    random = np.random.default_rng(100 * world.number + number)
    shape = tuple(int(n + random.integers(-3, 4)) for n in world.shape)
    spacing = tuple(float(s * random.uniform(0.9, 1.1)) for s in world.spacing_mm)
    volume, organs = abdomen(shape, spacing, noise_hu=8.0, seed=number)
    hu, labels = volume.array.astype(np.float32), np.zeros(shape, np.uint8)
    for value, (ours,) in ORGANS.items():
        labels[organs.array == value] = ours
    _add_lesion(hu, labels, random)
    if world.channel == "MRI":
        hu = _to_mr(volume.array, hu, random)
    if world.regions:
        labels[np.isin(labels, (3, 4))] = 0
    return Volume(hu.round().astype(np.int16), volume.grid), Labelmap(labels, volume.grid)


def _add_lesion(hu: NDArray, labels: NDArray, random: np.random.Generator) -> None:
    """Put a bright ball into the liver."""
    at = np.argwhere(labels == 1)
    middle = at[random.integers(len(at) // 3, 2 * len(at) // 3)]
    steps = np.indices(labels.shape) - middle[:, None, None, None]
    ball = ((steps / np.array([2.0, 3.2, 3.2])[:, None, None, None]) ** 2).sum(0) <= 1
    ball &= labels == 1
    labels[ball] = LESION
    hu[ball] += LESION_HU


def _to_mr(original: NDArray, hu: NDArray, random: np.random.Generator) -> NDArray:
    """Return intensities of no unit, 0 outside the body, with a gain of its own for each scan."""
    inside = original > -600
    return np.where(inside, random.uniform(0.7, 1.4) * (hu + 1100), 0)


def write(world: World, raw: Path) -> Path:
    """Write a data set into nnU-Net's folder of raw data; return its folder."""
    folder = raw / world.dataset
    for place in ("imagesTr", "labelsTr"):
        (folder / place).mkdir(parents=True, exist_ok=True)
    for number in range(CASES):
        volume, truth = case(world, number)
        save(volume, folder / f"imagesTr/case_{number}_0000.nii.gz")
        save(truth, folder / f"labelsTr/case_{number}.nii.gz")
    facts = {
        "channel_names": {"0": world.channel},
        "labels": world.labels,
        "numTraining": CASES,
        "file_ending": ".nii.gz",
        "licence": "CC0: phantoms",
        "reference": f"phantoms of FlareSeg, {world.name}",
    }
    if world.regions:
        facts["regions_class_order"] = list(world.regions)
    (folder / "dataset.json").write_text(json.dumps(facts, indent=1), encoding="utf-8")
    return folder
