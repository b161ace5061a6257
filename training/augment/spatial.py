"""Geometry: a patch cut out of a case, turned, zoomed and bent, image and labels alike."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional

from training.augment.draws import chance, uniform
from training.augment.patch import AIR_HU, Case, Patch

LEVELS = 255
"""Soft labels of a case are in units of 1/LEVELS."""
BEND_CELLS, BEND_VOXELS = (4, 5, 5), (1.0, 5.0)
"""Control points (z, y, x) of a bending, and the range of the SD of their shift."""


def affine(generator: torch.Generator) -> Tensor:
    """Return a random 3 x 3 matrix (z, y, x): rotation up to 15 degrees, zoom 0.75 to 1.33."""
    matrix = torch.eye(3)
    for first, second, degrees in ((1, 2, 15.0), (0, 1, 8.0), (0, 2, 8.0)):
        angle = math.radians(uniform(-degrees, degrees, generator))
        turn = torch.eye(3)
        turn[first, first] = turn[second, second] = math.cos(angle)
        turn[first, second], turn[second, first] = -math.sin(angle), math.sin(angle)
        matrix = matrix @ turn
    zoom = math.exp(uniform(-0.2, 0.2, generator))
    scales = [zoom * math.exp(uniform(-0.08, 0.08, generator)) for _ in range(3)]
    return matrix @ torch.diag(torch.tensor(scales))


def mirror(share: float, generator: torch.Generator) -> Tensor:
    """Return a 3 x 3 matrix (z, y, x) that mirrors along each axis with a chance of share.

    A mirrored right kidney is still called right, as nnU-Net does: beside the liver. A network
    trained so may be asked about mirrored scans too (test-time augmentation).
    """
    signs = [-1.0 if chance(share, generator) else 1.0 for _ in range(3)]
    return torch.diag(torch.tensor(signs))


def bending(generator: torch.Generator) -> Tensor:
    """Return a random smooth shift (3, cells...) in voxels (z, y, x), 0 at the border."""
    sd = uniform(*BEND_VOXELS, generator)
    shift = torch.randn(3, *BEND_CELLS, generator=generator) * sd
    return functional.pad(shift, [1] * 6)


def cut_patch(
    case: Case,
    centre: Tensor,
    matrix: Tensor,
    shape: tuple[int, int, int],
    *,
    bend: Tensor | None = None,
    with_soft: bool = True,
) -> Patch:
    """Return the patch around a voxel, turned by matrix, bent by bend; beyond the case is air.

    Args:
        case: Where from.
        centre: Voxel (z, y, x) in the middle of the patch.
        matrix: 3 x 3, from shifts in the patch to shifts in the case.
        shape: Of the patch, even.
        bend: As from bending().
        with_soft: Also cut out the soft labels, at half resolution.
    """
    start, stop = _source_box(
        centre, matrix, shape, case.hu.shape, margin=2 if bend is None else 10
    )
    box = tuple(slice(a, b) for a, b in zip(start, stop, strict=True))
    size = torch.tensor([b - a for a, b in zip(start, stop, strict=True)])
    middle = centre + 0.5 - torch.tensor(start)
    fine = _sampling_grid(shape, matrix, middle, size, bend)
    hu = _sample(case.hu[box].float()[None] - AIR_HU, fine, "bilinear")[0] + AIR_HU
    labels = _sample(case.labels[box].float()[None], fine, "nearest")[0].long()
    soft = None
    if with_soft and case.soft is not None:
        cells = tuple(slice(a // 2, b // 2) for a, b in zip(start, stop, strict=True))
        # the middle of each 2 x 2 x 2 cell, so that soft and hard labels stay on each other
        coarse = functional.avg_pool3d(fine.movedim(-1, 1), 2).movedim(1, -1)
        soft = _sample_soft(case.soft[(slice(None), *cells)], coarse)
    return Patch(case.name, hu, labels, soft, case.known)


def _sample_soft(source: Tensor, grid: Tensor) -> Tensor:
    """Return soft labels on a grid; only the classes that the box holds are worked on."""
    organs = source[1:]
    there = organs.flatten(1).amax(dim=1).nonzero()[:, 0]
    result = torch.zeros(len(source), *grid.shape[1:4])
    if len(there):
        result[there + 1] = _sample(organs[there].float() / LEVELS, grid, "bilinear")
    result[0] = 1 - result[1:].sum(dim=0)
    return result.clamp_(0, 1)


def _source_box(
    centre: Tensor,
    matrix: Tensor,
    shape: tuple[int, int, int],
    limit: tuple[int, ...],
    *,
    margin: int,
) -> tuple[list[int], list[int]]:
    """Return an even box of the case that holds the turned patch, at least two voxels wide."""
    reach = matrix.abs() @ (torch.tensor(shape) / 2) + margin
    start = [2 * math.floor(max(0.0, float(a)) / 2) for a in centre - reach]
    stop = [2 * math.ceil(min(float(b), n) / 2) for b, n in zip(centre + reach, limit, strict=True)]
    start = [min(a, n - 2) for a, n in zip(start, limit, strict=True)]
    return start, [max(b, a + 2) for a, b in zip(start, stop, strict=True)]


def _sampling_grid(
    shape: tuple[int, ...], matrix: Tensor, middle: Tensor, size: Tensor, bend: Tensor | None
) -> Tensor:
    """Return grid_sample coordinates (1, z, y, x, 3) of a patch; twice as fast as affine_grid."""
    axes = [torch.arange(n) + 0.5 - n / 2 for n in shape]
    scaled = matrix * (2.0 / size)[:, None]
    offset = middle * 2.0 / size - 1.0
    columns = [axes[i].reshape([-1 if j == i else 1 for j in range(3)]) for i in range(3)]
    parts = [offset[i] + sum(scaled[i, j] * columns[j] for j in range(3)) for i in (2, 1, 0)]
    grid = torch.stack(parts, dim=-1)[None]
    if bend is None:
        return grid
    shift = bend * (2.0 / size)[:, None, None, None]
    smooth = functional.interpolate(shift[None], shape, mode="trilinear", align_corners=True)
    return grid + smooth.flip(1).movedim(1, -1)


def _sample(source: Tensor, grid: Tensor, mode: str) -> Tensor:
    sampled: Tensor = functional.grid_sample(
        source[None], grid, mode=mode, padding_mode="zeros", align_corners=False
    )[0]
    return sampled
