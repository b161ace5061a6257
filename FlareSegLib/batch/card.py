"""The card of a case on the page of a cohort: picture, links, numbers, remarks, and a verdict."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from contextlib import suppress
from html import escape
from pathlib import Path
from urllib.parse import quote

from FlareSegLib.base.job import beside
from FlareSegLib.batch.plan import MARK, Plan
from FlareSegLib.batch.summary import Row

MOST_REMARKS = 4
HU_OF = ("liver", "spleen")
"""Whose HU a card tells."""
VERDICTS = ("accept", "reject")


def card(row: Row, remarks: Sequence[str], plan: Plan, *, with_picture: bool) -> str:
    """Return the HTML of a case.

    Args:
        row: With results.
        remarks: Why a person should look.
        plan: Says where the files are.
        with_picture: Put the thumbnail into the page.
    """
    more = [f"and {len(remarks) - MOST_REMARKS} more"] if len(remarks) > MOST_REMARKS else []
    said = "".join(f"<li>{escape(text)}</li>" for text in [*remarks[:MOST_REMARKS], *more])
    picture = _picture(row, plan) if with_picture else ""
    name = escape(row.case)
    buttons = "".join(
        f'<button type="button" data-verdict="{one}">{one}</button>' for one in VERDICTS
    )
    return (
        f'<article id="{name}" data-remarks="{len(remarks)}">{picture}<h3>{name}</h3>'
        f"<p>{escape(row.place)}</p><p>{escape(_numbers(row))}</p><p>{_links(row, plan)}</p>"
        f'<ul>{said}</ul><p class="verdict">{buttons}'
        '<input placeholder="comment" autocomplete="off"></p></article>'
    )


def _numbers(row: Row) -> str:
    """Return phase and HU in a line."""
    known = row.measured.details
    said = [str(known["phase"])] if known.get("phase") else []
    for key in HU_OF:
        if (hu := known.get(f"{key}_core_hu")) is not None:
            said.append(f"{key} {hu:z.0f} HU")
    return ", ".join(said)


def _links(row: Row, plan: Plan) -> str:
    """Return links to the files of a case that are there, relative to the page."""
    labelmap = plan.output / f"{row.case}{MARK}{plan.extension}"
    files = {
        "picture": beside(labelmap, ".png"),
        "labels": labelmap,
        "report": beside(labelmap, ".report.json"),
    }
    return " ".join(
        f'<a href="{escape(quote(f"./{path.name}"))}">{said}</a>'
        for said, path in files.items()
        if _is_there(path)
    )


def _is_there(path: Path) -> bool:
    with suppress(OSError, ValueError):
        return path.is_file()
    return False


def _picture(row: Row, plan: Plan) -> str:
    with suppress(OSError):
        data = base64.b64encode(plan.thumbnail(row.case).read_bytes()).decode("ascii")
        return f'<img alt="coronal slice" src="data:image/png;base64,{data}">'
    return ""
