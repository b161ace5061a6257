"""flareseg info: versions, machine, models."""

from __future__ import annotations

import argparse
import json
import math
import platform
from pathlib import Path

from FlareSegLib import __version__
from FlareSegLib.base.errors import ModelError
from FlareSegLib.base.paths import RESOURCES
from FlareSegLib.command.options import Commands, add_command

PACKAGES = (
    "numpy",
    "scipy",
    "SimpleITK",
    "onnxruntime",
    "openvino",
    "matplotlib",
    "highdicom",
    "vtk",
)


def add(commands: Commands) -> None:
    """Add the subcommand."""
    parser = add_command(commands, run, name="info", help="versions, models, cores, memory")
    parser.add_argument("--json", action="store_true", help="as JSON, for programs")


def run(options: argparse.Namespace) -> None:
    """Print versions, machine and models."""
    print(json.dumps(facts()) if options.json else "\n".join(lines()))


def facts() -> dict[str, object]:
    """Return what lines() say, for programs; None is unknown or not installed."""
    from FlareSegLib.base.resources import free_mib, physical_cores

    free = free_mib()
    return {
        "flareseg": __version__,
        "python": platform.python_version(),
        "platform": platform.platform(),
        "packages": {package: _known_version(package) for package in PACKAGES},
        "cores": physical_cores(),
        "free_mib": None if math.isinf(free) else round(free),
        "resources": str(RESOURCES),
        "models": [_model(folder) for folder in sorted((RESOURCES / "Models").glob("*/"))],
    }


def _model(folder: Path) -> dict[str, object]:
    from FlareSegLib.base.model_file import read_model_config

    try:
        config = read_model_config(folder)
    except ModelError as error:
        return {"folder": str(folder), "error": str(error)}
    return {
        "folder": str(folder),
        "name": config.name,
        "version": config.version,
        "spacing_zyx_mm": list(config.spacing_mm),
        "sha256": config.sha256,
        "organs": list(config.label_set.keys),
    }


def lines() -> list[str]:
    """Return a line on each fact."""
    from FlareSegLib.base.resources import free_mib, physical_cores
    from FlareSegLib.models.store import list_models

    free = free_mib()
    return [
        f"flareseg {__version__}, Python {platform.python_version()}, {platform.platform()}",
        *(f"{package:<12} {_version(package)}" for package in PACKAGES),
        f"{'cores':<12} {physical_cores()}",
        f"{'memory':<12} {'unknown' if math.isinf(free) else f'{free / 1024:.1f} GiB free'}",
        *(f"{'graphics':<12} {card}" for card in _cards()),
        f"{'resources':<12} {RESOURCES}",
        *(f"{'model':<12} {_model_facts(folder)}" for folder in list_models()),
    ]


def _cards() -> list[str]:
    """Return a text on each graphics card that a runtime can use."""
    from FlareSegLib.inference.runtimes import gpus

    return [f"{name} ({runtime})" for runtime, name in gpus()] or ["none that can be used"]


def _version(package: str) -> str:
    return _known_version(package) or "not installed"


def _known_version(package: str) -> str | None:
    from importlib import metadata  # 12 ms, which other commands need not wait for

    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _model_facts(folder: Path) -> str:
    """Return a line on a model; a broken one is told, not raised."""
    from FlareSegLib.base.model_file import read_model_config
    from FlareSegLib.prompting.prompt_network import is_prompt_model, read_prompt_config

    try:
        if is_prompt_model(folder):
            prompts = read_prompt_config(folder)
            return f"{prompts.name} {prompts.version}, for prompts, sha256 {prompts.sha256}"
        config = read_model_config(folder)
    except ModelError as error:
        return f"{folder.name}: {error}"
    spacing = " x ".join(f"{value:g}" for value in config.spacing_mm)
    window = " x ".join(str(value) for value in config.window)
    return f"{config.name} {config.version}, {spacing} mm, window {window}, sha256 {config.sha256}"
