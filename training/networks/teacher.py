"""The teacher: an nnU-Net-like residual encoder-decoder, STU-Net in its sizes (papers 1 and 3).

Residual blocks; a level is entered by the stride of its first block; the way up is interpolation
without weights, then a 1 x 1 x 1 convolution to the width of the skip. InstanceNorm, LeakyReLU.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

from torch import Tensor, cat, nn

from training.networks.features import Features

SIZES: dict[str, tuple[tuple[int, ...], int]] = {
    "nnunet": ((32, 64, 128, 256, 320, 320), 1),
    "stunet-s": ((16, 32, 64, 128, 256, 256), 1),
    "stunet-b": ((32, 64, 128, 256, 512, 512), 1),
    "stunet-l": ((64, 128, 256, 512, 1024, 1024), 2),
}
"""Widths and blocks a level: paper 1 (32 base channels), STU-Net S, B and L (paper 3, table 1)."""


@dataclass(frozen=True)
class TeacherSizes:
    """Sizes of a teacher."""

    channels: tuple[int, ...] = SIZES["nnunet"][0]
    """Of each level; every level but the first halves z, y and x."""
    blocks: int = 1
    """Residual blocks of a level, on the way down and on the way up."""
    classes: int = 14
    """Background, organs, and lesion as a 15th if it is trained."""


class ResidualBlock(nn.Module):
    """Two 3 x 3 x 3 convolutions and a shortcut (1 x 1 x 1 where the shape changes)."""

    def __init__(self, inputs: int, outputs: int, stride: int = 1) -> None:
        super().__init__()
        self.conv1 = nn.Conv3d(inputs, outputs, 3, stride, 1)
        self.norm1 = nn.InstanceNorm3d(outputs, affine=True)
        self.conv2 = nn.Conv3d(outputs, outputs, 3, 1, 1)
        self.norm2 = nn.InstanceNorm3d(outputs, affine=True)
        same = inputs == outputs and stride == 1
        self.shortcut = nn.Identity() if same else nn.Conv3d(inputs, outputs, 1, stride)
        self.act = nn.LeakyReLU(0.01)

    def forward(self, volume: Tensor) -> Tensor:
        """Return (n, outputs, z/stride, ...)."""
        hidden = self.act(self.norm1(self.conv1(volume)))
        summed: Tensor = self.act(self.norm2(self.conv2(hidden)) + self.shortcut(volume))
        return summed


class Teacher(nn.Module):
    """Residual encoder-decoder with logits at full resolution."""

    logits_stride = 1

    def __init__(self, sizes: TeacherSizes | None = None) -> None:
        super().__init__()
        self.sizes = sizes = sizes or TeacherSizes()
        widths = sizes.channels
        self.encoder_channels, self.decoder_channels = widths, widths[:-1]
        entries = [(1, widths[0], 1), *((a, b, 2) for a, b in pairwise(widths))]
        self.encoders = nn.ModuleList(
            _level(inputs, outputs, sizes.blocks, stride) for inputs, outputs, stride in entries
        )
        self.ups = nn.ModuleList(nn.Conv3d(b, a, 1) for a, b in pairwise(widths))
        self.decoders = nn.ModuleList(_level(2 * a, a, sizes.blocks, 1) for a in widths[:-1])
        self.head = nn.Conv3d(widths[0], sizes.classes, 1)

    def features(self, volume: Tensor) -> Features:
        """Return the feature maps of a normalized volume (n, 1, z, y, x)."""
        encoder: list[Tensor] = []
        for level in self.encoders:
            volume = level(volume)
            encoder.append(volume)
        decoder: list[Tensor] = []
        for i in reversed(range(len(encoder) - 1)):
            larger = nn.functional.interpolate(volume, encoder[i].shape[2:], mode="nearest")
            volume = self.decoders[i](cat([self.ups[i](larger), encoder[i]], 1))
            decoder.append(volume)
        return Features(tuple(encoder), tuple(reversed(decoder)))

    def classify(self, finest: Tensor) -> Tensor:
        """Return logits (n, classes, z, y, x)."""
        logits: Tensor = self.head(finest)
        return logits

    def forward(self, volume: Tensor) -> Tensor:
        """Return logits (n, classes, z, y, x) of a normalized volume (n, 1, z, y, x)."""
        return self.classify(self.features(volume).decoder[0])


def _level(inputs: int, outputs: int, blocks: int, stride: int) -> nn.Sequential:
    rest = (ResidualBlock(outputs, outputs) for _ in range(blocks - 1))
    return nn.Sequential(ResidualBlock(inputs, outputs, stride), *rest)
