"""What the student is to say of a patch: a mixture of stored labels and of a live teacher.

A network whose logits have half the resolution is trained *through* the interpolation that
inference does: logits are interpolated at one of the eight voxels of every 2 x 2 x 2 cell, another
one in every patch, and compared with the labels of just these voxels. That sees every voxel at an
eighth of the work.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from training.sections import Distill


def at_phase(volume: Tensor, phase: int, stride: int) -> Tensor:
    """Return a map (c, z, y, x) at one voxel of every 2 x 2 x 2 cell.

    Args:
        volume: (c, z, y, x): a value a cell (stride 2), or a value a voxel (stride 1).
        phase: 0 to 7, in binary z y x: 0 is the first voxel along an axis, 1 the second.
        stride: Voxels per value. At 2 values are interpolated (trilinear, edges repeated), as
            `functional.interpolate(scale_factor=2, mode="trilinear")` gives them at that voxel.
    """
    offsets = [phase >> (2 - axis) & 1 for axis in range(3)]
    if stride == 1:
        z, y, x = offsets
        return volume[:, z::2, y::2, x::2]
    for axis, offset in enumerate(offsets, start=1):
        n = volume.shape[axis]
        edge, rest = (n - 1, 1) if offset else (0, 0)
        parts = [volume.narrow(axis, rest, n - 1), volume.narrow(axis, edge, 1)]
        neighbour = torch.cat(parts if offset else parts[::-1], axis)
        volume = 0.75 * volume + 0.25 * neighbour
    return volume


def trust(shape: tuple[int, ...]) -> Tensor:
    """Return how far to trust a live teacher in a patch, (z, y, x) in cells: 1/4 at its border.

    The teacher sees no further than the patch; stored labels come from whole scans. From 6 cells
    (z) and 12 cells (y, x) inside on it is trusted fully.
    """
    result = torch.ones(shape)
    for axis, (n, rise) in enumerate(zip(shape, (6, 12, 12), strict=True)):
        inside = torch.minimum(torch.arange(n), torch.arange(n).flip(0)) + 0.5
        row = (0.25 + 0.75 * inside / rise).clamp(max=1)
        result = torch.minimum(result, row.reshape([-1 if i == axis else 1 for i in range(3)]))
    return result


def near(labels: Tensor, classes: int) -> Tensor:
    """Return 1 where a class lies within 4 to 8 voxels, else 0: (classes, z/2, y/2, x/2).

    Stored labels were cleaned of what the teacher invents; a live teacher is not, so it may say an
    organ only near where the stored labels have it.
    """
    half = labels[::2, ::2, ::2]
    quarter = torch.zeros(classes, *(n // 2 for n in half.shape))
    for value in half.unique().tolist():
        mask = (half == value).float()[None, None]
        quarter[value] = functional.max_pool3d(mask, 2)[0, 0]
    grown = functional.max_pool3d(quarter[None], 3, 1, 1)
    return functional.interpolate(grown, size=half.shape, mode="nearest")[0]


def live_target(logits: Tensor, labels: Tensor, known: tuple[bool, ...], phase: int) -> Tensor:
    """Return what a live teacher says, held to the neighbourhood of the stored labels.

    Args:
        logits: Teacher, (classes, z, y, x), full resolution.
        labels: Stored, int64, (z, y, x).
        known: Classes that the stored labels tell; the teacher is free to say the others.
        phase: As in at_phase.
    """
    probabilities = at_phase(logits, phase, 1).softmax(dim=0)
    allowed = near(labels, len(known))
    allowed[~torch.tensor(known)] = 1
    organs = probabilities[1:] * allowed[1:]
    return torch.cat([1 - organs.sum(dim=0, keepdim=True), organs])


def mixture(
    labels: Tensor,
    stored: Tensor | None,
    live: Tensor | None,
    sources: Distill,
    known: tuple[bool, ...],
    phase: int,
) -> Tensor:
    """Return the target probabilities (classes, z/2, y/2, x/2) of a patch.

    Args:
        labels: int64, (z, y, x).
        stored: Soft labels (classes, z/2, y/2, x/2) of the cells, or None.
        live: As from live_target(), or None.
        sources: Weights.
        known: Classes that the labels tell. Where a case is labelled in part, its background is
            left to the teacher's word, and its organs win every conflict.
        phase: As in at_phase.
    """
    there = at_phase(labels[None], phase, 1)[0]
    one_hot = functional.one_hot(there, len(known)).movedim(-1, 0).float()
    w_hard = torch.full(there.shape, sources.hard)
    w_stored = torch.full(there.shape, sources.stored if stored is not None else 0.0)
    w_live = torch.zeros(there.shape)
    if live is not None:
        w_live = sources.live * trust(tuple(there.shape))
        w_hard = w_hard + (sources.live - w_live)
    taught = w_stored + w_live
    if not all(known):
        w_hard = torch.where((taught > 0) & (there == 0), 0.0, w_hard)
        w_stored, w_live = (torch.where(there > 0, 0.0, w) for w in (w_stored, w_live))
        taught = w_stored + w_live
    w_hard = torch.where(w_hard + taught > 0, w_hard, 1.0)
    total = w_hard * one_hot
    if stored is not None:
        total += w_stored * at_phase(stored, phase, 2)
    if live is not None:
        total += w_live * live
    return total / (w_hard + taught)
