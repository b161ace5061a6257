"""The card of a case on the page of a cohort: pictures, links, numbers, remarks."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from FlareSegLib.base.job import beside
from FlareSegLib.base.labels import Organ
from FlareSegLib.batch.plan import MARK, Plan
from FlareSegLib.batch.summary import Row
from FlareSegLib.measuring.rows import ml_text

MOST_REMARKS = 4
HU_OF = ("liver", "spleen")
"""Whose HU a card tells at once."""
STATES = {"cut": "cut", "absent": "absent", "out_of_field": "outside the scan"}
"""What a tile says of an organ that is not whole."""


@dataclass(frozen=True)
class Tile:
    """An organ of a case."""

    key: str
    name: str
    color: str
    """As CSS has it."""
    ml: float
    """To sort by; 0 if absent."""
    said: str
    """Volume, HU and state, for people."""
    at: int
    """Which picture of the strip."""


@dataclass(frozen=True)
class Card:
    """What a page tells of a case."""

    case: str
    place: str
    numbers: str
    """Phase, and HU of some organs."""
    picture: str
    """Its coronal slice as data of a URL; empty if there is none."""
    strip: str
    """Pictures of its organs, likewise."""
    tiles: list[Tile]
    links: list[tuple[str, str]]
    """URL and name of its files, relative to the page."""
    remarks: list[str]
    """Why a person should look; not all of them if there are many."""
    urgency: int
    """How many reasons there are."""


def card(
    row: Row,
    remarks: Sequence[str],
    plan: Plan,
    organs: Sequence[Organ],
    *,
    with_picture: bool,
    with_tiles: bool,
) -> Card:
    """Return the card of a case.

    Args:
        row: With results.
        remarks: Why a person should look.
        plan: Says where the files are.
        organs: Those to tell of, in the order of the strip.
        with_picture: Put that of the scan into the page.
        with_tiles: Put those of the organs into the page.
    """
    more = [f"and {len(remarks) - MOST_REMARKS} more"] if len(remarks) > MOST_REMARKS else []
    return Card(
        case=row.case,
        place=row.place,
        numbers=_numbers(row),
        picture=_data(plan.thumbnail(row.case)) if with_picture else "",
        strip=_data(plan.tiles(row.case)) if with_tiles else "",
        tiles=[_tile(row, organ, i) for i, organ in enumerate(organs)],
        links=_links(row, plan),
        remarks=[*remarks[:MOST_REMARKS], *more],
        urgency=len(remarks),
    )


def _tile(row: Row, organ: Organ, at: int) -> Tile:
    known = row.measured.details
    ml = row.measured.volumes_ml.get(organ.key, 0.0)
    said = [f"{ml_text(ml)} ml"] if ml else []
    if (hu := known.get(f"{organ.key}_core_hu")) is not None:
        said.append(f"{hu:z.0f} HU")
    if state := STATES.get(known.get(f"{organ.key}_state", "" if ml else "absent")):
        said.append(state)
    return Tile(organ.key, organ.name, organ.css_color, round(ml, 2), ", ".join(said), at)


def _numbers(row: Row) -> str:
    """Return phase and HU in a line."""
    known = row.measured.details
    said = [str(known["phase"])] if known.get("phase") else []
    for key in HU_OF:
        if (hu := known.get(f"{key}_core_hu")) is not None:
            said.append(f"{key} {hu:z.0f} HU")
    return ", ".join(said)


def _links(row: Row, plan: Plan) -> list[tuple[str, str]]:
    """Return links to the files of a case that are there."""
    labelmap = plan.output / f"{row.case}{MARK}{plan.extension}"
    files = {
        "picture": beside(labelmap, ".png"),
        "labels": labelmap,
        "report": beside(labelmap, ".report.json"),
    }
    return [(quote(f"./{path.name}"), said) for said, path in files.items() if _is_there(path)]


def _is_there(path: Path) -> bool:
    with suppress(OSError, ValueError):
        return path.is_file()
    return False


def _data(path: Path) -> str:
    with suppress(OSError, ValueError):
        return "data:image/png;base64," + base64.b64encode(path.read_bytes()).decode("ascii")
    return ""
