"""Checkpoints: written wholly or not at all, loaded without running code, tied to their config."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from FlareSegLib.base.atomic import atomic
from FlareSegLib.base.errors import ModelError, OutputError
from training.config import check_same, settings

__all__ = ["check_new", "check_same", "load", "save", "settings", "weights"]


def save(path: Path, state: Mapping[str, object]) -> None:
    """Write a checkpoint: to a part file, to the disk, then in the place of the old one.

    Raises:
        OutputError: The disk is full or refuses; the old checkpoint is as it was.
    """
    with atomic(path) as part, part.open("wb") as file:
        try:
            torch.save(dict(state), file)
        except RuntimeError as error:  # torch wraps the error of the disk
            cause = error.__context__
            raise (cause if isinstance(cause, OSError) else OSError(str(error))) from error
        file.flush()
        os.fsync(file.fileno())


def load(path: Path) -> dict[str, Any]:
    """Return what save() wrote; tensors on the CPU.

    Raises:
        ModelError: It is missing or damaged.
    """
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise ModelError(f"no checkpoint {path}: run the stage that writes it") from None
    except Exception as error:  # torch raises many types, all meaning: not a checkpoint
        raise ModelError(f"{path} is no checkpoint ({error}): restore it or start anew") from error
    return state if isinstance(state, dict) else {}


def weights(path: Path) -> dict[str, Any]:
    """Return the weights in a checkpoint (its average) or in a file that holds weights alone."""
    state = load(path)
    return dict(state.get("average", state))


def check_new(path: Path) -> None:
    """Check that no earlier run would be overwritten.

    Raises:
        OutputError: There is a checkpoint.
    """
    if path.exists():
        raise OutputError(
            f"{path} is there: give --resume to go on, or another work folder, or take it away"
        )
