"""One JSON line per case as it ends: what a run has done is known however it ended."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from FlareSegLib.batch.summary import Row

NAME = "journal.jsonl"
_log = logging.getLogger(__name__)


class Journal:
    """Appends lines to a file; a line is on the disk when append() returns."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def append(self, row: Row) -> None:
        """Write what became of a case; a disk that refuses is a warning, the work goes on."""
        line = json.dumps(row.to_dict(), ensure_ascii=True).encode()
        try:
            with self._path.open("a+b") as file:
                file.write(_line_break(file) + line + b"\n")
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            _log.warning("%s cannot be written (%s)", self._path, error.strerror)


def _line_break(file: Any) -> bytes:
    """Return what ends a line that a killed process left half-written."""
    if file.seek(0, os.SEEK_END) == 0:
        return b""
    file.seek(-1, os.SEEK_END)
    return b"" if file.read(1) == b"\n" else b"\n"


def read_journal(path: Path) -> list[Mapping[str, Any]]:
    """Return the whole lines of a journal in their order; a half-written one is left out."""
    found = []
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        try:
            found.append(json.loads(line))
        except (ValueError, RecursionError):
            _log.warning("%s has a line that is not whole: it is left out", path)
    return found
