"""A simulated user who clicks into the middle of the largest error, and the network's channels."""

from __future__ import annotations

import torch
from torch import Tensor

from FlareSegLib.prompting.channels import CLICK_SIGMA, LEAST_SD
from training.prompt import pool
from training.prompt.crops import Crops


def channels(crops: Crops, former: Tensor, inside: Tensor, outside: Tensor) -> Tensor:
    """Return (n, 7, z, y, x): what FlareSegLib.prompting.channels does, for a batch."""
    hu, n = crops.hu, len(crops.hu)
    values = torch.where(crops.box.reshape(n, -1) > 0, hu.reshape(n, -1), torch.nan)
    middle = values.nanmedian(1).values[:, None, None, None, None]
    mean = torch.nanmean(values, 1, keepdim=True)
    spread = torch.sqrt(torch.nanmean((values - mean) ** 2, 1)).clamp_min(LEAST_SD)
    narrow = ((hu - 50) / 150).clamp(-3, 3)
    wide = (hu / 1000).clamp(-1.1, 2)
    local = ((hu - middle) / (2 * spread[:, None, None, None, None])).clamp(-3, 3)
    shown = torch.cat([narrow, wide, local, crops.box, former, inside, outside], 1)
    return torch.nan_to_num(shown)


def click(mask: Tensor, truth: Tensor, inside: Tensor, outside: Tensor) -> tuple[Tensor, Tensor]:
    """Return the channels of clicks with one more in each sample, where it errs most deeply."""
    n, (depth, rows, columns) = len(truth), truth.shape[2:]
    wrong = (mask != truth).float()
    at = (_depth(wrong) * wrong).reshape(n, -1).argmax(1)
    errs = wrong.reshape(n, -1).amax(1)[:, None, None, None, None]
    is_inside = truth.reshape(n, -1).gather(1, at[:, None])[:, :, None, None, None] > 0.5
    z, y, x = at // (rows * columns), at // columns % rows, at % columns

    def apart(count: int, middle: Tensor) -> Tensor:
        line = torch.arange(count, device=truth.device, dtype=torch.float32)
        return (line[None] - middle[:, None]) ** 2

    square = (
        4 * apart(depth, z)[:, :, None, None]
        + apart(rows, y)[:, None, :, None]
        + apart(columns, x)[:, None, None, :]
    )
    bump = torch.exp(-square / (2 * CLICK_SIGMA**2))[:, None] * errs
    return torch.maximum(inside, bump * is_inside), torch.maximum(outside, bump * ~is_inside)


def _depth(wrong: Tensor) -> Tensor:
    """Return how deep in an error each voxel lies, more where the error is large."""
    deep, score = wrong, wrong.clone()
    for _ in range(4):
        deep = -pool.largest(-deep)
        score = score + deep
    return score + pool.mean(wrong, (7, 7, 7)) * 0.9
