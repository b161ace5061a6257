"""Phantom cases in memory, and networks that train in seconds."""

from __future__ import annotations

import numpy as np
import torch
from scipy import ndimage

from Testing.phantoms import abdomen
from training.augment.patch import Case
from training.loop.run import Run
from training.networks.build import new_student
from training.patches.data import Patches, View, places_of
from training.sections import Augment, Distill, Student, Train

SHAPE, SPACING_MM = (40, 60, 64), (8.0, 5.0, 6.0)
PATCH = (16, 32, 32)
VIEW = View(PATCH, (-971.0, 291.0), 83.78, 144.84)
SMALL = Student(channels=(8, 16), blocks=(1, 1), z_dilation=(1, 1))
ALL = (True,) * 14

torch.set_num_threads(1)  # patches are small: threads would wait for each other


def a_case(name: str = "a", seed: int = 0, *, with_soft: bool = True, noise_hu: float = 5) -> Case:
    """Return a phantom as the stages before training would leave it."""
    volume, truth = abdomen(SHAPE, SPACING_MM, noise_hu=noise_hu, seed=seed)
    soft = None
    if with_soft:
        halves = [
            ndimage.zoom(
                (truth.array == i).astype(np.float32), 0.5, order=1, grid_mode=True, mode="nearest"
            )
            for i in range(14)
        ]
        stacked = np.stack(halves) / np.maximum(sum(halves), 1e-6)
        soft = torch.from_numpy(np.rint(stacked * 255).astype(np.uint8))
    hu, labels = torch.from_numpy(volume.array.astype(np.int16)), torch.from_numpy(truth.array)
    return Case(name, hu, labels, soft, places_of(truth.array, seed), ALL)


def some_patches(*names: str, shares: Augment | None = None) -> Patches:
    """Return an endless source of samples of phantoms."""
    cases = [a_case(name, seed) for seed, name in enumerate(names or ("a", "b"))]
    return Patches(cases, VIEW, shares or Augment())


def a_train(**changes: object) -> Train:
    """Return settings of a short training."""
    facts = {"patch": PATCH, "steps": 40, "log_steps": 1, "checkpoint_steps": 10, "device": "cpu"}
    return Train(**(facts | changes))  # type: ignore[arg-type]


def a_run(train: Train | None = None, losses: Distill | None = None) -> Run:
    """Return a run of a small flat student at its start."""
    torch.manual_seed(0)
    return Run(new_student(SMALL, 14), 14, train or a_train(), losses or Distill())
