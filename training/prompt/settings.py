"""Settings of the training of prompts, from a TOML file; paths in it are relative to the file."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, field
from pathlib import Path

from training.config import ConfigError, section
from training.networks.embed import EmbedSizes


@dataclass(frozen=True)
class Common:
    """What a run of either way can be told."""

    packs: tuple[Path, ...]
    """Folders of training.gpu.pack: CTs at 2 x 1.5 x 1.5 mm."""
    labels: Path
    """Folder with <case>.labels.xz: organs 1 to 13, 255 unknown."""
    out: Path
    """Takes checkpoints and metrics."""
    left_out: tuple[int, ...] = (2, 3, 5, 9, 13)
    """Organs that are never shown as organs: right kidney, spleen, aorta, gallbladder, left one."""
    often: tuple[str, ...] = ("hcctace", "crlm", "cptac")
    """Cases with one of these in their name are drawn three times as often."""
    without: tuple[str, ...] = ()
    """Cases with one of these in their name are not shown: they are to choose by."""
    steps: int = 3600
    seconds: float = float("inf")
    """The run ends before its steps when so much time is over; the rate follows the steps."""
    batch: int = 64
    rate: float = 2e-3
    warmup: int = 200
    """Steps until the rate is reached."""
    seed: int = 1
    device: str = "auto"
    """auto: a GPU if there is one."""
    start: Path | None = None
    """Weights to begin with; of the teacher in paper 4's way."""
    checkpoint_steps: int = 100


@dataclass(frozen=True)
class Settings(Common):
    """The crop network's."""

    grid: tuple[int, int, int] = (32, 64, 64)
    """Voxels (z, y, x) of a crop."""
    fresh: int = 16
    """Scenes made anew for each step."""
    ring: int = 512
    """Scenes that crops are drawn from; a multiple of fresh."""
    flat: bool = False
    """Boxes lie in one slice, and its mask is learned; both planes of the grid show it."""
    results: Path | None = None
    """Folder of organs as they were found: learn to correct them by a click, see faults.py."""

    def __post_init__(self) -> None:
        if self.ring % self.fresh or self.ring < self.fresh:
            raise ConfigError(f"ring is {self.ring}: give a multiple of fresh, {self.fresh}")
        if any(n % 8 for n in self.grid[1:]) or self.grid[0] % 2:
            raise ConfigError(f"grid is {self.grid}: give an even depth and multiples of 8")
        if self.flat and (self.grid[0] != 2 or self.results):
            raise ConfigError(f"flat, grid is {self.grid}: give a depth of 2, and no results")


@dataclass(frozen=True)
class EmbedSettings(Common):
    """Those of paper 4's way; steps are the teacher's."""

    student_steps: int = 1800
    things: int = 4
    """Boxes a slice: it is embedded once for all of them."""
    sizes: EmbedSizes = field(default_factory=EmbedSizes)

    def __post_init__(self) -> None:
        sizes = self.sizes
        swin = sizes.swin
        halvings = sum(a != b for a, b in zip(swin.widths, swin.widths[1:], strict=False))
        if swin.patch * 2**halvings != 4 or sizes.image % 8:
            raise ConfigError(
                f"patches of {swin.patch} and widths {swin.widths} of image {sizes.image}: the "
                "teacher's embedding must be a quarter of the image, as the student's is"
            )


WAYS: dict[str, type[Settings] | type[EmbedSettings]] = {"crop": Settings, "embed": EmbedSettings}


def read_settings(path: Path) -> Settings | EmbedSettings:
    """Return the settings in a TOML file; `way` in it says whose.

    Raises:
        ConfigError: It is missing or no TOML, or a key is unknown or missing, or a value wrong.
    """
    try:
        raw = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ConfigError(f"{path} is no config that can be read ({error})") from error
    way = raw.pop("way", "crop")
    if way not in WAYS:
        raise ConfigError(f'{path} has way = "{way}": give one of {", ".join(WAYS)}')
    try:
        found: Settings | EmbedSettings = section(WAYS[way], raw, path.absolute().parent)
    except (TypeError, ValueError) as error:
        raise ConfigError(f"{path} lacks a key or has a wrong one ({error})") from error
    return found


def read_embed_settings(path: Path) -> EmbedSettings:
    """Return the settings of paper 4's way in a TOML file.

    Raises:
        ConfigError: As read_settings(), or they are of another way.
    """
    settings = read_settings(path)
    if not isinstance(settings, EmbedSettings):
        raise ConfigError(f'{path} is not of way = "embed": give the config of the student')
    return settings
