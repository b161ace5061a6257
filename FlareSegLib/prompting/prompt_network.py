"""The network of prompts: facts from model.json, and from channels to logits."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from FlareSegLib.base.errors import ModelError
from FlareSegLib.base.geometry import Zyx
from FlareSegLib.base.paths import RESOURCES
from FlareSegLib.base.resources import physical_cores
from FlareSegLib.inference.network import open_session, read_checked
from FlareSegLib.prompting.channels import NAMES

DEFAULT = RESOURCES / "Models" / "flare-prompt"
"""The model that ships."""
CROP = "crop"
"""Kind of a network that looks at a crop about the box."""
OTHERS = ("one_slice", "correction")
"""Networks of a model beside that of boxes."""


@dataclass(frozen=True)
class PromptConfig:
    """All that prompting needs to know of a network."""

    kind: str
    """What it looks at: "crop"."""
    name: str
    version: str
    sha256: str
    """Of the ONNX file, hexadecimal."""
    grid: Zyx
    """Voxels (z, y, x) of a crop."""
    ratio: float
    """Size of the crop about a box, in sizes of the box."""
    channels: tuple[str, ...]
    """What it is shown, in order: see channels.py."""
    onnx: str = "model.onnx"
    one_slice: PromptConfig | None = None
    """Of the network that looks at one slice; None: there is none."""
    correction: PromptConfig | None = None
    """Of the network that corrects what was found by others; None: there is none."""


class PromptNetwork(Protocol):
    """Anything that turns the channels of a crop into logits."""

    config: PromptConfig

    @property
    def one_slice(self) -> PromptNetwork | None:
        """The network that looks at one slice; None: there is none."""
        ...

    @property
    def correction(self) -> PromptNetwork | None:
        """The network that corrects what was found by others; None: there is none."""
        ...

    def __call__(self, channels: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return logits (z, y, x) of channels (7, z, y, x)."""
        ...


class CropNetwork:
    """A flat network in an ONNX file: 2 x 2 x 2 voxels become channels first, and come back."""

    def __init__(
        self, config: PromptConfig, session: Any, open_other: Callable[[PromptConfig], CropNetwork]
    ) -> None:
        """Keep facts and session, see load_prompt_network(); open_other opens another network."""
        self.config = config
        self._session = session
        self._open_other = open_other

    @cached_property
    def one_slice(self) -> CropNetwork | None:
        """The network that looks at one slice, opened at its first use; None: there is none."""
        return self._open_other(self.config.one_slice) if self.config.one_slice else None

    @cached_property
    def correction(self) -> CropNetwork | None:
        """The network that corrects, opened at its first use; None: there is none."""
        return self._open_other(self.config.correction) if self.config.correction else None

    def __call__(self, channels: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return logits (z, y, x) of channels (7, z, y, x)."""
        logits = self._session.run(None, {"cells": to_cells(channels)})[0]
        return from_cells(logits, self.config.grid)


def to_cells(channels: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return (1, 8 c, z/2 * y/2, x/2) of channels (c, z, y, x)."""
    c, z, y, x = channels.shape
    cells = channels.reshape(c, z // 2, 2, y // 2, 2, x // 2, 2).transpose(0, 2, 4, 6, 1, 3, 5)
    return np.ascontiguousarray(cells.reshape(1, 8 * c, z // 2 * (y // 2), x // 2))


def from_cells(logits: NDArray[np.float32], shape: Zyx) -> NDArray[np.float32]:
    """Return (z, y, x) of logits (1, 8, z/2 * y/2, x/2)."""
    z, y, x = shape
    cells = logits.reshape(2, 2, 2, z // 2, y // 2, x // 2).transpose(3, 0, 4, 1, 5, 2)
    return np.ascontiguousarray(cells.reshape(shape))


def load_prompt_network(folder: Path | None = None, threads: int = 0) -> CropNetwork:
    """Return the network of a model folder, ready to run.

    Args:
        folder: None: the model that ships.
        threads: At most; 0: as many as there are cores, up to 4.

    Raises:
        ModelError: It is missing, changed, or not for prompts.
    """
    folder = folder or DEFAULT
    config = read_prompt_config(folder)
    count = threads or min(4, physical_cores())
    return _opened(folder, count, config)


def _opened(folder: Path, threads: int, config: PromptConfig) -> CropNetwork:
    path = folder / config.onnx
    session = open_session(read_checked(path, config.sha256), path, threads, is_small=True)
    z, y, x = config.grid
    wanted = [1, 8 * len(NAMES), z * y // 4, x // 2]
    if (found := list(session.get_inputs()[0].shape)) != wanted:
        raise ModelError(f"{path} takes {found}, model.json says {wanted}: do not mix models")
    return CropNetwork(config, session, partial(_opened, folder, threads))


def is_prompt_model(folder: Path) -> bool:
    """Return whether a model folder holds a network of prompts: its model.json names a kind."""
    try:
        return "kind" in json.loads((folder / "model.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False


def read_prompt_config(folder: Path) -> PromptConfig:
    """Return the facts in folder/model.json.

    Raises:
        ModelError: The file is missing, broken, or of another kind of network.
    """
    path = folder / "model.json"
    try:
        config = _config(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise ModelError(
            f"{path} tells of no network of prompts ({error}): give --model the folder of one"
        ) from error
    grids = [one.grid for one in (config, config.one_slice, config.correction) if one]
    if config.kind != CROP or config.channels != NAMES or any(len(grid) != 3 for grid in grids):
        raise ModelError(
            f"{path} is of kind {config.kind!r} with channels {config.channels}: this FlareSeg "
            f"runs {CROP!r} with {NAMES}: update FlareSeg, or take a model made for this version"
        )
    return config


def _config(facts: dict[str, Any]) -> PromptConfig:
    """Return what model.json says; what it says of other networks stands within."""
    names = {item.name for item in fields(PromptConfig)} - set(OTHERS)
    known = {key: value for key, value in facts.items() if key in names}
    known |= {key: tuple(facts[key]) for key in ("grid", "channels")}
    whole = PromptConfig(**known)
    one_slice, correction = (_other(whole, facts.get(key)) for key in OTHERS)
    return replace(whole, one_slice=one_slice, correction=correction)


def _other(whole: PromptConfig, facts: dict[str, Any] | None) -> PromptConfig | None:
    if facts is None:
        return None
    onnx, sha256, grid = (facts[key] for key in ("onnx", "sha256", "grid"))
    return replace(whole, onnx=onnx, sha256=sha256, grid=tuple(grid))
