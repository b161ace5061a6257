"""The protocol that all networks follow, so that every loss fits every network."""

from __future__ import annotations

from typing import Protocol

from torch import Tensor

from FlareSegLib.inference.student import Features

__all__ = ["Features", "Network"]


class Network(Protocol):
    """A segmentation network; also a torch module."""

    logits_stride: int
    """Voxels of the input per logit along each axis."""
    encoder_channels: tuple[int, ...]
    """Of Features.encoder."""
    decoder_channels: tuple[int, ...]
    """Of Features.decoder."""

    def features(self, volume: Tensor) -> Features:
        """Return the feature maps of a normalized volume (n, 1, z, y, x)."""

    def classify(self, finest: Tensor) -> Tensor:
        """Return logits (n, classes, z, y, x) from Features.decoder[0]."""
