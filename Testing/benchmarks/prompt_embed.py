"""Teacher and student of paper 4's way as the benchmark of prompts asks for them; needs torch."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from training.config import ConfigError
from training.loop.checkpoint import load, weights
from training.networks.embed import student, teacher
from training.prompt.embed.volume import EmbeddedVolume, TorchNetwork
from training.prompt.settings import EmbedSettings, read_settings


def networks(config: Path) -> dict[str, partial[EmbeddedVolume]]:
    """Return what turns an array of HU into an EmbeddedVolume, by name.

    Raises:
        ConfigError: The config is of another way.
    """
    settings = read_settings(config)
    if not isinstance(settings, EmbedSettings):
        raise ConfigError(f'{config} is not of way = "embed": give the one of the student')
    one, other = teacher(settings.sizes), student(settings.sizes)
    one.load_state_dict(weights(settings.out / "teacher.pt"))
    other.load_state_dict(load(settings.out / "student.pt"))
    found = {"embed, teacher": one, "embed": other}
    return {
        name: partial(EmbeddedVolume, network=TorchNetwork(network, settings.sizes.image))
        for name, network in found.items()
    }
