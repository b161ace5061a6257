"""Tables of what is said of scans that are not ours, from the lines of scans.py.

    python -m training.doubt.scan_table LINES [DOC]

They are told anew by the rules as they are now; with a document they are written into it, between
the lines MARKS.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from FlareSegLib.base.atomic import atomic
from FlareSegLib.measuring.confidence import Seen
from FlareSegLib.measuring.findings import findings
from FlareSegLib.measuring.rows import OrganRow
from FlareSegLib.measuring.usual import is_out_of_field
from FlareSegLib.reporting.report import Report
from training.doubt.foreign import KINDS
from training.doubt.runs import FEWEST_VOXELS
from training.doubt.scans import read
from training.doubt.table import seen_of

MARKS = ("<!-- tables of training.doubt.scan_table -->", "<!-- end of these tables -->")
STATES = ("out_of_field", "absent", "found, doubtful", "found, not doubtful")


def flags_of(line: dict[str, Any]) -> tuple[str, ...]:
    """Return what reading or the rules say of a scan."""
    if "refused" in line:
        return ("refused",)
    seen = seen_of(line)
    report = Report(tuple(seen.rows.values()), {}, findings=findings(seen.rows, seen.scan))
    return report.flags


def kinds_table(lines: list[dict[str, Any]]) -> str:
    """Return how many scans of each kind are told, and by what."""
    rows = ["| scan | scans | told | what is said (scans) |", "|---|---|---|---|"]
    for name, kind in KINDS.items():
        said = [flags_of(line) for line in lines if line["kind"] == name]
        if not said:
            continue
        counts = Counter(flag for flags in said for flag in flags)
        words = ", ".join(f"`{flag}` {count}" for flag, count in counts.most_common())
        told = sum(bool(kind.told_by & set(flags)) for flags in said)
        is_ours = not kind.told_by
        cells = kind.words, len(said), "should not be" if is_ours else told, words or "nothing"
        rows.append("| " + " | ".join(map(str, cells)) + " |")
    return "\n".join(rows)


def states_table(lines: list[dict[str, Any]]) -> str:
    """Return what is said of organs that are not in a copy: cut off with it, or erased."""
    rows = [
        "| organs that are gone | organs | " + " | ".join(STATES) + " |",
        "|---|---|---|---|---|---|",
    ]
    for name in ("upper_half", "lower_half", "chest", "pelvis", "erased"):
        found = Counter(state for line in lines if line["kind"] == name for state in _states(line))
        counts = [str(found[state]) for state in STATES]
        rows.append(f"| {KINDS[name].words} | {found.total()} | " + " | ".join(counts) + " |")
    return "\n".join(rows)


def _states(line: dict[str, Any]) -> Iterator[str]:
    if "refused" in line:
        return
    seen = seen_of(line)
    for key, organ in line["organs"].items():
        if line["voxels_before"][organ["value"]] >= FEWEST_VOXELS and not organ["true_ml"]:
            yield _state(seen.rows[key], seen)


def _state(row: OrganRow, seen: Seen) -> str:
    if row.components:
        return "found, doubtful" if "doubtful" in row.flags else "found, not doubtful"
    rows = {key: _bare(other) for key, other in seen.rows.items()}
    ends = (0.0, seen.scan.height_mm - seen.scan.slice_mm)
    return "out_of_field" if is_out_of_field(row.key, rows, seen.scan, ends) else "absent"


def _bare(row: OrganRow) -> OrganRow:
    """Return a row without what was said of its state."""
    return replace(row, flags=tuple(flag for flag in row.flags if flag != "out_of_field"))


def main() -> None:
    """Print the tables, and write them into a document."""
    lines = read(Path(sys.argv[1]))
    tables = f"{kinds_table(lines)}\n\n{states_table(lines)}\n"
    print(tables)
    if len(sys.argv) > 2:
        path = Path(sys.argv[2])
        before, rest = path.read_text(encoding="utf-8").split(MARKS[0])
        text = f"{before}{MARKS[0]}\n{tables}{MARKS[1]}{rest.split(MARKS[1])[1]}"
        with atomic(path) as temporary:
            temporary.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
