"""Many things of one CT in a table: a row each, with the columns name, box, line, add, remove.

Cells hold numbers as the options of the command do, with commas or spaces between them; several
points of a cell are parted by semicolons.
"""

from __future__ import annotations

import csv
import math
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

from FlareSegLib.base.errors import InputError
from FlareSegLib.prompting.prompts import (
    BoxPrompt,
    ClickPrompt,
    LinePrompt,
    Point,
    Prompt,
    VoxelBox,
)

COLUMNS = ("name", "box", "line", "add", "remove")
_MOST_THINGS = 254
"""As many as fit into a labelmap of uint8."""


@dataclass(frozen=True)
class Wanted:
    """A thing to segment."""

    name: str
    prompts: tuple[Prompt | VoxelBox, ...]


def read_table(path: Path) -> tuple[Wanted, ...]:
    """Return the things that a table lists, in its order.

    Raises:
        InputError: A column or a cell is wrong; says which row and what to do.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path} cannot be read ({error}): give a table in UTF-8") from error
    rows = list(csv.DictReader(text.splitlines(), restkey="", skipinitialspace=True))
    if not rows:
        raise InputError(f"{path.name} lists nothing: give a row for each thing under {_columns()}")
    _check_columns([*rows[0]], path)
    if len(rows) > _MOST_THINGS:
        raise InputError(f"{path.name} has {len(rows)} rows, at most {_MOST_THINGS} fit: split it")
    wanted = tuple(_wanted(row, i, path) for i, row in enumerate(rows, 1))
    names = [one.name for one in wanted]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise InputError(f"{path.name} has two rows named {twice!r}: give each its own name")
    return wanted


def _check_columns(found: list[str], path: Path) -> None:
    for column in found:
        if column not in COLUMNS:
            near = get_close_matches(str(column), COLUMNS, 1)
            cure = f"did you mean {near[0]!r}?" if near else f"use {_columns()}"
            said = f"a column {column!r}" if column else "a row with more cells than columns"
            raise InputError(f"{path.name} has {said}: {cure}, and quote cells that hold commas")
    if not {"box", "line", "add"} & set(found):
        raise InputError(f"{path.name} has no column box, line or add: use {_columns()}")


def _columns() -> str:
    return ", ".join(COLUMNS)


def _wanted(row: dict[str, str | None], number: int, path: Path) -> Wanted:
    cells = {key: (row.get(key) or "").strip() for key in COLUMNS}
    where = f"{path.name}, row {number}"
    prompts: list[Prompt] = []
    if cells["box"] and cells["line"]:
        raise InputError(f"{where} has a box and a line: give one of them")
    if cells["box"]:
        prompts.append(to_box(numbers(cells["box"], 6, f"{where}: box")))
    if cells["line"]:
        prompts.append(to_line(numbers(cells["line"], 6, f"{where}: line")))
    for key in ("add", "remove"):
        for text in filter(str.strip, cells[key].split(";")):
            values = numbers(text, 3, f"{where}: {key}")
            prompts.append(ClickPrompt((values[0], values[1], values[2]), key == "add"))
    if not prompts:
        raise InputError(f"{where} has no prompt: fill in box, line or add")
    return Wanted(cells["name"] or f"lesion {number}", tuple(prompts))


def numbers(text: str, count: int, what: str) -> tuple[float, ...]:
    """Return so many finite numbers out of a text, parted by commas or spaces.

    Raises:
        InputError: They are not; says what was found.
    """
    try:
        values = tuple(float(word) for word in text.replace(",", " ").split())
    except ValueError:
        values = ()
    if len(values) != count or not all(map(math.isfinite, values)):
        raise InputError(
            f"{what} is {text!r}: give {count} finite numbers with commas between them"
        )
    return values


def to_box(values: tuple[float, ...]) -> BoxPrompt:
    """Return the box of R0, R1, A0, A1, S0, S1 in mm."""
    return BoxPrompt.between(values[::2], values[1::2])


def to_line(values: tuple[float, ...]) -> LinePrompt:
    """Return the line of R, A, S of one end and R, A, S of the other in mm."""
    return LinePrompt(_point(values[:3]), _point(values[3:]))


def _point(values: tuple[float, ...]) -> Point:
    a, b, c = values
    return a, b, c
