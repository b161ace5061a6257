"""Tables of what is said of scans that are not ours, from the lines of scans.py.

    python -m training.doubt.scan_table LINES MODEL [DOC]

They are told anew, by the rules and the confidence of the model as they are now; with a document
they are written into it, between the lines MARKS.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from FlareSegLib.base.atomic import atomic
from FlareSegLib.base.model_file import read_model_config
from FlareSegLib.measuring.confidence import Seen, judge
from FlareSegLib.measuring.findings import findings
from FlareSegLib.measuring.rows import OrganRow
from FlareSegLib.measuring.trust import marked_by
from FlareSegLib.measuring.usual import is_out_of_field
from FlareSegLib.reporting.report import Report
from training.doubt.foreign import KINDS, Kind
from training.doubt.runs import FEWEST_VOXELS, lines_of
from training.doubt.table import seen_of

MARKS = ("<!-- tables of training.doubt.scan_table -->", "<!-- end of these tables -->")
STATES = ("out_of_field", "absent", "found, doubtful", "found, not doubtful")


def judged(line: dict[str, Any], told: Mapping[str, Any] | None) -> Seen:
    """Return what a run knew, with confidence and doubt as they are told now."""
    seen = seen_of(line)
    thought, found = judge(seen, told), {}
    for key, row in seen.rows.items():
        flags = tuple(flag for flag in row.flags if flag not in ("doubtful", "out_of_field"))
        found[key] = marked_by(replace(row, flags=flags, confidence=None), thought.get(key))
    return replace(seen, rows=found)


def flags_of(line: dict[str, Any], told: Mapping[str, Any] | None = None) -> tuple[str, ...]:
    """Return what reading or the rules say of a scan."""
    if "refused" in line:
        return ("refused",)
    seen = judged(line, told)
    report = Report(tuple(seen.rows.values()), {}, findings=findings(seen.rows, seen.scan))
    return report.flags


def kinds_table(lines: list[dict[str, Any]], told: Mapping[str, Any] | None = None) -> str:
    """Return how many scans of each kind are told, and by what; new scans apart."""
    rows = ["| scan | told | told, new scans | what is said (scans) |", "|---|---|---|---|"]
    for name, kind in KINDS.items():
        mine = [line for line in lines if line["kind"] == name]
        said = [(flags_of(line, told), bool(line.get("is_new"))) for line in mine]
        if not said:
            continue
        counts = Counter(flag for flags, _ in said for flag in flags)
        words = ", ".join(f"`{flag}` {count}" for flag, count in counts.most_common())
        cells = (_share(kind, [flags for flags, is_new in said if is_new == new]) for new in (0, 1))
        rows.append("| " + " | ".join([kind.words, *cells, words or "nothing"]) + " |")
    return "\n".join(rows)


def _share(kind: Kind, said: list[tuple[str, ...]]) -> str:
    """Return how many scans are told; of scans that are as they should be, how many are not."""
    if not said:
        return ""
    right = sum(bool(kind.told_by & set(flags)) if kind.told_by else not flags for flags in said)
    return f"{right} of {len(said)}" + ("" if kind.told_by else " have no flag")


def states_table(lines: list[dict[str, Any]], told: Mapping[str, Any] | None = None) -> str:
    """Return what is said of organs that are not in a copy: cut off with it, or erased."""
    rows = [
        "| organs that are gone | organs | " + " | ".join(STATES) + " |",
        "|---|---|---|---|---|---|",
    ]
    for name in ("upper_half", "lower_half", "chest", "pelvis", "erased"):
        found = Counter(
            state for line in lines if line["kind"] == name for state in _states(line, told)
        )
        counts = [str(found[state]) for state in STATES]
        rows.append(f"| {KINDS[name].words} | {found.total()} | " + " | ".join(counts) + " |")
    return "\n".join(rows)


def _states(line: dict[str, Any], told: Mapping[str, Any] | None) -> Iterator[str]:
    if "refused" in line:
        return
    seen = judged(line, told)
    for key, organ in line["organs"].items():
        if line["voxels_before"][organ["value"]] >= FEWEST_VOXELS and not organ["true_ml"]:
            yield _state(seen.rows[key], seen)


def _state(row: OrganRow, seen: Seen) -> str:
    if row.components:
        return "found, doubtful" if "doubtful" in row.flags else "found, not doubtful"
    ends = (0.0, seen.scan.height_mm - seen.scan.slice_mm)
    return "out_of_field" if is_out_of_field(row.key, seen.rows, seen.scan, ends) else "absent"


def main() -> None:
    """Print the tables, and write them into a document."""
    lines, told = lines_of(Path(sys.argv[1])), read_model_config(Path(sys.argv[2])).confidence
    tables = f"{kinds_table(lines, told)}\n\n{states_table(lines, told)}\n"
    print(tables)
    if len(sys.argv) > 3:
        path = Path(sys.argv[3])
        before, rest = path.read_text(encoding="utf-8").split(MARKS[0])
        text = f"{before}{MARKS[0]}\n{tables}{MARKS[1]}{rest.split(MARKS[1])[1]}"
        with atomic(path) as temporary:
            temporary.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
