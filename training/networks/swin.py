"""Swin-T (Liu et al., ICCV 2021) as the image encoder of the teacher of paper 4.

Windows of tokens attend to themselves, every second block in windows shifted by half. A stage that
is wider than the one before halves the resolution first, so that the embedding of the full size,
with patches of one pixel, has a quarter of it.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor, nn

from training.networks.prompt_decoder import ChannelNorm

APART = -100.0
"""Added where two tokens of a shifted window do not belong together."""


@dataclass(frozen=True)
class SwinSizes:
    """Sizes of an encoder."""

    patch: int = 1
    """Pixels of a token, along each axis."""
    widths: tuple[int, ...] = (64, 128, 256, 256)
    depths: tuple[int, ...] = (2, 2, 6, 2)
    """Blocks of each stage."""
    heads: tuple[int, ...] = (2, 4, 8, 8)
    window: int = 7
    """Tokens of a window, along each axis."""


class WindowAttention(nn.Module):
    """Attention within windows, with a bias for each distance of two tokens."""

    pairs: Tensor

    def __init__(self, width: int, heads: int, window: int) -> None:
        super().__init__()
        self.heads, self.window = heads, window
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.bias = nn.Parameter(torch.zeros(heads, (2 * window - 1) ** 2))
        nn.init.trunc_normal_(self.bias, std=0.02)
        at = torch.cartesian_prod(torch.arange(window), torch.arange(window))
        apart = at[:, None] - at[None] + window - 1
        self.register_buffer("pairs", apart[..., 0] * (2 * window - 1) + apart[..., 1])

    def forward(self, windows: Tensor, apart: Tensor) -> Tensor:
        """Return windows (n, w, tokens, width); apart (w, tokens, tokens) goes to the scores."""
        n, w = windows.shape[:2]
        q, k, v = self.qkv(windows.flatten(0, 1)).chunk(3, -1)
        q, k, v = (part.unflatten(-1, (self.heads, -1)).transpose(1, 2) for part in (q, k, v))
        scores = self.bias[:, self.pairs][None] + apart[:, None]
        seen = nn.functional.scaled_dot_product_attention(
            q, k, v, scores.expand(n, -1, -1, -1, -1).flatten(0, 1)
        )
        out: Tensor = self.out(seen.transpose(1, 2).flatten(2)).unflatten(0, (n, w))
        return out


class SwinBlock(nn.Module):
    """Attention in windows, then an MLP; both added to what came in."""

    def __init__(self, width: int, heads: int, window: int, *, shifted: bool) -> None:
        super().__init__()
        self.window, self.shift = window, window // 2 if shifted else 0
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.attention = WindowAttention(width, heads, window)
        self.mlp = nn.Sequential(
            nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width)
        )

    def forward(self, maps: Tensor) -> Tensor:
        """Return maps (n, y, x, width)."""
        rows, columns = maps.shape[1:3]
        size, shift = self.window, self.shift
        pad = [0, 0, 0, -columns % size, 0, -rows % size]
        padded = nn.functional.pad(self.norm1(maps), pad)
        shape = padded.shape[1:3]
        turned = padded.roll((-shift, -shift), (1, 2)) if shift else padded
        seen = self.attention(_windows(turned, size), self._apart(rows, columns, maps.device))
        whole = _whole(seen, shape, size)
        whole = whole.roll((shift, shift), (1, 2)) if shift else whole
        maps = maps + whole[:, :rows, :columns]
        out: Tensor = maps + self.mlp(self.norm2(maps))
        return out

    def _apart(self, rows: int, columns: int, device: torch.device) -> Tensor:
        """Return APART for pairs of tokens of which one is padding or came from the other side."""
        size, shift = self.window, self.shift
        lines = []
        for count in (rows, columns):
            whole = count + -count % size
            line = (torch.arange(whole, device=device) >= count).long() * 4
            if shift:
                at = torch.arange(whole, device=device)
                line = line.roll(-shift) + (at >= whole - size).long() + (at >= whole - shift)
            lines.append(line)
        kinds = (lines[0][:, None] * 16 + lines[1][None])[None, ..., None]
        of_window = _windows(kinds, size)[0, ..., 0]
        return (of_window[:, :, None] != of_window[:, None, :]).float() * APART


class Merge(nn.Module):
    """Four neighbours become one token."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(4 * inputs)
        self.mix = nn.Linear(4 * inputs, outputs, bias=False)

    def forward(self, maps: Tensor) -> Tensor:
        """Return (n, y/2, x/2, outputs)."""
        n, rows, columns, width = maps.shape
        four = maps.reshape(n, rows // 2, 2, columns // 2, 2, width).permute(0, 1, 3, 2, 4, 5)
        merged: Tensor = self.mix(self.norm(four.reshape(n, rows // 2, columns // 2, 4 * width)))
        return merged


class Swin(nn.Module):
    """From slices to their embedding."""

    def __init__(self, image: int = 256, width: int = 256, sizes: SwinSizes | None = None) -> None:
        """Make it.

        Args:
            image: Pixels of a slice along each axis.
            width: Channels of the embedding.
            sizes: Of the stages; None: those of paper 4.
        """
        super().__init__()
        sizes = sizes or SwinSizes()
        first, count = sizes.widths[0], image // sizes.patch
        self.patch = nn.Conv2d(1, first, sizes.patch, sizes.patch)
        self.places = nn.Parameter(torch.zeros(1, count, count, first))
        nn.init.trunc_normal_(self.places, std=0.02)
        self.norm = nn.LayerNorm(first)
        stages: list[nn.Module] = []
        befores = (first, *sizes.widths)
        for (before, now), depth, heads in zip(
            pairwise(befores), sizes.depths, sizes.heads, strict=True
        ):
            if now != before:
                stages.append(Merge(before, now))
            stages += [
                SwinBlock(now, heads, sizes.window, shifted=bool(i % 2)) for i in range(depth)
            ]
        self.stages = nn.Sequential(*stages)
        self.neck = nn.Identity()
        if sizes.widths[-1] != width:
            self.neck = nn.Conv2d(sizes.widths[-1], width, 1)
        self.last = ChannelNorm(width)

    def forward(self, slices: Tensor) -> Tensor:
        """Return (n, width, y, x) of slices (n, 1, image, image)."""
        maps = self.norm(self.patch(slices).permute(0, 2, 3, 1) + self.places)
        embedding: Tensor = self.last(self.neck(self.stages(maps).permute(0, 3, 1, 2)))
        return embedding


def _windows(maps: Tensor, size: int) -> Tensor:
    """Return (n, windows, tokens, c) of maps (n, y, x, c)."""
    n, rows, columns, c = maps.shape
    cut = maps.reshape(n, rows // size, size, columns // size, size, c)
    return cut.permute(0, 1, 3, 2, 4, 5).reshape(n, -1, size * size, c)


def _whole(windows: Tensor, shape: tuple[int, ...], size: int) -> Tensor:
    """Return maps (n, y, x, c) of their windows."""
    rows, columns = shape
    n, _, _, c = windows.shape
    cut = windows.reshape(n, rows // size, columns // size, size, size, c)
    return cut.permute(0, 1, 3, 2, 4, 5).reshape(n, rows, columns, c)
