"""The student network: a U-Net made of 2-D convolutions on flattened slices. Needs torch.

A volume (n, c, z, y, x) is laid out as one tall image (n, c, z * y, x). A 3 x 3 convolution then
mixes y and x, and a 3 x 1 convolution with dilation (y, 1) mixes z, so everything runs on 2-D
kernels, the fast ones of onnxruntime and of torch on a CPU. Two voxels along each axis become
channels first (space-to-depth), so the body works at half resolution and loses nothing; the logits
stay at half resolution and are interpolated as labels are restored. Slices are pooled in-plane
only; in z the dilation grows instead. BatchNorm folds away at export.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

import torch
from torch import Tensor, nn


@dataclass(frozen=True)
class StudentConfig:
    """Sizes of a student network."""

    channels: tuple[int, ...] = (32, 64, 96, 128)
    """Channels of each level; each level halves y and x."""
    blocks: tuple[int, ...] = (1, 1, 2, 2)
    """Residual blocks of each encoder level; each decoder level has one."""
    z_dilation: tuple[int, ...] = (1, 1, 2, 4)
    """Dilation along z of each level, in slices of the half-resolution grid."""
    classes: int = 14
    """Background and organs."""

    @property
    def multiple(self) -> tuple[int, int, int]:
        """Shapes (z, y, x) of an input must be multiples of this."""
        in_plane: int = 2 ** len(self.channels)
        return 2, in_plane, in_plane


def space_to_depth(volume: Tensor) -> Tensor:
    """Return (n, 8, z/2, y/2, x/2) from (n, 1, z, y, x): each 2 x 2 x 2 cell becomes 8 channels."""
    n, _, z, y, x = volume.shape
    cells = volume.reshape(n, z // 2, 2, y // 2, 2, x // 2, 2)
    return cells.permute(0, 2, 4, 6, 1, 3, 5).reshape(n, 8, z // 2, y // 2, x // 2)


def flattened(volume: Tensor) -> Tensor:
    """Return cells (n, 8, z/2 * y/2, x/2) of a volume (n, 1, z, y, x), slices below each other."""
    cells: Tensor = space_to_depth(volume).flatten(2, 3)
    return cells


class FlatConv(nn.Module):
    """A convolution on flattened slices, then BatchNorm: along y and x, or along z."""

    def __init__(self, inputs: int, outputs: int, *, stride: int = 1, z_dilation: int = 0) -> None:
        super().__init__()
        self.stride = stride
        self.z_dilation = z_dilation
        kernel = (3, 1) if z_dilation else (3, 3)
        self.conv = nn.Conv2d(inputs, outputs, kernel, bias=False)
        self.norm = nn.BatchNorm2d(outputs)

    def forward(self, flat: Tensor, rows: int) -> Tensor:
        """Return the convolved image; flat is (n, c, z * rows, x)."""
        step = self.z_dilation * rows
        dilation, padding = ((step, 1), (step, 0)) if step else ((1, 1), (1, 1))
        convolved = nn.functional.conv2d(
            flat, self.conv.weight, None, self.stride, padding, dilation
        )
        return self.norm(convolved)


class Block(nn.Module):
    """Residual block: in-plane convolution, then convolution along z."""

    def __init__(self, channels: int, z_dilation: int) -> None:
        super().__init__()
        self.plane = FlatConv(channels, channels)
        self.along_z = FlatConv(channels, channels, z_dilation=z_dilation)

    def forward(self, flat: Tensor, rows: int) -> Tensor:
        """Return an image of the same shape as flat (n, c, z * rows, x)."""
        hidden = torch.relu(self.plane(flat, rows))
        return torch.relu(flat + self.along_z(hidden, rows))


class Features(NamedTuple):
    """Feature maps (n, c, z, y, x) of one forward pass, finest first."""

    encoder: tuple[Tensor, ...]
    """After the last block of each encoder level; the last is the bottleneck."""
    decoder: tuple[Tensor, ...]
    """After each decoder level; the first one goes to the head."""


class Student(nn.Module):
    """U-Net on flattened slices with additive skips and half-resolution logits."""

    logits_stride = 2
    """Voxels of the input per logit along each axis."""

    def __init__(self, config: StudentConfig | None = None) -> None:
        super().__init__()
        self.config = config = config or StudentConfig()
        widths, dilations = config.channels, config.z_dilation
        self.encoder_channels, self.decoder_channels = widths, widths[:-1]
        self.stem = FlatConv(8, widths[0])
        self.downs = nn.ModuleList(FlatConv(a, b, stride=2) for a, b in pairwise(widths))
        self.encoders = nn.ModuleList(
            nn.ModuleList(Block(width, dilation) for _ in range(count))
            for width, count, dilation in zip(widths, config.blocks, dilations, strict=True)
        )
        self.ups = nn.ModuleList(nn.Conv2d(b, a, 1) for a, b in pairwise(widths))
        self.decoders = nn.ModuleList(
            Block(a, d) for a, d in zip(widths[:-1], dilations[:-1], strict=True)
        )
        self.head = nn.Conv2d(widths[0], config.classes, 1)

    def forward(self, volume: Tensor) -> Tensor:
        """Return logits (n, classes, z/2, y/2, x/2) of a normalized volume (n, 1, z, y, x)."""
        n, _, z, y, x = volume.shape
        _, decoder = self.flat_features(flattened(volume), y // 2)
        logits: Tensor = self.head(decoder[0])
        return logits.reshape(n, -1, z // 2, y // 2, x // 2)

    def features(self, volume: Tensor) -> Features:
        """Return the feature maps of a normalized volume: what losses inside the network need."""
        depth = volume.shape[2] // 2
        encoder, decoder = self.flat_features(flattened(volume), volume.shape[3] // 2)
        return Features(
            tuple(flat.unflatten(2, (depth, -1)) for flat in encoder),
            tuple(flat.unflatten(2, (depth, -1)) for flat in decoder),
        )

    def classify(self, finest: Tensor) -> Tensor:
        """Return logits (n, classes, z/2, y/2, x/2) from Features.decoder[0]."""
        logits: Tensor = self.head(finest.flatten(2, 3))
        return logits.unflatten(2, finest.shape[2:4])

    def flat_features(self, cells: Tensor, rows: int) -> tuple[list[Tensor], list[Tensor]]:
        """Return the maps (n, c, z * rows, x) of encoder and decoder, finest first."""
        flat = torch.relu(self.stem(cells.contiguous(memory_format=torch.channels_last), rows))
        encoder: list[Tensor] = []
        for level, blocks in enumerate(self.encoders):
            if level:
                flat = torch.relu(self.downs[level - 1](flat, rows))
                rows //= 2
            for block in blocks:
                flat = block(flat, rows)
            encoder.append(flat)
        decoder: list[Tensor] = []
        for level in reversed(range(len(self.decoders))):
            smaller = self.ups[level](flat)
            larger = nn.functional.interpolate(smaller, scale_factor=2, mode="bilinear")
            rows *= 2
            flat = self.decoders[level](larger + encoder[level], rows)
            decoder.insert(0, flat)
        return encoder, decoder
