"""The crop network of prompts: a flat U-Net on seven channels, eight logits a cell."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn

from FlareSegLib.inference.student import Block, FlatConv

CELL = 8
"""Voxels of a cell: 2 along each axis."""
SLICE_WIDTHS = (32, 64, 96)
"""Of the network of one slice."""


class CropNet(nn.Module):
    """From the channels of a crop to the logits of its voxels, at full resolution of the crop."""

    def __init__(
        self,
        inputs: int = 7,
        widths: tuple[int, ...] = (24, 48, 96),
        blocks: tuple[int, ...] = (2, 2, 3),
        z_dilation: tuple[int, ...] = (1, 1, 2),
    ) -> None:
        super().__init__()
        self.inputs = inputs
        self.stem = FlatConv(CELL * inputs, widths[0])
        self.downs = nn.ModuleList(FlatConv(a, b, stride=2) for a, b in pairwise(widths))
        self.encoders = nn.ModuleList(
            nn.ModuleList(Block(width, dilation) for _ in range(count))
            for width, count, dilation in zip(widths, blocks, z_dilation, strict=True)
        )
        self.ups = nn.ModuleList(nn.Conv2d(b, a, 1) for a, b in pairwise(widths))
        self.decoders = nn.ModuleList(
            Block(a, d) for a, d in zip(widths[:-1], z_dilation[:-1], strict=True)
        )
        self.head = nn.Conv2d(widths[0], CELL, 1)

    def forward(self, crop: Tensor) -> Tensor:
        """Return logits (n, 1, z, y, x) of channels (n, inputs, z, y, x)."""
        n, c, z, y, x = crop.shape
        cells = crop.reshape(n, c, z // 2, 2, y // 2, 2, x // 2, 2)
        cells = cells.permute(0, 1, 3, 5, 7, 2, 4, 6).reshape(n, CELL * c, z * y // 4, x // 2)
        logits = self.on_cells(cells, y // 2).reshape(n, 2, 2, 2, z // 2, y // 2, x // 2)
        return logits.permute(0, 4, 1, 5, 2, 6, 3).reshape(n, 1, z, y, x)

    def on_cells(self, cells: Tensor, rows: int) -> Tensor:
        """Return logits (n, 8, z * rows, x) of cells (n, 8 * inputs, z * rows, x)."""
        flat = torch.relu(self.stem(cells.contiguous(memory_format=torch.channels_last), rows))
        kept = []
        for level, blocks in enumerate(self.encoders):
            if level:
                flat = torch.relu(self.downs[level - 1](flat, rows))
                rows //= 2
            for block in blocks:  # type: ignore[union-attr]
                flat = block(flat, rows)
            kept.append(flat)
        for level in reversed(range(len(self.decoders))):
            larger = nn.functional.interpolate(
                self.ups[level](flat), scale_factor=2, mode="bilinear"
            )
            rows *= 2
            flat = self.decoders[level](larger + kept[level], rows)
        logits: Tensor = self.head(flat)
        return logits


def slice_net() -> CropNet:
    """Return the network of one slice: it is shown two planes that are the same."""
    return CropNet(widths=SLICE_WIDTHS, z_dilation=(0, 0, 0))
