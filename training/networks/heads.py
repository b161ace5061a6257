"""What a network needs in training alone: heads for deep supervision, bridges to the teacher."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import Tensor, nn

from training.networks.features import Features, Network


class TrainingHeads(nn.Module):
    """1 x 1 x 1 convolutions beside a network, so that its own weights are those of inference."""

    def __init__(
        self,
        network: Network,
        classes: int,
        *,
        levels: int,
        teacher_channels: Sequence[int] = (),
        decoder_channels: Sequence[int] = (),
    ) -> None:
        """Make the heads.

        Args:
            network: Whose decoder and encoder they sit on.
            classes: Channels of the auxiliary logits.
            levels: Decoder levels below the finest that get a head (deep supervision).
            teacher_channels: Channels of the teacher's lowest encoder levels, the bottleneck last,
                that the student's lowest levels are brought to (paper 1: the two lowest).
            decoder_channels: Channels of the teacher's decoder levels that go with the student's,
                the finest first.
        """
        super().__init__()
        below = network.decoder_channels[1 : 1 + levels]
        self.aux = nn.ModuleList(nn.Conv3d(width, classes, 1) for width in below)
        self._lowest, self._finest = len(teacher_channels), len(decoder_channels)
        mine = self._level_by_level(network.encoder_channels, network.decoder_channels)
        theirs = (*teacher_channels, *decoder_channels)
        self.bridges = nn.ModuleList(nn.Conv3d(a, b, 1) for a, b in zip(mine, theirs, strict=True))
        for weight in self.bridges.parameters():  # random ones would shake a student that knows
            nn.init.zeros_(weight)

    def auxiliary(self, features: Features) -> list[Tensor]:
        """Return logits (n, classes, z, y, x) of the decoder levels below the finest."""
        below = features.decoder[1 : 1 + len(self.aux)]
        return [head(level) for head, level in zip(self.aux, below, strict=True)]

    def compared(self, features: Features) -> list[Tensor]:
        """Return the levels that go with the teacher's: lowest encoder, then finest decoder."""
        return self._level_by_level(features.encoder, features.decoder)

    def bridged(self, features: Features) -> list[Tensor]:
        """Return the compared levels with the teacher's channels."""
        levels = self.compared(features)
        return [bridge(level) for bridge, level in zip(self.bridges, levels, strict=True)]

    def _level_by_level(self, encoder: Sequence[Any], decoder: Sequence[Any]) -> list[Any]:
        return [*encoder[len(encoder) - self._lowest :], *decoder[: self._finest]]
