"""RepViT-M0.6 (Wang et al., CVPR 2024) as the image encoder of paper 4: convolutions alone.

The stem quarters the resolution and no stage lowers it further, so that the embedding has 64 x 64
cells of a slice of 256 x 256. fused() folds BatchNorm, and the three branches of each depthwise
convolution, into one convolution: the same function, faster.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from training.networks.prompt_decoder import ChannelNorm


@dataclass(frozen=True)
class RepVitSizes:
    """Sizes of an encoder."""

    widths: tuple[int, ...] = (40, 80, 160, 320)
    blocks: tuple[int, ...] = (2, 3, 10, 2)
    """Of each width."""


class ConvNorm(nn.Sequential):
    """A convolution and BatchNorm."""

    def __init__(
        self, inputs: int, outputs: int, kernel: int, stride: int = 1, groups: int = 1
    ) -> None:
        convolution = nn.Conv2d(
            inputs, outputs, kernel, stride, kernel // 2, groups=groups, bias=False
        )
        super().__init__(convolution, nn.BatchNorm2d(outputs))

    def fused(self) -> nn.Conv2d:
        """Return both as one convolution."""
        convolution: nn.Conv2d = fuse_conv_bn_eval(self[0], self[1])  # type: ignore[type-var]
        return convolution


class Depthwise(nn.Module):
    """A depthwise 3 x 3 convolution, a 1 x 1 one and the map itself, added."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.square = ConvNorm(width, width, 3, groups=width)
        self.point = ConvNorm(width, width, 1, groups=width)

    def forward(self, maps: Tensor) -> Tensor:
        """Return a map of the same shape."""
        summed: Tensor = self.square(maps) + self.point(maps) + maps
        return summed

    @torch.no_grad()
    def fused(self) -> nn.Conv2d:
        """Return the three as one convolution: a point is a square with eight zeros."""
        one, point = self.square.fused(), self.point.fused()
        assert one.bias is not None
        assert point.bias is not None
        one.weight[:, :, 1:2, 1:2] += point.weight + 1
        one.bias += point.bias
        return one


class SqueezeExcite(nn.Module):
    """Channels weighted by what the whole map holds."""

    def __init__(self, width: int) -> None:
        super().__init__()
        inside = max(4, width // 4)
        self.weigh = nn.Sequential(
            nn.AdaptiveAvgPool2d(1), nn.Conv2d(width, inside, 1), nn.ReLU(),
            nn.Conv2d(inside, width, 1), nn.Sigmoid(),
        )  # fmt: skip

    def forward(self, maps: Tensor) -> Tensor:
        """Return a map of the same shape."""
        weighed: Tensor = maps * self.weigh(maps)
        return weighed


class RepVitBlock(nn.Module):
    """Mixes places (depthwise, maybe weighted channels), then channels (twice as many inside)."""

    def __init__(self, inputs: int, outputs: int, *, excite: bool) -> None:
        super().__init__()
        self.same = inputs == outputs
        self.places = Depthwise(inputs)
        self.excite = SqueezeExcite(inputs) if excite else nn.Identity()
        self.channels = nn.Sequential(
            ConvNorm(inputs, 2 * inputs, 1), nn.GELU(), ConvNorm(2 * inputs, outputs, 1)
        )

    def forward(self, maps: Tensor) -> Tensor:
        """Return (n, outputs, y, x)."""
        maps = self.excite(self.places(maps))
        mixed: Tensor = self.channels(maps)
        return maps + mixed if self.same else mixed


class RepVit(nn.Module):
    """From slices to their embedding, at a quarter of the resolution."""

    def __init__(self, width: int = 256, sizes: RepVitSizes | None = None) -> None:
        """Make it.

        Args:
            width: Channels of the embedding.
            sizes: Of the stages; None: M0.6.
        """
        super().__init__()
        sizes = sizes or RepVitSizes()
        first = sizes.widths[0]
        self.stem = nn.Sequential(
            ConvNorm(1, first // 2, 3, 2), nn.GELU(), ConvNorm(first // 2, first, 3, 2)
        )
        blocks, inputs = [], first
        for outputs, count in zip(sizes.widths, sizes.blocks, strict=True):
            for i in range(count):
                blocks.append(RepVitBlock(inputs, outputs, excite=i % 2 == 0))
                inputs = outputs
        self.blocks = nn.Sequential(*blocks)
        self.neck = nn.Sequential(
            nn.Conv2d(inputs, width, 1, bias=False), ChannelNorm(width),
            nn.Conv2d(width, width, 3, 1, 1, bias=False), ChannelNorm(width),
        )  # fmt: skip

    def forward(self, slices: Tensor) -> Tensor:
        """Return (n, width, y/4, x/4) of slices (n, 1, y, x)."""
        embedding: Tensor = self.neck(self.blocks(self.stem(slices)))
        return embedding

    def fused(self) -> RepVit:
        """Return a copy that computes the same with fewer layers, for use alone."""
        twin = copy.deepcopy(self).eval()
        _fuse(twin)
        return twin


def _fuse(module: nn.Module) -> None:
    """Put one convolution in the place of each part that can be one."""
    for name, child in module.named_children():
        if isinstance(child, ConvNorm | Depthwise):
            setattr(module, name, child.fused())
        else:
            _fuse(child)
