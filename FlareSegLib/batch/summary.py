"""The table of many cases: a line per case with what became of it."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

from FlareSegLib.base.atomic import atomic, digest
from FlareSegLib.base.errors import OutputError
from FlareSegLib.base.extras import how_to_get
from FlareSegLib.base.job import Job
from FlareSegLib.base.labels import Organ
from FlareSegLib.batch.columns import ORGAN, RUN, details, is_number, organ_columns, shown
from FlareSegLib.images.privacy import shown_name

COLUMNS = ("case", "status", "reason", "seconds", "flags", "place", "series")
"""Before those of columns.py."""
TIDY = ("case", "status", "place", "series")
"""Of a line per case and organ, before those of columns.py."""
_NO_REPORT = (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError)
"""What a file that is no report raises: JSON can be nested too deep, and have too large numbers."""


@dataclass(frozen=True)
class Measured:
    """What a report says of a case."""

    seconds: float
    """What the run took."""
    volumes_ml: Mapping[str, float]
    """By organ key; 0 if absent."""
    flags: tuple[str, ...]
    """Of the scan, and of organs as liver:touches_border."""
    details: Mapping[str, Any] = field(default_factory=dict)
    """What else is known, by column: see columns.py."""


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

    def to_dict(self) -> dict[str, object]:
        """Return what JSON knows of the row; row_of() gives it back."""
        found = self.measured
        facts = {key: value for key, value in vars(self).items() if key != "measured"}
        return {
            **facts,
            "seconds": round(found.seconds, 3),
            "flags": list(found.flags),
            "volumes_ml": dict(found.volumes_ml),
            "details": dict(found.details),
        }


def row_of(facts: Mapping[str, Any]) -> Row:
    """Return the row that Row.to_dict() gave.

    Raises:
        KeyError, TypeError: It did not.
    """
    more = facts.get("details", {})
    found = Measured(facts["seconds"], facts["volumes_ml"], tuple(facts["flags"]), more)
    case, place, series, status, reason = (
        facts[key] for key in ("case", "place", "series", "status", "reason")
    )
    return Row(case, place, series, status, reason, found)


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
        details=details(report),
    )


def finished(job: Job) -> Measured | None:
    """Return what the report of a job says if it is finished; None if it must be run.

    Finished: the report is there, is of this input, and every other file is as the report says.
    """
    with suppress(OSError, *_NO_REPORT):
        report = json.loads(job.report_path.read_text(encoding="utf-8"))
        known = report["run"]["files"]
        others = [path for path in job.targets if path != job.report_path]
        is_whole = all(known[path.name] == digest(path) for path in others)
        is_whole = is_whole and all(any(folder.iterdir()) for folder in job.extra_folders)
        names = (job.source.name, shown_name(job.source, job.series))
        if is_whole and report["run"]["input"] in names:
            return measured(report)
    return None


def write_summary(rows: Iterable[Row], organs: tuple[Organ, ...], path: Path) -> None:
    """Write a line per row; either whole or not at all.

    Raises:
        OutputError: It cannot be written.
    """
    lines = io.StringIO()
    table = csv.writer(lines, lineterminator="\n")
    table.writerow(_columns(organs))
    table.writerows(_values(row, organs, missing="") for row in rows)
    with atomic(path) as temporary:
        temporary.write_text(lines.getvalue(), encoding="utf-8", errors="backslashreplace")


def check_parquet() -> None:
    """Check that Parquet can be written and read.

    Raises:
        OutputError: pyarrow is missing.
    """
    if find_spec("pyarrow") is None:
        cure = f"run {how_to_get('parquet')}, or use CSV"
        raise OutputError(f"Parquet needs pyarrow, which is not installed: {cure}")


def write_parquet(rows: Sequence[Row], organs: tuple[Organ, ...], path: Path) -> None:
    """Write the columns of write_summary(), seconds and volumes as numbers, missing ones as null.

    Raises:
        OutputError: pyarrow is missing, or the file cannot be written.
    """
    check_parquet()
    import pyarrow
    from pyarrow import parquet

    names = _columns(organs)
    columns = list(zip(*(_values(row, organs, missing=None) for row in rows), strict=True))
    numbers = [is_number(name) for name in names]
    arrays = [
        pyarrow.array(
            [_typed(value, has_numbers=has_numbers) for value in column],
            pyarrow.float64() if has_numbers else pyarrow.string(),
        )
        for column, has_numbers in zip(columns or [()] * len(names), numbers, strict=True)
    ]
    with atomic(path) as temporary:
        parquet.write_table(pyarrow.table(arrays, names=names), temporary)


def write_tidy(rows: Iterable[Row], organs: tuple[Organ, ...], path: Path) -> None:
    """Write a line for each organ of each case that has results; either whole or not at all.

    Raises:
        OutputError: It cannot be written.
    """
    lines = io.StringIO()
    table = csv.writer(lines, lineterminator="\n")
    table.writerow([*TIDY, *RUN, "organ", "ml", *ORGAN])
    for row in rows:
        if row.status != "failed":
            table.writerows(_tidy(row, organs))
    with atomic(path) as temporary:
        temporary.write_text(lines.getvalue(), encoding="utf-8", errors="backslashreplace")


def _tidy(row: Row, organs: tuple[Organ, ...]) -> Iterable[list[Any]]:
    first = [getattr(row, name) for name in TIDY]
    first += [_said(row, name, "") for name in RUN]
    for organ in organs:
        names = [f"{organ.key}_{name}" for name in ("ml", *ORGAN)]
        yield [*first, organ.key, *(_said(row, name, "") for name in names)]


def _typed(value: Any, *, has_numbers: bool) -> Any:
    if value is None:
        return None
    return float(value) if has_numbers else str(value)


def _columns(organs: tuple[Organ, ...]) -> list[str]:
    return [*COLUMNS, *RUN, *organ_columns(organs)]


def _values(row: Row, organs: tuple[Organ, ...], missing: str | None) -> list[Any]:
    found = row.measured
    first = (row.case, row.status, row.reason, f"{found.seconds:.1f}", ";".join(found.flags))
    more = (_said(row, name, missing) for name in (*RUN, *organ_columns(organs)))
    return [*first, row.place, row.series, *more]


def _said(row: Row, column: str, missing: str | None) -> Any:
    """Return what a column says of a case; of what is absent it says nothing."""
    known = row.measured.details.get(column)
    if column.endswith("_ml"):
        known = row.measured.volumes_ml.get(column.removesuffix("_ml"))
    value = shown(column, known)
    return missing if value is None else value
