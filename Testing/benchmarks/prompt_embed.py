"""Teacher and student of paper 4's way as the benchmark of prompts asks for them; needs torch."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from training.loop.checkpoint import weights
from training.networks.embed import teacher
from training.prompt.embed.train import load_student
from training.prompt.embed.volume import EmbeddedVolume, TorchNetwork
from training.prompt.settings import read_embed_settings


def networks(config: Path) -> dict[str, partial[EmbeddedVolume]]:
    """Return what turns an array of HU into an EmbeddedVolume, by name.

    Raises:
        ConfigError: The config is of another way.
    """
    settings = read_embed_settings(config)
    one = teacher(settings.sizes)
    one.load_state_dict(weights(settings.out / "teacher.pt"))
    found = {"embed, teacher": one, "embed": load_student(settings)}
    return {
        name: partial(EmbeddedVolume, network=TorchNetwork(network, settings.sizes.image))
        for name, network in found.items()
    }
