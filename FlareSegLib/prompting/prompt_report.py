"""What is told of each thing that was found: volume, HU, diameters, flags; JSON, CSV and text."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from FlareSegLib.base.atomic import atomic
from FlareSegLib.base.geometry import Volume
from FlareSegLib.base.labels import Organ
from FlareSegLib.base.runs import FACES, pieces_of, runs_of
from FlareSegLib.prompting.diameters import Diameters, diameters
from FlareSegLib.prompting.found import Found
from FlareSegLib.prompting.prompts import BoxPrompt, Point, Prompt, in_world

SCHEMA_VERSION = 1
"""Goes up when a key of the JSON is renamed or removed."""
FLAGS = {
    "empty": "nothing was found in the box: draw it around the thing, or click into it",
    "touches_box": "reaches the face of the box: it may go on outside, draw the box larger",
    "touches_border": "reaches the edge of the CT: the rest was not scanned",
    "several_components": "has several pieces",
    "little_changed": "the last click changed its own point alone: click into the middle of what "
    "is wrong",
}
"""Stable key and sentence for people."""
_FRINGE = 0.02
"""A mask that is nearer to a face of the box than that share of its size may be cut by it."""


@dataclass(frozen=True)
class Row:
    """One thing."""

    name: str
    value: int
    """In the labelmap."""
    ml: float
    hu_mean: float | None
    hu_sd: float | None
    longest_mm: float
    """Longest diameter in an axial slice (RECIST)."""
    across_mm: float
    """Longest one at right angles to it in that slice."""
    slice_s_mm: float | None
    """Where that slice is, mm toward S in the middle of the thing."""
    slice_index: int | None
    """Which it is, from the feet, from 0."""
    extent_mm: Point
    """Of the mask along S, P, L."""
    components: int
    flags: tuple[str, ...]
    seconds: float
    prompts: tuple[Prompt, ...]
    before_ml: float | None = None
    """Of an organ that was corrected."""

    @property
    def notes(self) -> str:
        """Volume before corrections, and flags, for people."""
        before = [] if self.before_ml is None else [f"was {self.before_ml:.2f} ml"]
        return "; ".join([*before, *(FLAGS[flag] for flag in self.flags)])


def row_of(found: Found, volume: Volume, name: str, value: int, seconds: float) -> Row:
    """Return what is told of a thing.

    Args:
        found: It.
        volume: The CT, canonical.
        name: For people.
        value: In the labelmap.
        seconds: That it took.
    """
    hu = volume.array[found.box.slices][found.mask]
    grid = found.grid
    longest = diameters(found.mask, (grid.spacing_mm[1], grid.spacing_mm[2]))
    empty = found.is_empty
    extent = np.zeros(3) if empty else found.tight.size
    runs = runs_of(found.mask.view(np.uint8))
    pieces = int(pieces_of(runs, FACES).max(initial=-1)) + 1
    index = None if empty else longest.slice + found.box.start[0]
    return Row(
        name=name,
        value=value,
        ml=found.ml,
        hu_mean=None if empty else float(hu.mean(dtype=np.float64)),
        hu_sd=None if empty else float(hu.std(dtype=np.float64)),
        longest_mm=longest.longest_mm,
        across_mm=longest.across_mm,
        slice_s_mm=None if index is None else _slice_mm(found, longest, index),
        slice_index=index,
        extent_mm=(float(extent[0]), float(extent[1]), float(extent[2])),
        components=pieces,
        flags=(*_flags(found, pieces), *found.flags),
        seconds=seconds,
        prompts=found.prompts,
    )


def _slice_mm(found: Found, longest: Diameters, index: int) -> float:
    """Return how far toward S the middle of the longest diameter lies."""
    step = np.array(found.grid.spacing_mm)
    plane = (np.array(longest.ends[0]) + np.array(longest.ends[1])) / 2
    begin = np.array(found.box.start[1:]) * step[1:]
    return in_world(np.array([index * step[0], *(plane + begin)]), found.grid)[2]


def _flags(found: Found, pieces: int) -> tuple[str, ...]:
    if found.is_empty:
        return ("empty",)
    flags = []
    step, size = np.array(found.grid.spacing_mm), found.extent.size
    low, high = np.array(found.tight.low), np.array(found.tight.high)
    begun_with_box = found.prompts and isinstance(found.prompts[0], BoxPrompt)
    if begun_with_box and np.any(
        (low < found.extent.low - _FRINGE * size) | (high > found.extent.high + _FRINGE * size)
    ):
        flags.append("touches_box")
    if np.any(low < 0) or np.any(high > (np.array(found.grid.shape) - 1) * step):
        flags.append("touches_border")
    if pieces > 1:
        flags.append("several_components")
    return tuple(flags)


def to_dict(
    rows: Sequence[Row], facts: Mapping[str, object], organs: Sequence[Organ] = ()
) -> dict[str, object]:
    """Return the report as strict JSON knows it; organs: what the values of the labelmap mean."""
    named = [{key: getattr(organ, key) for key in ("value", "key", "name")} for organ in organs]
    return {
        "schema_version": SCHEMA_VERSION,
        "disclaimer": "research use, not a medical device",
        "run": dict(facts),
        "things": [_row(row) for row in rows],
        **({"organs": named} if named else {}),
    }


def _row(row: Row) -> dict[str, object]:
    facts = {key: _rounded(value) for key, value in vars(row).items()}
    facts["flags"] = {flag: FLAGS[flag] for flag in row.flags}
    facts["prompts"] = [
        {"kind": type(prompt).__name__.removesuffix("Prompt").lower(), **asdict(prompt)}
        for prompt in row.prompts
    ]
    return facts


def _rounded(value: object) -> object:
    if isinstance(value, float):
        return round(value, 4)
    return [_rounded(item) for item in value] if isinstance(value, tuple) else value


def write_json(
    rows: Sequence[Row], facts: Mapping[str, object], path: Path, organs: Sequence[Organ] = ()
) -> None:
    """Write the report of to_dict(); either whole or not at all."""
    text = json.dumps(to_dict(rows, facts, organs), indent=2, ensure_ascii=False, allow_nan=False)
    with atomic(path) as temporary:
        temporary.write_text(text + "\n", encoding="utf-8", errors="backslashreplace")


def write_csv(rows: Sequence[Row], path: Path) -> None:
    """Write a line for each thing; either whole or not at all. Flags are joined by semicolons."""
    columns = ["name", "value", "ml", "hu_mean", "hu_sd", "longest_mm", "across_mm"]
    columns += ["slice_s_mm", "slice_index", "components"]
    lines = io.StringIO()
    table = csv.writer(lines, lineterminator="\n")
    table.writerow([*columns, "flags"])
    for row in rows:
        values = (_rounded(getattr(row, column)) for column in columns)
        table.writerow([*values, ";".join(row.flags)])
    with atomic(path) as temporary:
        temporary.write_text(lines.getvalue(), encoding="utf-8")


def to_table(rows: Sequence[Row]) -> str:
    """Return a table for the terminal; a line that starts with "!" asks people to look."""
    width = max(len("name"), *(len(row.name) for row in rows))
    lines = [f"  {'name':<{width}}  {'ml':>8}  {'HU':>6}  {'mm':>13}  notes"]
    for row in rows:
        mark = "!" if row.flags else " "
        mean = "-" if row.hu_mean is None else f"{row.hu_mean:z.0f}"
        size = f"{row.longest_mm:.1f} x {row.across_mm:.1f}"
        start = f"{mark} {row.name:<{width}}  {row.ml:>8.2f}  {mean:>6}  {size:>13}"
        lines.append(f"{start}  {row.notes}".rstrip())
    return "\n".join(lines)
