"""The page of a cohort: one HTML file that fetches nothing, for a person who looks at results."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from html import escape

from FlareSegLib import __version__
from FlareSegLib.base.atomic import atomic
from FlareSegLib.base.labels import Organ
from FlareSegLib.base.paths import RESOURCES
from FlareSegLib.batch import cohort
from FlareSegLib.batch.card import card
from FlareSegLib.batch.cohort import Spread, done, spread
from FlareSegLib.batch.plan import Plan
from FlareSegLib.batch.summary import Row
from FlareSegLib.batch.volume_plot import plot
from FlareSegLib.reporting.report import DISCLAIMER

MOST_THUMBNAILS = 300
"""In a page, about 20 kB each: those that a person should look at come first."""
MOST_OPEN = 12
"""Failures that are shown unfolded."""
POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'unsafe-inline'"
"""Of the page: even a name that were code could fetch nothing."""


def write_page(rows: Sequence[Row], count: int, plan: Plan, organs: Sequence[Organ]) -> None:
    """Write cohort.html; either whole or not at all.

    Args:
        rows: Of the cases that have ended.
        count: Of all cases.
        plan: Says where thumbnails and the page are.
        organs: Those to tell of.

    Raises:
        OutputError: It cannot be written.
    """
    text = "".join(_page(rows, count, plan, organs))
    with atomic(plan.page) as temporary:
        temporary.write_text(text, encoding="utf-8", errors="backslashreplace")


def _page(rows: Sequence[Row], count: int, plan: Plan, organs: Sequence[Organ]) -> Iterator[str]:
    style, script = (
        (RESOURCES / "Cohort" / name).read_text("utf-8") for name in ("cohort.css", "cohort.js")
    )
    good = done(rows)
    spreads = [spread(good, organ) for organ in organs]
    looks = {row.case: said for row in good if (said := cohort.remarks(row, spreads))}
    name = escape(plan.output.absolute().name)
    yield '<!doctype html><html lang="en"><head><meta charset="utf-8">'
    yield f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">'
    yield '<meta name="viewport" content="width=device-width, initial-scale=1">'
    yield f"<title>{name} - FlareSeg cohort</title><style>{style}</style></head><body>"
    yield _head(name, plan)
    yield _tiles(rows, count, len(looks), spreads)
    yield _volumes(spreads, len(good))
    yield from _cases(good, looks, plan, _failures([r for r in rows if r.status == "failed"]))
    yield f"<script>{script}</script></body></html>\n"


def _head(name: str, plan: Plan) -> str:
    when = datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")
    facts = (
        f"FlareSeg {__version__} · model {plan.model.name} · speed {plan.options.speed} · {when}"
    )
    return (
        f"<header><h1>{name}</h1><p>{escape(facts)}</p>"
        f'<p class="warn">For {DISCLAIMER}. This page holds names and images of the cases: '
        "handle it as you handle the CTs.</p></header>"
    )


def _tiles(rows: Sequence[Row], count: int, looks: int, spreads: Sequence[Spread]) -> str:
    statuses = Counter(row.status for row in rows)
    failed = statuses["failed"]
    far = {case for one in spreads for case in one.outliers}
    tiles = [
        ("CTs", count, ""),
        ("with results", len(rows) - failed, ""),
        ("to look at", looks, "look" if looks else ""),
        ("of them outliers", len(far), "look" if far else ""),
        ("failed", failed, "bad" if failed else ""),
    ]
    if count > len(rows):
        tiles.append(("not run yet", count - len(rows), "bad"))
    cells = "".join(f'<li class="{kind}"><b>{n}</b>{said}</li>' for said, n, kind in tiles)
    return f'<ul class="tiles">{cells}</ul>'


def _failures(failed: Sequence[Row]) -> str:
    if not failed:
        return ""
    lines = "".join(
        f"<tr><td>{escape(row.case)}<small>{escape(row.place)}</small></td>"
        f"<td>{escape(row.reason)}</td></tr>"
        for row in failed
    )
    is_open = "open" if len(failed) <= MOST_OPEN else ""
    return (
        f"<section><h2>Failed: {len(failed)}</h2><p>Nothing was written for these. Cure what the "
        "reason says, and run the batch again with --skip-existing.</p>"
        f'<details {is_open}><summary>reasons</summary><table class="failed"><thead><tr>'
        f"<th>case<th>reason</tr></thead><tbody>{lines}</tbody></table></details></section>"
    )


def _volumes(spreads: Sequence[Spread], cases: int) -> str:
    lines = "".join(_volume(one) for one in spreads)
    return (
        f"<section><h2>Volumes of {cases} CTs</h2>"
        "<p>Each dot is a case. Box: middle half of the cases, line: median. Pale band: limits "
        'beyond which a volume is flagged, not norms. <span class="far">Red</span>: far from the '
        "others (modified z-score over 3.5 on the logarithm). Organs that a scan cuts are left "
        "out, but for those that most scans cut (*): there the length of the scan counts.</p>"
        '<table class="volumes"><thead><tr>'
        "<th>organ<th>cases<th>median ml<th>middle half<th>ml<th>cut<th>absent</tr></thead>"
        f"<tbody>{lines}</tbody></table></section>"
    )


def _volume(one: Spread) -> str:
    red, green, blue = one.organ.color
    swatch = f'<i style="background:rgb({red},{green},{blue})"></i>'
    low, median, high = one.quartiles
    star = "" if one.is_whole else " *"
    digits = 0 if median >= 20 else 1  # an adrenal gland has 4 ml
    middle = f"{low:.{digits}f} to {high:.{digits}f}"
    figures = (f"{median:.{digits}f}", middle) if one.ml else ("", "")
    return (
        f"<tr><td>{swatch}{escape(one.organ.name)}{star}<td>{len(one.ml)}<td>{figures[0]}"
        f"<td>{figures[1]}<td>{plot(one)}<td>{one.cut or ''}<td>{one.absent or ''}</tr>"
    )


def _cases(
    good: Sequence[Row], looks: dict[str, list[str]], plan: Plan, between: str
) -> Iterator[str]:
    """Yield a card for each case: those to look at, what comes between, the others."""
    shown = sorted(good, key=lambda row: _urgency(row, looks), reverse=True)
    yield (
        '<section class="review"><input id="filter" type="search" placeholder="find a case" '
        'autocomplete="off"> <select id="show"><option value="">all cases</option>'
        '<option value="open">without a verdict</option><option>accept</option>'
        '<option>reject</option></select> <select id="sort"><option value="">most urgent first'
        '</option><option value="name">by name</option></select> '
        '<button id="save" type="button">save verdicts as CSV</button></section>'
    )
    yield f"<section><h2>Cases to look at: {len(looks)}</h2>"
    yield from _cards(shown[: len(looks)], looks, plan, MOST_THUMBNAILS)
    yield f"</section>{between}<section><h2>Other cases: {len(shown) - len(looks)}</h2>"
    yield from _cards(shown[len(looks) :], looks, plan, MOST_THUMBNAILS - len(looks))
    yield "</section>"


def _urgency(row: Row, looks: dict[str, list[str]]) -> tuple[bool, bool, int]:
    """Return what sorts cases: flags of the whole scan, then outliers, then many remarks."""
    said = looks.get(row.case, [])
    has_scan_flag = any(":" not in flag for flag in row.measured.flags)
    return has_scan_flag, any(" far " in text for text in said), len(said)


def _cards(
    rows: Sequence[Row], looks: dict[str, list[str]], plan: Plan, thumbnails: int
) -> Iterator[str]:
    yield '<div class="cards">'
    for i, row in enumerate(rows):
        yield card(row, looks.get(row.case, []), plan, with_picture=i < thumbnails)
    yield "</div>"
