"""Paper 4: slices are embedded once, then each box is decoded from the embedding.

Teacher and student differ in their encoder alone; the student's prompt encoder and mask decoder
are the teacher's.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from torch import Tensor, nn

from training.networks.prompt_decoder import Pair, PromptDecoder
from training.networks.repvit import RepVit, RepVitSizes
from training.networks.swin import Swin, SwinSizes


@dataclass(frozen=True)
class EmbedSizes:
    """Sizes of teacher and student; by default those of paper 4."""

    image: int = 256
    """Pixels of a slice along each axis; the embedding and the mask follow."""
    width: int = 256
    """Channels of the embedding."""
    heads: int = 8
    mlp: int = 2048
    masks: int = 4
    swin: SwinSizes = field(default_factory=SwinSizes)
    repvit: RepVitSizes = field(default_factory=RepVitSizes)


class EmbedNet(nn.Module):
    """An encoder of slices, and the decoder of boxes."""

    def __init__(self, encoder: nn.Module, decoder: PromptDecoder) -> None:
        super().__init__()
        self.encoder, self.decoder = encoder, decoder

    def forward(self, slices: Tensor, boxes: Tensor) -> Pair:
        """Return logits (n, k, y, x) and IoU (n, k) of slices (n, 1, y, x) and boxes (n, k, 4)."""
        found: Pair = self.decoder(self.encoder(slices), boxes)
        return found


def teacher(sizes: EmbedSizes) -> EmbedNet:
    """Return a network with the encoder Swin-T."""
    return EmbedNet(Swin(sizes.image, sizes.width, sizes.swin), _decoder(sizes))


def student(sizes: EmbedSizes) -> EmbedNet:
    """Return a network with the encoder RepViT."""
    return EmbedNet(RepVit(sizes.width, sizes.repvit), _decoder(sizes))


def _decoder(sizes: EmbedSizes) -> PromptDecoder:
    return PromptDecoder(sizes.width, sizes.heads, sizes.mlp, sizes.masks)
