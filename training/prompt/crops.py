"""Crops out of scenes: boxes as people draw them, the crop about each, other scanners."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from training.prompt import pool
from training.prompt.scenes import SHAPE, axes

RATIO = 1.5
"""Size of the crop, in sizes of the box."""
WRONG_DEPTH, GUESSED = 0.15, 0.15
"""Shares of boxes whose depth alone was guessed, each face off by -40 to 55 %, and of cubes about a
line, whose faces are all off by -30 to 40 %."""
LEAST_CELLS, LEAST_VOXELS = 5, 120
"""Of a thing in its scene, along each axis and in all."""
GRAIN = 0.77
"""Noise of several voxels, as a share of that of single ones."""
RECOLOURED, CURVE_HU, KNOTS_HU = 0.35, 30.0, (-200.0, 400.0)
"""Share of crops whose HU go through a curve, how far off it is (SD), and where it has its ends."""
KNOTS = 10
"""Straight pieces of the curve."""
LEAST_SHARE, LEAST_PIXELS = 0.15, 30
"""Of a slice that is drawn: its share of the largest one, and its pixels."""


@dataclass(frozen=True)
class Crops:
    """A batch of crops; all (n, 1, z, y, x)."""

    hu: Tensor
    box: Tensor
    truth: Tensor
    weight: Tensor
    """(n,): 0 where the scene shows no whole thing."""
    former: Tensor | None = None
    """What was found before; None: nothing."""


def crops(
    hu: Tensor,
    mask: Tensor,
    cut_allowed: Tensor,
    grid: tuple[int, int, int],
    *,
    flat: bool = False,
) -> Crops:
    """Return a crop about a box of the thing in each scene.

    Args:
        hu: Scenes (n, 1, z, y, x).
        mask: Of their things.
        cut_allowed: Scenes (n,) whose thing may reach the edge.
        grid: Voxels of a crop.
        flat: The box lies in one slice of the thing, and all planes of the crop in its middle.
    """
    low, high = bounds(mask)
    size = high - low
    edge = torch.tensor(SHAPE, device=hu.device)
    reaches = ((low <= 0) | (high >= edge)).any(1)
    enough = (size.amin(1) >= LEAST_CELLS) & (mask.sum((1, 2, 3, 4)) > LEAST_VOXELS)
    if flat:
        low, high, pixels = _slices(mask)
        enough &= pixels > LEAST_PIXELS
        size = (high - low) * size.new_tensor((0, 1, 1))
    drawn = jitter(len(hu), hu.device, 0.0 if flat else GUESSED)
    first, last = low - drawn[:, 0] * size, high + drawn[:, 1] * size
    places = _places(first, last, grid)
    if flat:
        places[0] = ((low + high) / 2)[:, :1].expand(-1, grid[0])
    lines = [at / n * 2 - 1 for at, n in zip(places, SHAPE, strict=True)]
    z, y, x = lines
    shape = (len(hu), *grid)
    where = torch.stack(
        [
            x[:, None, None, :].expand(shape),
            y[:, None, :, None].expand(shape),
            z[:, :, None, None].expand(shape),
        ],
        -1,
    )

    def taken(values: Tensor, padding: str) -> Tensor:
        found: Tensor = functional.grid_sample(
            values, where, mode="bilinear", padding_mode=padding, align_corners=False
        )
        return found

    box = _box(places, first, last)
    truth = (taken(mask, "zeros") > 0.5).float()
    return Crops(taken(hu, "border"), box, truth, (enough & (cut_allowed | ~reaches)).float())


def bounds(mask: Tensor) -> tuple[Tensor, Tensor]:
    """Return first and last edges (n, 3) of masks (n, 1, z, y, x), in voxels."""
    inside = mask[:, 0] > 0
    low = torch.zeros(len(mask), 3, device=mask.device)
    high = torch.zeros_like(low)
    for axis, (a, b) in enumerate(((2, 3), (1, 3), (1, 2))):
        line = inside.any(b).any(a).float()
        low[:, axis] = line.argmax(1)
        high[:, axis] = line.shape[1] - line.flip(1).argmax(1)
    return low, high


def _slices(mask: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return first and last edges (n, 3) and pixels (n,) of a random slice of each thing."""
    areas = mask.sum((1, 3, 4))
    may = areas >= (LEAST_SHARE * areas.amax(1, keepdim=True)).clamp_min(1)
    at = torch.multinomial(may.float() + 1e-9, 1)[:, 0]
    rows = torch.arange(len(mask), device=mask.device)
    low, high = bounds(mask[rows, :, at][:, :, None])
    low[:, 0], high[:, 0] = at.float(), at.float() + 1
    return low, high, areas[rows, at]


def jitter(n: int, device: torch.device, cubes: float = GUESSED) -> Tensor:
    """Return how far out each face lies, (n, 2, 3) in sizes: 40 % tight, 40 % loose, 20 % both.

    cubes: Share of those about a line.
    """
    kind, drawn = torch.rand(n, 1, 1, device=device), torch.rand(n, 2, 3, device=device)
    loose = torch.where(kind < 0.8, drawn * 0.10, drawn * 0.20 - 0.05)
    out = torch.where(kind < 0.4, drawn * 0.04 - 0.02, loose)
    guessed = torch.rand(n, device=device) < WRONG_DEPTH
    out[guessed, :, 0] = torch.rand(int(guessed.sum()), 2, device=device) * 0.95 - 0.4
    lines = torch.rand(n, device=device) < cubes
    out[lines] = torch.rand(int(lines.sum()), 2, 3, device=device) * 0.7 - 0.3
    return out


def _places(first: Tensor, last: Tensor, grid: tuple[int, int, int]) -> list[Tensor]:
    """Return where the voxels of each crop lie in its scene, (n, k) along each axis."""
    extent = (last - first).clamp_min(2)
    side = extent[:, 1:].amax(1, keepdim=True)
    frame = torch.cat([extent[:, :1], side, side], 1) * RATIO
    middle = (first + last) / 2
    return [
        middle[:, axis, None] + line[None] * frame[:, axis, None] / 2
        for axis, line in enumerate(axes(grid, first.device))
    ]


def _box(places: list[Tensor], first: Tensor, last: Tensor) -> Tensor:
    z, y, x = (
        ((at >= first[:, axis, None]) & (at <= last[:, axis, None])).float()
        for axis, at in enumerate(places)
    )
    return (z[:, :, None, None] * y[:, None, :, None] * x[:, None, None, :])[:, None]


def changed(crops: Crops) -> Crops:
    """Return crops as other scanners would show them, and mirrored."""
    hu, n, device = crops.hu, len(crops.hu), crops.hu.device

    def drawn(low: float, high: float) -> Tensor:
        return torch.empty(n, 1, 1, 1, 1, device=device).uniform_(low, high)

    hu = recoloured(hu) * drawn(0.8, 1.25) + drawn(-40, 40)
    blurred = torch.rand(n, device=device) < 0.25
    hu[blurred] = pool.mean(hu[blurred], (1, 3, 3))
    if hu.shape[2] > 2:
        thick = torch.rand(n, device=device) < 0.2
        slabs = functional.avg_pool3d(hu[thick], (4, 1, 1))
        slabs = functional.interpolate(slabs, hu.shape[2:], mode="trilinear", align_corners=False)
        hu[thick] = slabs
    white = torch.randn_like(hu)
    if hu.shape[2] == 2:  # both planes show the same slice
        white = white[:, :, :1].expand_as(hu)
    grain = pool.mean(white, (3, 3, 3))
    grain = grain * (GRAIN / grain.std())
    hu = hu + drawn(0, 22) * torch.where(drawn(0, 1) < 0.5, white, grain)
    parts = [hu, crops.truth, crops.box, *([] if crops.former is None else [crops.former])]
    for axis in (2, 3, 4):
        turned = torch.rand(n, device=device) < 0.5
        for part in parts:
            part[turned] = part[turned].flip(axis)
    turned = torch.rand(n, device=device) < 0.5
    for part in parts:
        part[turned] = part[turned].transpose(3, 4)
    return Crops(parts[0], parts[2], parts[1], crops.weight, *parts[3:])


def recoloured(hu: Tensor) -> Tensor:
    """Return crops (n, 1, z, y, x), some of them with other contrast between their tissues."""
    n, (low, high) = len(hu), KNOTS_HU
    off = torch.randn(n, KNOTS + 1, device=hu.device) * CURVE_HU
    off = off * (torch.rand(n, 1, device=hu.device) < RECOLOURED)
    off[:, 0] = off[:, -1] = 0
    at = ((hu - low) * (KNOTS / (high - low))).clamp(0, KNOTS - 1e-3).flatten(1)
    piece = at.long()
    share = at - piece
    moved = off.gather(1, piece) * (1 - share) + off.gather(1, piece + 1) * share
    return hu + moved.reshape(hu.shape)
