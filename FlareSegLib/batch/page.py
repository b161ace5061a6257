"""The page of a cohort: one HTML file that shows what many CTs gave, and which to look at.

It fetches nothing: numbers, dots and small pictures are in it. The template escapes every text
that comes from a case.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from FlareSegLib import __version__
from FlareSegLib.base.atomic import atomic
from FlareSegLib.base.labels import Organ
from FlareSegLib.batch import cohort, volume_plot
from FlareSegLib.batch.card import Card, card
from FlareSegLib.batch.cohort import Spread, done, spread
from FlareSegLib.batch.plan import Plan
from FlareSegLib.batch.summary import Row
from FlareSegLib.batch.template import fill_in
from FlareSegLib.batch.volume_plot import Plot, plot
from FlareSegLib.measuring.rows import ml_text
from FlareSegLib.reporting.report import DISCLAIMER
from FlareSegLib.reporting.tiles import SIDE

MOST_PICTURES, MOST_TILES = 300, 4000
"""Scans and organs whose pictures are in a page, of about 20 and 2 kB each: what a person should
look at comes first."""
MOST_OPEN = 12
"""Failures that are shown unfolded."""


@dataclass(frozen=True)
class Volume:
    """A line of the table of volumes, as text."""

    name: str
    color: str
    cases: int
    median: str
    middle: str
    hu: str
    plot: Plot | None
    cut: int
    absent: int


def write_page(rows: Sequence[Row], count: int, plan: Plan, organs: Sequence[Organ]) -> None:
    """Write cohort.html; either whole or not at all.

    Args:
        rows: Of the cases that have ended.
        count: Of all cases.
        plan: Says where pictures and the page are.
        organs: Those to tell of.

    Raises:
        OutputError: It cannot be written, or Jinja2 is missing.
    """
    text = fill_in(_values(rows, count, plan, organs))
    with atomic(plan.page) as temporary:
        temporary.write_text(text, encoding="utf-8", errors="backslashreplace")


def _values(
    rows: Sequence[Row], count: int, plan: Plan, organs: Sequence[Organ]
) -> dict[str, object]:
    """Return what the template shows."""
    good = done(rows)
    failed = [row for row in rows if row.status == "failed"]
    spreads = [spread(good, organ) for organ in organs]
    looks = {row.case: said for row in good if (said := cohort.remarks(row, spreads))}
    cards = list(_cards(good, looks, plan, organs))
    return {
        "name": plan.output.absolute().name,
        "facts": _facts(plan),
        "disclaimer": DISCLAIMER,
        "tiles": list(_tiles(rows, count, len(looks), spreads)),
        "phases": Counter(row.measured.details.get("phase") or "unknown" for row in good),
        "volumes": [_volume(one) for one in spreads],
        "sizes": {
            "width": volume_plot.WIDTH,
            "height": volume_plot.HEIGHT,
            "margin": volume_plot.MARGIN,
            "axis": volume_plot.AXIS,
        },
        "failed": failed,
        "is_open": len(failed) <= MOST_OPEN,
        "organs": organs,
        "look": cards[: len(looks)],
        "others": cards[len(looks) :],
        "side": SIDE,
    }


def _facts(plan: Plan) -> str:
    when = datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")
    return f"FlareSeg {__version__} · model {plan.model.name} · speed {plan.options.speed} · {when}"


def _tiles(
    rows: Sequence[Row], count: int, looks: int, spreads: Sequence[Spread]
) -> Iterator[tuple[str, int, str]]:
    """Yield what is counted, how many, and how it is shown."""
    failed = sum(row.status == "failed" for row in rows)
    far = {case for one in spreads for case in one.outliers}
    yield "CTs", count, ""
    yield "with results", len(rows) - failed, ""
    yield "to look at", looks, "look" if looks else ""
    yield "of them outliers", len(far), "look" if far else ""
    yield "failed", failed, "bad" if failed else ""
    if count > len(rows):
        yield "not run yet", count - len(rows), "bad"


def _volume(one: Spread) -> Volume:
    low, median, high = one.quartiles
    return Volume(
        name=one.organ.name + ("" if one.is_whole else " *"),
        color=one.organ.css_color,
        cases=len(one.ml),
        median=ml_text(median) if one.ml else "",
        middle=f"{ml_text(low, median)} to {ml_text(high, median)}" if one.ml else "",
        hu="" if one.median_hu is None else f"{one.median_hu:z.0f}",
        plot=plot(one),
        cut=one.cut,
        absent=one.absent,
    )


def _cards(
    good: Sequence[Row], looks: dict[str, list[str]], plan: Plan, organs: Sequence[Organ]
) -> Iterator[Card]:
    """Yield a card for each case, those to look at first."""
    shown = sorted(good, key=lambda row: _urgency(row, looks), reverse=True)
    for i, row in enumerate(shown):
        said = looks.get(row.case, [])
        yield card(
            row,
            said,
            plan,
            organs,
            with_picture=i < MOST_PICTURES,
            with_tiles=(i + 1) * len(organs) <= MOST_TILES,
        )


def _urgency(row: Row, looks: dict[str, list[str]]) -> tuple[bool, bool, int]:
    """Return what sorts cases: flags of the whole scan, then outliers, then many remarks."""
    said = looks.get(row.case, [])
    has_scan_flag = any(":" not in flag for flag in row.measured.flags)
    return has_scan_flag, any(" far " in text for text in said), len(said)
