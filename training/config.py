"""Settings of the training stages, from one TOML file. An unknown key is an error."""

from __future__ import annotations

import argparse
import dataclasses
import difflib
import sys
import tomllib
import types
import typing
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from FlareSegLib.base.errors import FlareSegError, ModelError
from training.sections import (
    Augment,
    Confidence,
    Curriculum,
    Data,
    Distill,
    Evaluate,
    Export,
    PseudoLabel,
    Student,
    Teacher,
    Train,
)


@dataclass(frozen=True)
class Config:
    """All settings; each stage reads its own."""

    work: Path = Path("work")
    """Folder for what the stages write."""
    seed: int = 0
    """Of everything that is drawn."""
    data: Data = field(default_factory=Data)
    """Which CTs, and their grid."""
    teacher: Teacher = field(default_factory=Teacher)
    """The network that labels."""
    pseudo_label: PseudoLabel = field(default_factory=PseudoLabel)
    """How it labels."""
    curriculum: Curriculum = field(default_factory=Curriculum)
    """Easy and hard cases."""
    student: Student = field(default_factory=Student)
    """The network that ships."""
    accurate: Student = field(default_factory=Student)
    """A larger network for speed "accurate", with weights in start; none without them."""
    augment: Augment = field(default_factory=Augment)
    """Random changes of patches."""
    distill: Distill = field(default_factory=Distill)
    """What the student takes from the teacher."""
    train: Train = field(default_factory=Train)
    """How the student is trained."""
    evaluate: Evaluate = field(default_factory=Evaluate)
    """How the model is measured."""
    export: Export = field(default_factory=Export)
    """What the model folder says."""
    confidence: Confidence = field(default_factory=Confidence)
    """How far each organ can be trusted."""


FREE = ("work", "train.log_steps", "train.checkpoint_steps", "train.workers", "train.threads",
        "train.device", "data.cases", "data.val_cases", "data.threads", "teacher.onnx")  # fmt: skip
"""Keys that may differ between a run and its resumption: they do not change what is learned."""


class ConfigError(ValueError):
    """A config that cannot be used; says the key, its value, and what to do."""


def read_config(path: Path) -> Config:
    """Return the settings in a TOML file; paths in it are relative to the file.

    Raises:
        ConfigError: The file is missing or no TOML, a key is unknown, or a value is wrong.
    """
    try:
        raw = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"{path} cannot be read ({error.strerror}): give a config") from error
    except ValueError as error:
        raise ConfigError(f"{path} is no TOML ({error}): correct it") from error
    try:
        config: Config = section(Config, raw, path.absolute().parent)
    except (TypeError, ValueError) as error:
        raise ConfigError(f"{path}: {error}") from error
    return config


def flat(config: object, prefix: str = "") -> dict[str, object]:
    """Return all settings as "section.key": value, in plain types."""
    found: dict[str, object] = {}
    for item in dataclasses.fields(config):  # type: ignore[arg-type]
        value, key = getattr(config, item.name), f"{prefix}{item.name}"
        if dataclasses.is_dataclass(value):
            found |= flat(value, f"{key}.")
        else:
            found[key] = _plain(value)
    return found


def settings(config: Config, sections: tuple[str, ...]) -> dict[str, Any]:
    """Return what a run may not change: seed and the given sections, flat, in plain types."""
    chosen = flat(config)
    return {
        key: value
        for key, value in chosen.items()
        if key not in FREE
        and not any(key.endswith(f".{free}") for free in FREE)
        and (key == "seed" or key.split(".")[0] in sections)
    }


def check_same(saved: Mapping[str, object], now: Mapping[str, object], path: Path) -> None:
    """Check that a run is resumed with the settings that it began with.

    Raises:
        ModelError: They differ; names every key with both values.
    """
    keys = sorted(saved.keys() | now.keys())
    changed = [
        f"{key} was {saved.get(key)!r}, is {now.get(key)!r}"
        for key in keys
        if saved.get(key) != now.get(key)
    ]
    if changed:
        raise ModelError(
            f"{path} was made with another config ({'; '.join(changed)}): put the old values "
            "back, or give another work folder"
        )


def run_stage(stage: Callable[[Config, bool], None]) -> None:
    """Run a stage with the config and --resume of the command line; say errors in one line."""
    parser = argparse.ArgumentParser(prog=f"python -m {stage.__module__}")
    parser.add_argument("config", type=Path, help="the settings, a TOML file")
    parser.add_argument("--resume", action="store_true", help="go on where the stage stopped")
    given = parser.parse_args()
    with errors_in_a_line():
        stage(read_config(given.config), given.resume)


@contextmanager
def errors_in_a_line() -> Iterator[None]:
    """Say in one line what a user can mend, and end with status 1."""
    try:
        yield
    except (FlareSegError, ConfigError) as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(1)


def section(kind: Any, raw: Mapping[str, Any], folder: Path) -> Any:
    """Return a dataclass made of a table; nested dataclasses are nested tables.

    Args:
        kind: The dataclass.
        raw: The table.
        folder: Paths in the table are relative to it.

    Raises:
        ValueError: A key is unknown, or a value is wrong.
        TypeError: A key is missing.
    """
    return _section(kind, raw, "", folder, kind)


def _section(kind: Any, raw: Mapping[str, Any], prefix: str, folder: Path, whole: Any) -> Any:
    """Return a part of a whole; keys of the part begin with the prefix."""
    types_of = typing.get_type_hints(kind)
    for key in raw:
        if key not in types_of:
            raise ValueError(_unknown(prefix + key, kind, whole))
    values = {k: _value(types_of[k], v, prefix + k, folder, whole) for k, v in raw.items()}
    default = _default_of(kind, prefix)
    return dataclasses.replace(default, **values) if default else kind(**values)


def _default_of(kind: Any, prefix: str) -> Any:
    """Return the defaults that a nested table changes: [teacher.train] has its own."""
    return Teacher().train if kind is Train and prefix == "teacher.train." else None


def _value(kind: Any, value: Any, key: str, folder: Path, whole: Any) -> Any:
    if dataclasses.is_dataclass(kind):
        if not isinstance(value, dict):
            raise ValueError(f"{key} is {value!r}: it is a section, write [{key}]")
        return _section(kind, value, f"{key}.", folder, whole)
    return _typed(kind, value, key, folder)


def _typed(kind: Any, value: Any, key: str, folder: Path) -> Any:
    """Return a TOML value as the type that a field has."""
    if isinstance(kind, types.UnionType):
        kind = next(part for part in typing.get_args(kind) if part is not type(None))
    origin = typing.get_origin(kind)
    if origin in (tuple, dict):
        return _collection(kind, value, key, folder)
    if kind is Path and isinstance(value, str):
        return (folder / value).resolve()
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    wanted = {float: float, int: int, str: str, bool: bool}.get(kind, str if origin else None)
    if kind is not object and (wanted is None or type(value) is not wanted):
        raise ValueError(f"{key} is {value!r}: it needs {getattr(kind, '__name__', kind)}")
    return _frozen(value)


def _collection(kind: Any, value: Any, key: str, folder: Path) -> Any:
    origin, inner = typing.get_origin(kind), typing.get_args(kind)
    if not isinstance(value, list if origin is tuple else dict):
        raise ValueError(f"{key} is {value!r}: it needs a {'list' if origin is tuple else 'table'}")
    if origin is dict:
        return {k: _typed(inner[1], v, f"{key}.{k}", folder) for k, v in value.items()}
    is_any_length = inner[-1] is Ellipsis
    if not is_any_length and len(inner) != len(value):
        raise ValueError(f"{key} has {len(value)} values: it needs {len(inner)}")
    parts = [inner[0]] * len(value) if is_any_length else inner
    return tuple(_typed(p, v, key, folder) for p, v in zip(parts, value, strict=True))


def _frozen(value: Any) -> Any:
    return tuple(_frozen(item) for item in value) if isinstance(value, list) else value


def _plain(value: Any) -> Any:
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return value


def _unknown(key: str, kind: Any, whole: Any) -> str:
    """Return what is said of an unknown key, with the nearest of all known ones."""
    known = list(_all_keys(whole))
    here = [item.name for item in dataclasses.fields(kind)]
    name = key.rsplit(".", 1)[-1]
    near = difflib.get_close_matches(name, here, 1)
    elsewhere = [item for item in known if item.rsplit(".", 1)[-1] == name]
    close = difflib.get_close_matches(key, known, 1, 0.4)
    guess = elsewhere or [key[: len(key) - len(name)] + n for n in near] or close
    hint = f"did you mean {' or '.join(guess)}?" if guess else f"see {kind.__module__}"
    return f"unknown key {key}: {hint}"


def _all_keys(kind: Any, prefix: str = "") -> Iterator[str]:
    for key, inner in typing.get_type_hints(kind).items():
        yield prefix + key
        if dataclasses.is_dataclass(inner):
            yield from _all_keys(inner, f"{prefix}{key}.")
