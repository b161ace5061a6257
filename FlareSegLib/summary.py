"""The table of many cases: a line per case with what became of it."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from FlareSegLib.atomic import atomic
from FlareSegLib.job import Job
from FlareSegLib.labels import Organ
from FlareSegLib.privacy import shown_name

COLUMNS = ("case", "status", "reason", "seconds", "flags", "place", "series")
"""Before the volumes, one column per organ such as liver_ml."""


@dataclass(frozen=True)
class Measured:
    """What a report says of a case."""

    seconds: float
    """What the run took."""
    volumes_ml: Mapping[str, float]
    """By organ key; 0 if absent."""
    flags: tuple[str, ...]
    """Of the scan, and of organs as liver:touches_border."""


NOTHING = Measured(0.0, {}, ())


@dataclass(frozen=True)
class Row:
    """What became of a case."""

    case: str
    """Its name."""
    place: str
    """Where it was found."""
    series: str
    """UID of the DICOM series; empty if it is none."""
    status: Literal["ok", "failed", "skipped"]
    """skipped: finished by an earlier run."""
    reason: str = ""
    """Why it failed."""
    measured: Measured = field(default=NOTHING)
    """Empty if it failed, but for the seconds."""


def measured(report: Mapping[str, Any]) -> Measured:
    """Return what matters of a report as JSON has it.

    Raises:
        KeyError, TypeError, AttributeError: It is no report.
    """
    organs = report["organs"]
    own = [f"{organ['key']}:{flag}" for organ in organs for flag in organ["flags"]]
    return Measured(
        seconds=sum(report["run"]["seconds"].values()),
        volumes_ml={organ["key"]: float(organ["volume_ml"]) for organ in organs},
        flags=(*report["flags"], *own),
    )


def finished(job: Job) -> Measured | None:
    """Return what the report of a job says if all its files are there; None if it must be run."""
    if not all(path.is_file() and path.stat().st_size for path in job.targets):
        return None
    with suppress(OSError, ValueError, KeyError, TypeError, AttributeError):
        report = json.loads(job.report_path.read_text(encoding="utf-8"))
        if report["run"]["input"] in (job.source.name, shown_name(job.source, job.series)):
            return measured(report)
    return None


def write_summary(rows: Iterable[Row], organs: tuple[Organ, ...], path: Path) -> None:
    """Write a line per row; either whole or not at all.

    Raises:
        OutputError: It cannot be written.
    """
    lines = io.StringIO()
    table = csv.writer(lines, lineterminator="\n")
    table.writerow([*COLUMNS, *(f"{organ.key}_ml" for organ in organs)])
    for row in rows:
        found = row.measured
        first = (row.case, row.status, row.reason, f"{found.seconds:.1f}", ";".join(found.flags))
        volumes = (found.volumes_ml.get(organ.key, "") for organ in organs)
        table.writerow([*first, row.place, row.series, *volumes])
    with atomic(path) as temporary:
        temporary.write_text(lines.getvalue(), encoding="utf-8", errors="backslashreplace")
