"""Two patches in one: a part of another patch (CutMix), an organ of it, or a faint whole of it."""

from __future__ import annotations

import dataclasses

import torch
from torch import Tensor
from torch.nn import functional

from training.augment.draws import index, uniform
from training.augment.patch import Patch

LARGE_SHARE = 0.03
"""Share of a patch from which on an organ is too large to be pasted."""
TISSUE_HU = -300.0
"""HU above which there is tissue."""


def cutmix(one: Patch, two: Patch, generator: torch.Generator) -> Patch:
    """Return patch one with a box out of patch two, image and labels (Yun et al., ICCV 2019).

    The box is even, a quarter to three quarters of the patch along each axis; in half of the calls
    it reaches from border to border along all axes but one.
    """
    mask = torch.zeros(one.hu.shape, dtype=torch.bool)
    axis = index(6, generator)
    box = []
    for i, length in enumerate(one.hu.shape):
        share = uniform(0.25, 0.75, generator) if axis > 2 or i == axis else 1.0
        size = 2 * int(length * share / 2)
        start = 2 * index((length - size) // 2 + 1, generator)
        box.append(slice(start, start + size))
    mask[tuple(box)] = True
    return _put(one, two, mask)


def paste_organ(one: Patch, two: Patch, value: int) -> Patch:
    """Return patch one with one organ of patch two, in its place, with a rim of what is around it.

    Small organs are rare among few cases; pasted, they appear in other surroundings. A large one
    would be most of the patch: then patch one stays as it is.
    """
    organ = (two.labels == value).float()[None, None]
    if float(organ.mean()) > LARGE_SHARE:
        return one
    whole_cells = functional.max_pool3d(functional.max_pool3d(organ, 3, 1, 1), 2)
    mask = functional.interpolate(whole_cells, scale_factor=2, mode="nearest")[0, 0] > 0
    return _put(one, two, mask)


def mixup(one: Patch, two: Patch, generator: torch.Generator) -> Patch:
    """Return patch one with a faint patch two over it: 5 to 35 % of its HU (Zhang et al., 2018).

    Only where patch two holds tissue: a tenth of air would make lung of a liver. Only a live
    teacher can say what is in it: the labels are those of patch one.
    """
    share = uniform(0.05, 0.35, generator) * (two.hu > TISSUE_HU)
    return dataclasses.replace(one, hu=torch.lerp(one.hu, two.hu, share))


def _put(one: Patch, two: Patch, mask: Tensor) -> Patch:
    """Return patch one with patch two where mask; the mask is made of 2 x 2 x 2 cells.

    What one of both does not label is not known in the mixture.
    """
    soft = None
    if one.soft is not None and two.soft is not None:
        soft = torch.where(mask[::2, ::2, ::2], two.soft, one.soft)
    return Patch(
        name=f"{one.name} and {two.name}",
        hu=torch.where(mask, two.hu, one.hu),
        labels=torch.where(mask, two.labels, one.labels),
        soft=soft,
        known=tuple(a and b for a, b in zip(one.known, two.known, strict=True)),
    )
