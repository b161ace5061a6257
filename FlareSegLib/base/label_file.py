"""Reads labels.json of a model folder: the only place where a set of organs comes from.

Light, without NumPy: the command reads it to check what was said.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Sequence
from dataclasses import fields
from functools import cache
from pathlib import Path
from typing import Any

from FlareSegLib.base.atomic import atomic
from FlareSegLib.base.errors import ModelError
from FlareSegLib.base.labels import MOST_VALUE, LabelSet, Organ, palette
from FlareSegLib.base.paths import DEFAULT_MODEL

LABELS_JSON = "labels.json"
SCHEMA_VERSION = 1
"""Of labels.json; goes up when an older FlareSeg would misread it."""
MOST_BYTES = 2**20
"""A larger file is no labels.json."""
MOST_NAME = 64
"""Letters of a name: what DICOM holds."""
_KEY = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,63}")
_KNOWN = {item.name for item in fields(Organ)}
_TOP = {"schema_version", "name", "organs"}
ALL = "all"
"""Stands for all organs in --organs, so no organ can have this key."""


@cache
def default_labels() -> LabelSet:
    """Return the organs of the model that ships: FLARE's 13.

    Raises:
        ModelError: FlareSeg is not installed wholly.
    """
    return read_label_file(DEFAULT_MODEL / LABELS_JSON)


def read_labels(folder: Path) -> LabelSet:
    """Return what folder/labels.json says; without that file, FLARE's organs.

    Raises:
        ModelError: The file is there, but wrong: says where and what to do.
    """
    path = folder / LABELS_JSON
    return read_label_file(path) if path.exists() else default_labels()


def part(labels: LabelSet, keys: Sequence[str], model: str) -> LabelSet:
    """Return the organs that a model has classes for, in the order of their values.

    Raises:
        ModelError: One of the keys is unknown.
    """
    if unknown := [key for key in keys if key not in labels.by_key]:
        raise ModelError(
            f"model.json of {model} has labels {unknown[:5]} of which {LABELS_JSON} in its folder "
            "says nothing: add them there, see docs/labels.md"
        )
    return LabelSet(tuple(organ for organ in labels.organs if organ.key in keys))


def read_label_file(path: Path) -> LabelSet:
    """Return what a labels.json says.

    Raises:
        ModelError: It is not there, or wrong: says where and what to do.
    """
    try:
        if not (path.is_file() and path.stat().st_size <= MOST_BYTES):
            raise ModelError(f"{path} is no file of at most 1 MiB: restore the model folder")
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise ModelError(f"{path} cannot be read ({error}): restore the model folder") from error
    rows = _rows(found, path)
    organs = tuple(_organ(row, i, path) for i, row in enumerate(rows, start=1))
    for what in ("key", "value"):
        given = [getattr(organ, what) for organ in organs]
        if twice := next((one for one in given if given.count(one) > 1), None):
            raise ModelError(f"{path} has the {what} {twice!r} twice: give each organ its own")
    return LabelSet(tuple(sorted(organs, key=lambda organ: organ.value)))


def write_labels(labels: LabelSet, folder: Path) -> None:
    """Write labels.json into a model folder; either whole or not at all."""
    facts = {"schema_version": SCHEMA_VERSION, "organs": [vars(one) for one in labels.organs]}
    with atomic(folder / LABELS_JSON) as temporary:
        temporary.write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8")


def _rows(found: Any, path: Path) -> list[dict[str, Any]]:
    rows = found.get("organs") if isinstance(found, dict) else None
    if not isinstance(rows, list) or not rows or not all(isinstance(row, dict) for row in rows):
        raise ModelError(f'{path} has no list "organs" of objects: see docs/labels.md')
    version = found.get("schema_version", SCHEMA_VERSION)
    if version != SCHEMA_VERSION or (unknown := sorted(set(found) - _TOP)):
        said = f"schema version {version!r}" if version != SCHEMA_VERSION else f"{unknown}"
        raise ModelError(f"{path} has {said}, which is unknown here: update FlareSeg")
    if len(rows) > MOST_VALUE:
        raise ModelError(
            f"{path} has {len(rows)} organs: a labelmap holds {MOST_VALUE}, make two models of it"
        )
    return rows


def _organ(row: dict[str, Any], place: int, path: Path) -> Organ:
    """Return an organ; what the file does not say is plain."""
    where = f"{path}: organ {row.get('key', place)!r}"
    if unknown := sorted(set(row) - _KNOWN):
        raise ModelError(f"{where} has the unknown {unknown}: choose from {sorted(_KNOWN)}")
    if "key" not in row:
        raise ModelError(f"{where} has no key: give it a name for programs, such as left_lung")
    for name, value in row.items():
        holds, cure = _CHECKS[name]
        if not holds(value):
            raise ModelError(f"{where} has {name} {_short(value)}: give {cure}")
    value = row.get("value", place)
    name = row.get("name", row["key"].replace("_", " "))
    silent = {"value": value, "name": name, "color": palette(value)}
    silent |= {"snomed_meaning": name} if "snomed" in row else {}
    given = {name: tuple(one) if isinstance(one, list) else one for name, one in row.items()}
    return Organ(**{**silent, **given})


def _short(value: Any) -> str:
    return json.dumps(value)[:60]


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _is_whole(value: Any, low: int, high: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and low <= value <= high


def _is_color(value: Any) -> bool:
    return isinstance(value, list) and len(value) == 3 and all(_is_whole(n, 0, 255) for n in value)


def _is_range(value: Any) -> bool:
    if value is None:
        return True
    is_pair = isinstance(value, list) and len(value) == 2 and all(map(_is_number, value))
    return is_pair and 0 <= value[0] < value[1]


def _is_text(value: Any) -> bool:
    return (
        isinstance(value, str)
        and 0 < len(value.strip()) == len(value) <= MOST_NAME
        and value.isprintable()
        and not set(value) & set("\\~^|")
    )


_TEXT = rf"1 to {MOST_NAME} letters without \ ~ ^ | and line breaks"
_NOT_NEGATIVE = (lambda value: _is_number(value) and value >= 0, "a number from 0 on")
_BOOL = (lambda value: isinstance(value, bool), "true or false")
_CHECKS: dict[str, tuple[Callable[[Any], bool], str]] = {
    "value": (
        lambda value: _is_whole(value, 1, MOST_VALUE),
        f"a whole number from 1 to {MOST_VALUE}, which is what a labelmap holds",
    ),
    "key": (
        lambda key: isinstance(key, str) and bool(_KEY.fullmatch(key)) and key != ALL,
        f"1 to 64 letters (a to z), digits and ._+-, and not {ALL}",
    ),
    "name": (_is_text, _TEXT),
    "color": (_is_color, "red, green and blue as three whole numbers from 0 to 255"),
    "snomed": (
        lambda code: isinstance(code, str) and code.isascii() and code.isdigit() and len(code) < 19,
        "the digits of a SNOMED CT concept as text",
    ),
    "snomed_meaning": (_is_text, _TEXT),
    "side": (lambda side: side in ("left", "right", None), "left, right or null"),
    "tolerance_mm": (lambda value: _is_number(value) and value > 0, "a number of mm above 0"),
    "plausible_ml": (_is_range, "[low, high] in ml with 0 <= low < high, or null"),
    "keep": (lambda rule: rule in ("all", "largest", "near"), "all, largest or near"),
    "least_island_ml": _NOT_NEGATIVE,
    "reach_mm": _NOT_NEGATIVE,
    "fill_holes": _BOOL,
    "is_tube": _BOOL,
}
"""What each entry must be, and what to give."""
