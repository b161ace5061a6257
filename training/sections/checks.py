"""Checks of values, with the key, the value and the rule in the error."""

from __future__ import annotations

import dataclasses
from typing import get_args

Zyx = tuple[int, int, int]
ZyxMm = tuple[float, float, float]


def need(is_right: bool, key: str, value: object, rule: str) -> None:
    """Raise ValueError unless a rule holds."""
    if not is_right:
        raise ValueError(f"{key} is {value!r}: it must be {rule}")


def choice(key: str, value: str, choices: object) -> None:
    """Check that a word is one of a Literal."""
    names = get_args(choices)
    need(value in names, key, value, f"one of {', '.join(names)}")


def shares(section: str, item: object) -> None:
    """Check that all numbers of a section are shares in [0, 1]."""
    for part in dataclasses.fields(item):  # type: ignore[arg-type]
        value = getattr(item, part.name)
        if isinstance(value, float):
            need(0 <= value <= 1, f"{section}.{part.name}", value, "in [0, 1]")
