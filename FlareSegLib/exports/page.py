"""One page for people: picture, organs, notes; as PDF, and as DICOM for an archive."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from FlareSegLib.base.atomic import atomic
from FlareSegLib.reporting.report import DISCLAIMER, Report, to_table

if TYPE_CHECKING:
    from matplotlib.figure import Figure

A4_INCHES = (8.27, 11.69)
MARGIN_INCHES = 0.6


def write_pdf(report: Report, preview: Path, title: str, path: Path) -> None:
    """Write a page (A4) with the preview and the table of organs; wholly or not at all.

    Raises:
        OutputError: It cannot be written.
    """
    figure = _drawn(report, preview, title)
    with atomic(path) as temporary:
        figure.savefig(temporary, format="pdf", metadata={"Creator": "FlareSeg", "Title": title})


def _drawn(report: Report, preview: Path, title: str) -> Figure:
    from matplotlib.backends.backend_pdf import FigureCanvasPdf
    from matplotlib.figure import Figure
    from matplotlib.image import imread

    width, height = A4_INCHES
    figure = Figure(figsize=A4_INCHES)
    FigureCanvasPdf(figure)
    picture = imread(preview)
    inner = width - 2 * MARGIN_INCHES
    tall = inner * picture.shape[0] / picture.shape[1]
    top = height - MARGIN_INCHES - 0.5
    place = (MARGIN_INCHES / width, (top - tall) / height, inner / width, tall / height)
    axes = figure.add_axes(place)
    axes.set_axis_off()
    axes.imshow(picture, aspect="auto")
    lines = [*to_table(report).splitlines(), "", *_facts(report.facts), report.created]
    left = MARGIN_INCHES / width
    said: dict[str, Any] = {"parse_math": False, "va": "top"}
    figure.text(left, 1 - MARGIN_INCHES / height, f"FlareSeg: {title}", size=14, **said)
    figure.text(left, 0.035, f"For {DISCLAIMER}.", size=8, **said)
    below = (top - tall - 0.3) / height
    words = "\n".join(_folded(line) for line in lines)
    figure.text(left, below, words, size=7, family="monospace", linespacing=1.5, **said)
    return figure


def _facts(facts: Mapping[str, object]) -> list[str]:
    model, versions = facts.get("model"), facts.get("versions")
    name = f"{model.get('name')} {model.get('version')}" if isinstance(model, Mapping) else ""
    version = versions.get("flareseg") if isinstance(versions, Mapping) else ""
    return [f"flareseg {version}, model {name}, speed {facts.get('speed', '')}"]


def _folded(line: str, most: int = 118) -> str:
    """Return a line in several of at most so many letters, the later ones indented."""
    if len(line) <= most:
        return line
    cut = line.rfind(" ", 0, most)
    return line[:cut] + "\n" + _folded(" " * 44 + line[cut + 1 :], most)
