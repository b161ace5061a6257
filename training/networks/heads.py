"""What a network needs in training alone: heads for deep supervision, bridges to the teacher."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from training.networks.features import Features, Network


class TrainingHeads(nn.Module):
    """1 x 1 x 1 convolutions beside a network, so that its own weights are those of inference."""

    def __init__(
        self, network: Network, classes: int, *, levels: int, teacher_channels: Sequence[int] = ()
    ) -> None:
        """Make the heads.

        Args:
            network: Whose decoder and encoder they sit on.
            classes: Channels of the auxiliary logits.
            levels: Decoder levels below the finest that get a head (deep supervision).
            teacher_channels: Channels of the teacher's lowest encoder levels, the bottleneck last,
                that the student's lowest levels are brought to (paper 1: the two lowest).
        """
        super().__init__()
        below = network.decoder_channels[1 : 1 + levels]
        self.aux = nn.ModuleList(nn.Conv3d(width, classes, 1) for width in below)
        lowest = network.encoder_channels[len(network.encoder_channels) - len(teacher_channels) :]
        self.bridges = nn.ModuleList(
            nn.Conv3d(a, b, 1) for a, b in zip(lowest, teacher_channels, strict=True)
        )

    def auxiliary(self, features: Features) -> list[Tensor]:
        """Return logits (n, classes, z, y, x) of the decoder levels below the finest."""
        below = features.decoder[1 : 1 + len(self.aux)]
        return [head(level) for head, level in zip(self.aux, below, strict=True)]

    def bridged(self, features: Features) -> list[Tensor]:
        """Return the lowest encoder levels with the teacher's channels, the bottleneck last."""
        lowest = features.encoder[len(features.encoder) - len(self.bridges) :]
        return [bridge(level) for bridge, level in zip(self.bridges, lowest, strict=True)]
