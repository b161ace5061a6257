"""Prompt encoder and mask decoder of SAM (Kirillov et al., ICCV 2023), as paper 4 uses them.

A box becomes two tokens, its corners. Tokens and the embedding of a slice attend to one another
twice; the token of the mask then says, through a small network, which channels of the upscaled
embedding make its mask.
"""

from __future__ import annotations

import math
from itertools import pairwise

import torch
from torch import Tensor, nn

Pair = tuple[Tensor, Tensor]


class ChannelNorm(nn.LayerNorm):
    """LayerNorm over the channels of a map (n, c, y, x)."""

    def forward(self, maps: Tensor) -> Tensor:
        """Return a map of the same shape."""
        return super().forward(maps.movedim(1, -1)).movedim(-1, 1)


class Attention(nn.Module):
    """Attention of queries to keys, of a width inside that may be smaller."""

    def __init__(self, width: int, heads: int, inside: int) -> None:
        super().__init__()
        self.heads = heads
        self.query, self.key, self.value = (nn.Linear(width, inside) for _ in range(3))
        self.out = nn.Linear(inside, width)

    def forward(self, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        """Return (n, queries, width)."""
        q, k, v = self.query(query), self.key(key), self.value(value)
        q, k, v = (part.unflatten(-1, (self.heads, -1)).transpose(1, 2) for part in (q, k, v))
        seen = nn.functional.scaled_dot_product_attention(q, k, v)
        out: Tensor = self.out(seen.transpose(1, 2).flatten(2))
        return out


class TwoWayBlock(nn.Module):
    """Tokens attend to themselves, to the image, pass an MLP; then the image attends to them."""

    def __init__(self, width: int, heads: int, mlp: int, *, first: bool) -> None:
        super().__init__()
        self.first = first
        self.own = Attention(width, heads, width)
        self.to_image = Attention(width, heads, width // 2)
        self.mlp = nn.Sequential(nn.Linear(width, mlp), nn.ReLU(), nn.Linear(mlp, width))
        self.to_tokens = Attention(width, heads, width // 2)
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(4))

    def forward(self, tokens: Tensor, image: Tensor, said: Tensor, places: Tensor) -> Pair:
        """Return tokens and image; said are the tokens of the prompt, places those of the image."""
        if self.first:
            tokens = self.own(tokens, tokens, tokens)
        else:
            query = tokens + said
            tokens = tokens + self.own(query, query, tokens)
        tokens = self.norms[0](tokens)
        tokens = self.norms[1](tokens + self.to_image(tokens + said, image + places, image))
        tokens = self.norms[2](tokens + self.mlp(tokens))
        return tokens, self.norms[3](image + self.to_tokens(image + places, tokens + said, tokens))


class PromptDecoder(nn.Module):
    """From the embedding of slices and boxes to a mask for each box, and its likely IoU."""

    frequencies: Tensor

    def __init__(self, width: int = 256, heads: int = 8, mlp: int = 2048, masks: int = 4) -> None:
        """Make it.

        Args:
            width: Channels of the embedding.
            heads: Of every attention.
            mlp: Width of the inside of the MLPs.
            masks: Tokens of masks; the first is used. SAM has four, for prompts that are unclear.
        """
        super().__init__()
        self.masks = masks
        self.register_buffer("frequencies", torch.randn(2, width // 2))
        self.corners = nn.Parameter(torch.randn(2, width))
        self.no_mask = nn.Parameter(torch.randn(width))
        self.outputs = nn.Parameter(torch.randn(1 + masks, width))
        self.blocks = nn.ModuleList(
            TwoWayBlock(width, heads, mlp, first=first) for first in (True, False)
        )
        self.last = Attention(width, heads, width // 2)
        self.norm = nn.LayerNorm(width)
        self.upscale = nn.Sequential(
            nn.ConvTranspose2d(width, width // 4, 2, 2), ChannelNorm(width // 4), nn.GELU(),
            nn.ConvTranspose2d(width // 4, width // 8, 2, 2), nn.GELU(),
        )  # fmt: skip
        self.mixes = nn.ModuleList(_mlp(width, width, width, width // 8) for _ in range(masks))
        self.iou = _mlp(width, width, width, masks)

    def forward(self, embedding: Tensor, boxes: Tensor) -> Pair:
        """Return logits (n, k, 4 y, 4 x) and IoU (n, k).

        Args:
            embedding: Of slices, (n, width, y, x).
            boxes: Corners (n, k, 4) x0, y0, x1, y1, each from 0 to 1 of the padded slice.
        """
        n, k = boxes.shape[:2]
        rows, columns = embedding.shape[2:]
        said = torch.cat(
            [self.outputs.expand(n * k, -1, -1), self._corners(boxes.reshape(n * k, 2, 2))], 1
        )
        places = self._places(rows, columns).flatten(0, 1)[None]
        image = (embedding + self.no_mask[:, None, None]).flatten(2).transpose(1, 2)
        image = image.repeat_interleave(k, 0)
        tokens = said
        for block in self.blocks:
            tokens, image = block(tokens, image, said, places)
        tokens = self.norm(tokens + self.last(tokens + said, image + places, image))
        maps = self.upscale(image.transpose(1, 2).unflatten(2, (rows, columns)))
        mixes = torch.stack([mix(tokens[:, 1 + i]) for i, mix in enumerate(self.mixes)], 1)
        logits = (mixes @ maps.flatten(2)).unflatten(2, maps.shape[2:])
        return logits[:, 0].unflatten(0, (n, k)), self.iou(tokens[:, 0])[:, 0].unflatten(0, (n, k))

    def _corners(self, corners: Tensor) -> Tensor:
        return self._waves(corners) + self.corners

    def _places(self, rows: int, columns: int) -> Tensor:
        y, x = (
            (torch.arange(count, device=self.frequencies.device) + 0.5) / count
            for count in (rows, columns)
        )
        return self._waves(torch.stack(torch.meshgrid(x, y, indexing="xy"), -1))

    def _waves(self, places: Tensor) -> Tensor:
        """Return sines and cosines (..., width) of places (..., 2), x and y from 0 to 1."""
        turns = 2 * math.pi * (2 * places - 1) @ self.frequencies
        return torch.cat([turns.sin(), turns.cos()], -1)


def _mlp(*widths: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    for inputs, outputs in pairwise(widths):
        layers += [nn.Linear(inputs, outputs), nn.ReLU()]
    return nn.Sequential(*layers[:-1])
