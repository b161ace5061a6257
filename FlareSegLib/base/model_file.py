"""Read the facts of a model from its folder: model.json, labels.json, confidence.json."""

from __future__ import annotations

import json
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

from FlareSegLib import __version__
from FlareSegLib.base.confidence_file import read_confidence
from FlareSegLib.base.config import SCHEMA_VERSION, ModelConfig
from FlareSegLib.base.errors import ModelError
from FlareSegLib.base.label_file import read_labels
from FlareSegLib.base.paths import RESOURCES
from FlareSegLib.base.recipe import to_recipe

MODEL_JSON = "model.json"
MOST_JSON_BYTES = 2**20
"""A larger file is no model.json."""
_OURS = {"is_exact", "is_foreign", "onnx_bytes", "label_set", "confidence"}
"""Facts that a model.json cannot say."""


def _frozen(value: Any) -> Any:
    """Return lists of JSON as tuples, lists in them too."""
    return tuple(map(_frozen, value)) if isinstance(value, list) else value


def _check_folder(folder: Path) -> None:
    if folder.is_file():
        cure = "give --model a FlareSeg model folder"
        if folder.suffix.lower() == ".zip":
            cure = "import it with `flareseg model import`, or unpack it and give the folder"
        raise ModelError(f"{folder} is a file: {cure}")


def _bytes_of(path: Path) -> int:
    """Return the size of a file, 0 if there is none: who loads it will say so."""
    return path.stat().st_size if path.is_file() else 0


def _check_intensities(facts: dict[str, Any], path: Path) -> None:
    """Check that a model that clips says how."""
    if facts["recipe"] and facts["recipe"].normalization != "clip":
        return
    if missing := [key for key in ("hu_range", "hu_mean", "hu_sd") if key not in facts]:
        raise ModelError(f"{path} lacks {', '.join(missing)}: restore the model folder")


def read_model_config(folder: Path) -> ModelConfig:
    """Return the facts in folder/model.json, and the organs in labels.json beside it.

    Raises:
        ModelError: A file is missing, is not JSON, has a missing or unknown key, or is of a newer
            FlareSeg; or model.json has labels of which labels.json says nothing.
    """
    path = folder / MODEL_JSON
    _check_folder(folder)
    try:
        if path.exists() and not (path.is_file() and path.stat().st_size <= MOST_JSON_BYTES):
            raise ModelError(f"{path} is no file of at most 1 MiB: restore the model folder")
        facts = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ModelError(
            f"no model.json in {folder}: give --model a FlareSeg model folder"
        ) from None
    except (OSError, ValueError, RecursionError) as error:
        raise ModelError(f"{path} cannot be read ({error}): restore the model folder") from error
    if not isinstance(facts, dict):
        raise ModelError(f"{path} holds no JSON object: restore the model folder")
    found = facts.get("schema_version", SCHEMA_VERSION)
    if found != SCHEMA_VERSION:
        raise ModelError(
            f"{path} has schema version {found!r}, FlareSeg {__version__} reads {SCHEMA_VERSION}: "
            "update FlareSeg, or take a model made for this version"
        )
    known = {item.name for item in fields(ModelConfig)} - _OURS
    unknown = sorted(set(facts) - known)
    if unknown:
        raise ModelError(f"{path} has unknown keys {unknown}: made by a newer FlareSeg?")
    try:
        facts["recipe"] = to_recipe(facts.get("recipe"))
        _check_intensities(facts, path)
        is_foreign = folder.resolve().parent != (RESOURCES / "Models").resolve()
        frozen = {key: _frozen(value) for key, value in facts.items()}
        config = ModelConfig(**frozen, label_set=read_labels(folder), is_foreign=is_foreign)
    except (TypeError, AttributeError) as error:
        raise ModelError(f"{path} lacks a key or has a wrong type ({error})") from error
    size = _bytes_of(folder / config.onnx)
    return replace(config, onnx_bytes=size, confidence=read_confidence(folder, config.sha256))
