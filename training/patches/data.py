"""Samples: cases in memory, class-balanced places, random changes, the student's view."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from training.augment import mixing, recipe, spatial
from training.augment.draws import chance, index, uniform
from training.augment.patch import Case, Patch
from training.cases.store import load_ct, load_labels, load_soft, load_truth
from training.sections import Augment

PLACES = 5000
"""Voxels of each class of a case that are kept to choose places from."""


@dataclass(frozen=True)
class Sample:
    """One training sample as the data loader gives it."""

    name: str
    """Of the case."""
    image: Tensor
    """What the student sees, normalized, (1, z, y, x)."""
    scene: Tensor
    """What a live teacher sees, HU, (z, y, x)."""
    labels: Tensor
    """int64, (z, y, x)."""
    stored: Tensor | None
    """Teacher's probabilities, (classes, z/2, y/2, x/2)."""
    known: tuple[bool, ...]
    """Classes that the labels tell."""
    phase: int
    """Voxel of each cell that is looked at: see targets.at_phase."""


@dataclass(frozen=True)
class View:
    """How patches become what a network sees."""

    shape: tuple[int, int, int]
    hu_range: tuple[float, float]
    hu_mean: float
    hu_sd: float
    anywhere: float = 0.15
    """Share of patches centred on any voxel of all cases; the others on one of a class."""

    def normalized(self, hu: Tensor) -> Tensor:
        """Return HU clipped, shifted and scaled."""
        return (hu.clamp(*self.hu_range) - self.hu_mean) / self.hu_sd


def load_case(
    folder: Path,
    name: str,
    seed: int,
    known: tuple[bool, ...],
    *,
    with_soft: bool = True,
    is_truth: bool = False,
) -> Case:
    """Return a case with places of each class; is_truth takes the labels that came with the CT."""
    labels = (load_truth if is_truth else load_labels)(folder, name)
    soft = torch.from_numpy(load_soft(folder, name)) if with_soft else None
    hu = torch.from_numpy(load_ct(folder, name))
    return Case(name, hu, torch.from_numpy(labels), soft, places_of(labels, seed), known)


def places_of(labels: NDArray[np.uint8], seed: int) -> dict[int, NDArray[np.int32]]:
    """Return some voxels (n, 3) of each class that is there."""
    generator = np.random.default_rng(seed)
    places = {}
    for value in np.unique(labels[labels > 0]):
        found = np.argwhere(labels == value).astype(np.int32)
        if len(found) > 20:
            places[int(value)] = found[generator.integers(0, len(found), PLACES)]
    return places


class Patches:
    """An endless source of samples; a seed gives the same sample again."""

    def __init__(self, cases: Sequence[Case], view: View, shares: Augment) -> None:
        """Draw from cases.

        Raises:
            ValueError: There is no case.
        """
        if not cases:
            raise ValueError("no case to draw patches from: the split or the curriculum is empty")
        self._cases, self._view, self._shares = list(cases), view, shares
        self._voxels = torch.tensor([float(case.hu.numel()) for case in cases])
        values = sorted({value for case in cases for value in case.places})
        self._by_class = {v: [case for case in cases if v in case.places] for v in values}

    def draw(self, seed: int) -> Sample:
        """Return the sample that belongs to a seed."""
        generator = torch.Generator().manual_seed(seed)
        shares = self._shares
        patch = recipe.scene(self._mixed(generator), shares, generator)
        seen = recipe.degraded(patch, shares, self._view.hu_range, generator)
        return Sample(
            name=patch.name,
            image=self._view.normalized(seen)[None],
            scene=seen if shares.same_view else patch.hu,
            labels=patch.labels,
            stored=patch.soft,
            known=patch.known,
            phase=index(8, generator),
        )

    def _mixed(self, generator: torch.Generator) -> Patch:
        """Return a patch, or two in one."""
        patch, shares = self._cut(generator)[0], self._shares
        if chance(shares.cutmix, generator):
            return mixing.cutmix(patch, self._cut(generator)[0], generator)
        if chance(shares.mixup, generator):
            return mixing.mixup(patch, self._cut(generator)[0], generator)
        if chance(shares.paste_organ, generator):
            other, value = self._cut(generator)
            return mixing.paste_organ(patch, other, value) if value else patch
        return patch

    def _cut(self, generator: torch.Generator) -> tuple[Patch, int]:
        """Return a turned patch and the class that it was centred on (0: none)."""
        case, centre, value = self._place(generator)
        turned, bent = (
            chance(share, generator) for share in (self._shares.affine, self._shares.bending)
        )
        matrix = spatial.affine(generator) if turned else torch.eye(3)
        matrix = matrix @ spatial.mirror(self._shares.mirror, generator)
        bend = spatial.bending(generator) if bent else None
        return spatial.cut_patch(case, centre, matrix, self._view.shape, bend=bend), value

    def _place(self, generator: torch.Generator) -> tuple[Case, Tensor, int]:
        """Return a case, the voxel that becomes the middle of the patch, jittered, its class."""
        if uniform(0, 1, generator) < self._view.anywhere or not self._by_class:
            case = self._cases[int(torch.multinomial(self._voxels, 1, generator=generator))]
            return case, torch.rand(3, generator=generator) * torch.tensor(case.hu.shape), 0
        value = list(self._by_class)[index(len(self._by_class), generator)]
        case = self._by_class[value][index(len(self._by_class[value]), generator)]
        place = case.places[value][index(len(case.places[value]), generator)]
        jitter = (torch.rand(3, generator=generator) - 0.5) * torch.tensor(self._view.shape) * 0.6
        return case, torch.from_numpy(place).float() + jitter, value
