"""Which changes a patch meets, how often, and in what order."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import torch
from torch import Tensor

from training.augment import artefacts, contrast, scanner, synthesis
from training.augment.draws import chance
from training.augment.patch import AIR_HU, Patch
from training.sections import Augment


def scene(patch: Patch, shares: Augment, generator: torch.Generator) -> Patch:
    """Return a patch with another content: contrast medium, objects, a smaller field of view."""
    hu, labels = patch.hu, patch.labels
    if chance(shares.synthetic, generator):
        hu = synthesis.synthetic(hu, labels, generator)
    elif chance(shares.contrast_phase, generator):
        hu = contrast.contrast_phase(hu, labels, generator)
    if chance(shares.oral_contrast, generator):
        hu = contrast.oral_contrast(hu, labels, generator)
    for share, change in (
        (shares.table, artefacts.table),
        (shares.arms, artefacts.arms),
        (shares.metal, artefacts.metal),
    ):
        if chance(share, generator):
            hu = change(hu, generator)
    patch = dataclasses.replace(patch, hu=hu)
    if chance(shares.slices_lost, generator):
        patch = emptied(patch, scanner.slices_lost(tuple(hu.shape), generator))
    if chance(shares.beyond_circle, generator):
        patch = emptied(patch, (slice(None), scanner.beyond_circle(tuple(hu.shape), generator)))
    return patch


def degraded(
    patch: Patch, shares: Augment, hu_range: tuple[float, float], generator: torch.Generator
) -> Tensor:
    """Return the HU of a patch as a worse scan, or another scanner, would give them."""
    hu = patch.hu
    if chance(shares.lesions, generator):
        hu = artefacts.lesions(hu, patch.labels, generator)
    if chance(shares.gamma, generator):
        hu = contrast.gamma(hu, hu_range, generator)
    steps: tuple[tuple[float, Callable[[Tensor, torch.Generator], Tensor]], ...] = (
        (shares.tone, contrast.tone),
        (shares.bias, contrast.bias),
        (shares.thick_slices, scanner.thick_slices),
        (shares.low_resolution, scanner.low_resolution),
        (shares.blur, scanner.blur),
        (shares.noise, scanner.noise),
        (shares.low_dose, scanner.low_dose),
        (shares.calibration, contrast.calibration),
    )
    for share, change in steps:
        if chance(share, generator):
            hu = change(hu, generator)
    return hu


def emptied(patch: Patch, where: tuple[slice | Tensor, ...]) -> Patch:
    """Return a patch with air and background where the scan does not reach.

    Args:
        patch: The patch.
        where: Index of (z, y, x), in whole cells of 2 x 2 x 2 voxels.
    """
    hu, labels, soft = patch.hu.clone(), patch.labels.clone(), patch.soft
    hu[where], labels[where] = AIR_HU, 0
    if soft is not None:
        missing = torch.zeros(patch.hu.shape, dtype=torch.bool)
        missing[where] = True
        cells = missing[::2, ::2, ::2]
        soft = soft.masked_fill(cells, 0)
        soft[0].masked_fill_(cells, 1)
    return dataclasses.replace(patch, hu=hu, labels=labels, soft=soft)
