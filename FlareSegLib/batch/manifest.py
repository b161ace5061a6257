"""Which CTs are meant: a folder, a pattern such as "cts/**/*.nii.gz", or a table of paths."""

from __future__ import annotations

import csv
import glob
import itertools
import logging
from collections.abc import Iterable, Mapping
from pathlib import Path

from FlareSegLib.base.errors import InputError
from FlareSegLib.base.paths import is_table
from FlareSegLib.batch.cases import (
    Case,
    by_frame,
    case_at,
    find_cases,
    safe,
    unique_names,
    zip_cases,
)
from FlareSegLib.batch.labels_beside import without_labelmaps
from FlareSegLib.batch.summary import check_parquet
from FlareSegLib.images.archive import is_zip

_log = logging.getLogger(__name__)
PATH, NAME, SERIES = "path", "case", "series"
"""Columns of a table: where the CT is, what its files shall be called, which DICOM series."""


def cases_of(source: Path, without: Path | None = None) -> tuple[Case, ...]:
    """Return the cases that a folder holds, a pattern matches or a table lists.

    A table needs the column `path`, an image file, a folder with a DICOM series or a zip file of
    either, relative to the table; `case` and `series` are optional, other columns are left out.
    What is listed is a case, whether it is there or not.

    Args:
        source: Folder, pattern or table.
        without: A folder that is not searched.

    Raises:
        InputError: The table cannot be used.
        OutputError: pyarrow is missing.
    """
    if source.is_dir():
        return find_cases(source, without)
    if is_table(source):
        return unique_names(
            _once(by_frame([_case(line, source) for line in _lines(source)]), source)
        )
    return _matching(str(source), without)


def _once(cases: list[Case], table: Path) -> list[Case]:
    """Return the cases without those of lines that say the same as an earlier one."""
    found = list(dict.fromkeys(cases))
    if len(found) < len(cases):
        _log.warning("%s: %d lines repeat others", table.name, len(cases) - len(found))
    return found


def _matching(pattern: str, without: Path | None) -> tuple[Case, ...]:
    """Return the files, and the cases in the folders, that a pattern matches."""
    results = without.resolve() if without else None
    top = _fixed_part(pattern)
    matched = sorted(Path(name) for name in glob.glob(pattern, recursive=True))  # noqa: PTH207
    paths = [one for one in matched if one.is_dir() or results not in one.resolve().parents]
    inside: dict[Path, list[Case]] = {path: [] for path in paths if is_zip(path)}
    for one in zip_cases(list(inside), top):  # all at once: a series may lie in several
        inside[one.source].append(one)
    found: dict[str, Case] = {}
    for path in paths:
        if path.is_dir():
            found |= {one.key: one for one in find_cases(path, without, top)}
            continue
        for one in inside.get(path, [case_at(path, top)]):
            found.setdefault(one.key, one)
    return unique_names(by_frame(without_labelmaps(list(found.values()))))


def _fixed_part(pattern: str) -> Path:
    """Return the folder before the first part of a pattern that stands for many names.

    Cases are called by their place below it, so that a name does not depend on what else is there.
    """
    parts = itertools.takewhile(lambda part: not glob.has_magic(part), Path(pattern).parts)
    return Path(*parts)


def _stem(path: Path) -> str:
    name = path.name
    for ending in (".nii.gz", path.suffix):
        if ending and name.lower().endswith(ending.lower()):
            return safe(name[: -len(ending)])
    return safe(name)


def _case(line: Mapping[str, str | None], table: Path) -> Case:
    said = (line.get(PATH) or "").strip()
    if not said or "\0" in said:
        raise InputError(f"{table.name} has a line without a path: fill in the column {PATH}")
    path = table.parent / said
    name = (line.get(NAME) or "").strip()
    series = (line.get(SERIES) or "").strip() or None
    return Case(safe(name) if name else safe(_place_stem(said)), path, said, series)


def _place_stem(said: str) -> str:
    """Return the folder and the stem: p1/ct.nii.gz is p1_ct, as find_cases() would say."""
    path = Path(said)
    return f"{path.parent.name}_{_stem(path)}" if path.parent.name else _stem(path)


def _lines(table: Path) -> Iterable[Mapping[str, str | None]]:
    lines = _parquet_lines(table) if table.suffix.lower() == ".parquet" else _csv_lines(table)
    if lines and PATH not in lines[0]:
        names = ", ".join(str(name) for name in lines[0])
        raise InputError(
            f"{table.name} has the columns {names}: it needs one called {PATH}, with the CTs"
        )
    return lines


def _csv_lines(table: Path) -> list[dict[str, str | None]]:
    try:
        with table.open(encoding="utf-8-sig", newline="") as file:
            return list(csv.DictReader(file))
    except (OSError, ValueError, csv.Error) as error:
        raise InputError(f"{table} cannot be read ({error}): give a CSV file in UTF-8") from error


def _parquet_lines(table: Path) -> list[dict[str, str | None]]:
    check_parquet()
    from pyarrow import ArrowException, parquet

    try:
        names = parquet.read_schema(table).names
        wanted = [name for name in (PATH, NAME, SERIES) if name in names]
        if PATH not in names:
            return [dict.fromkeys(names)]
        found: list[dict[str, str | None]] = parquet.read_table(table, columns=wanted).to_pylist()
    except (OSError, ArrowException) as error:
        raise InputError(f"{table} cannot be read ({error}): give a Parquet file") from error
    return [
        {key: None if value is None else str(value) for key, value in line.items()}
        for line in found
    ]
