"""The student of paper 1: depthwise-separable bottleneck residual blocks and pyramid pooling.

Stages of 16/32/64/128 channels with 1/1/2/2 blocks, then one more stage that keeps the resolution,
so that the depths of student and teacher line up (section 2.2); pyramid pooling at the bottleneck;
trilinear upsampling, skips by concatenation, a decoder that mirrors the encoder; logits at full
resolution. InstanceNorm, as in nnU-Net. Where the paper is silent (the skips, the inside of the
pyramid) this is the plain reading of it: 136,209 parameters with 14 classes against its 157.59 K.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor, cat, nn

from training.networks.features import Features


@dataclass(frozen=True)
class LightSizes:
    """Sizes of a student of paper 1."""

    channels: tuple[int, ...] = (16, 32, 64, 128)
    """Of each stage; every stage but the first halves z, y and x."""
    blocks: tuple[int, ...] = (1, 1, 2, 2)
    """Blocks of each stage, on the way down and on the way up."""
    ratio: float = 0.25
    """Width of the inside of a block, of its outside."""
    bins: tuple[int, ...] = (1, 2, 3, 6)
    """Cells along each axis of the pooled pyramid (Zhao et al., CVPR 2017)."""
    classes: int = 14
    """Background, organs, and lesion as a 15th if it is trained."""


class Separable(nn.Module):
    """A depthwise 3 x 3 x 3 convolution, then a pointwise one, then norm."""

    def __init__(self, inputs: int, outputs: int, stride: int = 1) -> None:
        super().__init__()
        self.depthwise = nn.Conv3d(inputs, inputs, 3, stride, 1, groups=inputs, bias=False)
        self.pointwise = nn.Conv3d(inputs, outputs, 1, bias=False)
        self.norm = nn.InstanceNorm3d(outputs, affine=True)

    def forward(self, volume: Tensor) -> Tensor:
        """Return (n, outputs, z/stride, ...)."""
        convolved: Tensor = self.norm(self.pointwise(self.depthwise(volume)))
        return convolved


class BottleneckBlock(nn.Module):
    """1 x 1 x 1 to fewer channels, separable 3 x 3 x 3, 1 x 1 x 1 back, and a shortcut."""

    def __init__(self, inputs: int, outputs: int, *, stride: int = 1, ratio: float = 0.25) -> None:
        super().__init__()
        inside = max(4, round(outputs * ratio))
        self.act = nn.LeakyReLU(0.01)
        self.reduce = _pointwise(inputs, inside)
        self.separable = Separable(inside, inside, stride)
        self.restore = _pointwise(inside, outputs)
        same = inputs == outputs and stride == 1
        self.shortcut = nn.Identity() if same else Separable(inputs, outputs, stride)

    def forward(self, volume: Tensor) -> Tensor:
        """Return (n, outputs, z/stride, ...)."""
        hidden = self.act(self.separable(self.act(self.reduce(volume))))
        summed: Tensor = self.act(self.restore(hidden) + self.shortcut(volume))
        return summed


class PyramidPooling(nn.Module):
    """Means over 1, 2, 3 and 6 cells along each axis, mixed in again (paper 1, fig. 2)."""

    def __init__(self, channels: int, bins: tuple[int, ...]) -> None:
        super().__init__()
        self.bins = bins
        self.branches = nn.ModuleList(
            nn.Sequential(nn.Conv3d(channels, channels // len(bins), 1), nn.LeakyReLU(0.01))
            for _ in bins
        )
        self.fuse = _pointwise(channels + channels // len(bins) * len(bins), channels)
        self.act = nn.LeakyReLU(0.01)

    def forward(self, volume: Tensor) -> Tensor:
        """Return a volume of the same shape."""
        shape = volume.shape[2:]
        pooled = [
            nn.functional.interpolate(branch(cell_means(volume, cells)), shape, mode="trilinear")
            for cells, branch in zip(self.bins, self.branches, strict=True)
        ]
        fused: Tensor = self.act(self.fuse(cat([volume, *pooled], 1)))
        return fused


def cell_means(volume: Tensor, cells: int) -> Tensor:
    """Return adaptive_avg_pool3d(volume, cells), made of products that ONNX has too."""
    for axis in (2, 3, 4):
        n = volume.shape[axis]
        means = torch.zeros(n, cells)
        for i in range(cells):
            start, stop = i * n // cells, -(-(i + 1) * n // cells)
            means[start:stop, i] = 1 / (stop - start)
        volume = (volume.movedim(axis, -1) @ means.to(volume)).movedim(-1, axis)
    return volume


class LightStudent(nn.Module):
    """U-Net of bottleneck blocks with logits at full resolution."""

    logits_stride = 1

    def __init__(self, sizes: LightSizes | None = None) -> None:
        super().__init__()
        self.sizes = sizes = sizes or LightSizes()
        widths, ratio = sizes.channels, sizes.ratio
        self.encoder_channels, self.decoder_channels = (*widths, widths[-1]), widths[:-1]
        self.stem = Separable(1, widths[0])
        entries = [(widths[0], widths[0], 1), *((a, b, 2) for a, b in pairwise(widths))]
        self.encoders = nn.ModuleList(
            _stage(inputs, outputs, count, stride, ratio)
            for (inputs, outputs, stride), count in zip(entries, sizes.blocks, strict=True)
        )
        self.deepest = BottleneckBlock(widths[-1], widths[-1], ratio=ratio)
        self.pyramid = PyramidPooling(widths[-1], sizes.bins)
        self.ups = nn.ModuleList(_pointwise(b, a) for a, b in pairwise(widths))
        self.decoders = nn.ModuleList(
            _stage(2 * a, a, count, 1, ratio)
            for a, count in zip(widths[:-1], sizes.blocks[:-1], strict=True)
        )
        self.head = nn.Conv3d(widths[0], sizes.classes, 1)

    def features(self, volume: Tensor) -> Features:
        """Return the feature maps of a normalized volume (n, 1, z, y, x)."""
        volume = nn.functional.leaky_relu(self.stem(volume), 0.01)
        encoder: list[Tensor] = []
        for stage in self.encoders:
            volume = stage(volume)
            encoder.append(volume)
        volume = self.pyramid(self.deepest(volume))
        encoder.append(volume)
        decoder: list[Tensor] = []
        for i in reversed(range(len(self.decoders))):
            shape = encoder[i].shape[2:]
            larger = nn.functional.interpolate(self.ups[i](volume), shape, mode="trilinear")
            volume = self.decoders[i](cat([larger, encoder[i]], 1))
            decoder.append(volume)
        return Features(tuple(encoder), tuple(reversed(decoder)))

    def classify(self, finest: Tensor) -> Tensor:
        """Return logits (n, classes, z, y, x)."""
        logits: Tensor = self.head(finest)
        return logits

    def forward(self, volume: Tensor) -> Tensor:
        """Return logits (n, classes, z, y, x) of a normalized volume (n, 1, z, y, x)."""
        return self.classify(self.features(volume).decoder[0])


def _pointwise(inputs: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv3d(inputs, outputs, 1, bias=False), nn.InstanceNorm3d(outputs, affine=True)
    )


def _stage(inputs: int, outputs: int, count: int, stride: int, ratio: float) -> nn.Sequential:
    rest = (BottleneckBlock(outputs, outputs, ratio=ratio) for _ in range(count - 1))
    return nn.Sequential(BottleneckBlock(inputs, outputs, stride=stride, ratio=ratio), *rest)
