"""Settings of the training of prompts, from a TOML file; paths in it are relative to the file."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, fields
from difflib import get_close_matches
from pathlib import Path

from training.config import ConfigError

PATHS = ("out", "labels", "start")


@dataclass(frozen=True)
class Settings:
    """All that a run can be told."""

    packs: tuple[Path, ...]
    """Folders of training.gpu.pack: CTs at 2 x 1.5 x 1.5 mm."""
    labels: Path
    """Folder with <case>.labels.xz: organs 1 to 13, 255 unknown."""
    out: Path
    """Takes checkpoint.pt and metrics.jsonl."""
    left_out: tuple[int, ...] = (2, 3, 5, 9, 13)
    """Organs that are never shown as organs: right kidney, spleen, aorta, gallbladder, left one."""
    often: tuple[str, ...] = ("hcctace", "crlm", "cptac")
    """Cases with one of these in their name are drawn three times as often."""
    grid: tuple[int, int, int] = (32, 64, 64)
    """Voxels (z, y, x) of a crop."""
    steps: int = 3600
    seconds: float = float("inf")
    """The run ends before its steps when so much time is over; the rate follows the steps."""
    batch: int = 64
    fresh: int = 16
    """Scenes made anew for each step."""
    ring: int = 512
    """Scenes that crops are drawn from; a multiple of fresh."""
    rate: float = 2e-3
    warmup: int = 200
    """Steps until the rate is reached."""
    seed: int = 1
    device: str = "auto"
    """auto: a GPU if there is one."""
    start: Path | None = None
    """Weights to begin with."""
    checkpoint_steps: int = 100

    def __post_init__(self) -> None:
        if self.ring % self.fresh or self.ring < self.fresh:
            raise ConfigError(f"ring is {self.ring}: give a multiple of fresh, {self.fresh}")
        if any(n % 8 for n in self.grid[1:]) or self.grid[0] % 2:
            raise ConfigError(f"grid is {self.grid}: give an even depth and multiples of 8")


def read_settings(path: Path) -> Settings:
    """Return the settings in a TOML file.

    Raises:
        ConfigError: It is missing or no TOML, or a key is unknown or missing.
    """
    try:
        raw = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ConfigError(f"{path} is no config that can be read ({error})") from error
    known, base = [item.name for item in fields(Settings)], path.absolute().parent
    for key in raw:
        if key not in known:
            near = get_close_matches(key, known, 1)
            raise ConfigError(f"{path} has {key}: {f'did you mean {near[0]}?' if near else known}")
    said = {key: tuple(v) if isinstance(v, list) else v for key, v in raw.items()}
    said |= {key: base / str(said[key]) for key in PATHS if key in said}
    try:
        return Settings(**{**said, "packs": tuple(base / one for one in raw["packs"])})
    except (KeyError, TypeError) as error:
        raise ConfigError(f"{path} lacks a key or has a wrong one ({error})") from error
