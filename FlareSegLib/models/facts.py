"""What people are told of a model: in lines, for the command and for panels."""

from __future__ import annotations

import math
import textwrap
from pathlib import Path

from FlareSegLib.base.config import ModelConfig
from FlareSegLib.base.errors import ModelError
from FlareSegLib.base.geometry import Grid
from FlareSegLib.base.model_file import read_model_config
from FlareSegLib.base.run_options import RunOptions, Speed
from FlareSegLib.inference import windows
from FlareSegLib.models.store import list_models
from FlareSegLib.preprocessing.prepare import covering

EXAMPLE = Grid((215, 512, 512), (2.0, 0.8, 0.8))
"""A CT of abdomen and pelvis, for which costs are told."""
_LEAVES_OUT: dict[Speed, str] = {
    "fast": "three quarters of each window's step, the first fold, no mirrored looks",
    "balanced": "half a window's step, all folds, no mirrored looks",
    "accurate": "half a window's step, all folds, mirrored looks: nnU-Net's own settings",
}


def listed(imported: Path | None = None) -> list[str]:
    """Return a line on each model; a broken one is told too."""
    lines = []
    for folder in list_models(imported):
        try:
            config = read_model_config(folder)
        except ModelError as error:
            lines.append(f"{folder.name}: {error}")
            continue
        mark = " (from elsewhere)" if config.is_foreign else ""
        labels = textwrap.shorten(", ".join(config.labels), 60, placeholder=" ...")
        lines.append(
            f"{config.name:<24} {config.version:<8} {config.modality:<4} "
            f"{len(config.labels)} labels: {labels}{mark}"
        )
    return lines


def told(folder: Path) -> list[str]:
    """Return what is known of a model, a line for each fact."""
    config = read_model_config(folder)
    spacing = " x ".join(f"{mm:.3g}" for mm in config.spacing_mm)
    window = " x ".join(str(n) for n in config.window)
    if config.recipe and config.recipe.is_2d:
        spacing, window = f"any x {spacing.split(' x ', 1)[1]}", f"one slice of {window[4:]}"
    facts = {
        "model": f"{config.name} {config.version}",
        "source": config.source or ("unknown" if config.is_foreign else "ships with FlareSeg"),
        "licence": config.licence or ("not said" if config.is_foreign else "Apache-2.0"),
        "citation": config.citation,
        "modality": config.modality,
        "labels": ", ".join(config.labels),
        "spacing": f"{spacing} mm (z, y, x)",
        "window": window,
        "networks": ", ".join(config.files),
        "sha256": config.sha256,
        "folder": str(folder),
    }
    lines = [f"{key:<9} {value}" for key, value in facts.items() if value]
    lines += [f"{'costs':<9} {line}" for line in costs(config)]
    return lines + [f"{'note':<9} {warning}" for warning in config.warnings]


def costs(config: ModelConfig) -> list[str]:
    """Return a line for each speed: how often the network runs over an example of a CT."""
    if config.is_flat:
        return []
    size = " x ".join(str(n) for n in EXAMPLE.shape[::-1])
    lines = [f"network runs over a scan of {size} voxels, air and all:"]
    for speed, words in _LEAVES_OUT.items():
        lines.append(f"{speed:<9} {passes(config, speed):>5}  {words}")
    return lines


def passes(config: ModelConfig, speed: Speed, grid: Grid = EXAMPLE) -> int:
    """Return how often a network runs over a scan at a speed, if no window is skipped."""
    shape = covering(grid, config.spacing_for(grid)).shape
    plan = windows.plan(shape, config, RunOptions(speed=speed))
    looks = 1 + (len(config.flips) if speed == "accurate" else 0)
    return math.prod((plan.count, looks, 1 + len(config.at_speed(speed).more_onnx)))
