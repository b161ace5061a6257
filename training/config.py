"""Settings of the training stages, from one TOML file. An unknown key is an error."""

from __future__ import annotations

import sys
import tomllib
from dataclasses import dataclass, field, fields
from pathlib import Path


@dataclass(frozen=True)
class Config:
    """All settings; each stage reads its own."""

    cases: Path
    """Folder with one folder per case, each holding ct.nii.gz."""
    work: Path
    """Folder for what the stages write."""
    teacher: Path
    """The teacher, an ONNX file."""
    teacher_facts: dict[str, object]
    """Facts of the teacher, as in model.json."""
    seed: int = 0
    spacing_mm: tuple[float, float, float] = (2.0, 1.5, 1.5)
    """Spacing (z, y, x) of the student."""
    hu_range: tuple[float, float] = (-971.0, 291.0)
    """HU are clipped to this (paper 1)."""
    hu_mean: float = 83.778564
    hu_sd: float = 144.838928
    without_organs: tuple[str, ...] = ()
    """Cases known to hold none of the 13 organs: whatever the teacher says there is wrong."""
    teacher_flips: tuple[tuple[int, ...], ...] = ((), (0,), (1,), (2,))
    """Axes (z, y, x) flipped in each look of the teacher."""
    teacher_overlap: float = 0.34
    """Overlap of the teacher's windows."""
    channels: tuple[int, ...] = (16, 32, 64, 128)
    """Channels of the student's levels."""
    blocks: tuple[int, ...] = (1, 2, 2, 2)
    """Residual blocks of the student's levels."""
    z_dilation: tuple[int, ...] = (1, 1, 2, 4)
    """Dilation along z of the student's levels."""
    start: Path | None = None
    """Weights to start from instead of random ones: training/checkpoints/*.pt of the same sizes."""
    patch: tuple[int, int, int] = (64, 128, 160)
    """Training patch (z, y, x)."""
    batch: int = 2
    """Patches per step."""
    minutes: float = 60.0
    """Length of the schedule, in minutes of training."""
    learning_rate: float = 0.02
    warmup_share: float = 0.02
    """Share of the schedule in which the learning rate rises."""
    weight_decay: float = 0.01
    ema_steps: float = 500.0
    """Time constant of the moving average of the weights."""
    checkpoint_minutes: float = 3.0
    """Time between checkpoints."""
    export: dict[str, object] = field(default_factory=dict)
    """Facts for model.json that only the maker knows: name, version, window."""


def read_config(path: Path) -> Config:
    """Return the settings in a TOML file; paths in it are relative to the file.

    Raises:
        ValueError: A key is unknown or missing.
    """
    raw = tomllib.loads(path.read_text(encoding="utf-8"))
    unknown = sorted(set(raw) - {item.name for item in fields(Config)})
    if unknown:
        raise ValueError(f"{path} has unknown keys {unknown}: see training/config.py")
    values = {key: _frozen(value) for key, value in raw.items()}
    for key in {"cases", "work", "teacher", "start"} & set(raw):
        values[key] = (path.parent / str(raw[key])).resolve()
    return Config(**values)  # type: ignore[arg-type]


def config_of_command() -> Config:
    """Return the settings in the TOML file that the command line names; else exit with 2."""
    if len(sys.argv) < 2:
        print(f"usage: python -m training.{Path(sys.argv[0]).stem} CONFIG.toml", file=sys.stderr)
        sys.exit(2)
    return read_config(Path(sys.argv[1]))


def _frozen(value: object) -> object:
    return tuple(_frozen(item) for item in value) if isinstance(value, list) else value
