"""flareseg compare: two dates of a patient."""

from __future__ import annotations

import argparse
import csv
import io
import json
from pathlib import Path

from FlareSegLib.base.atomic import atomic
from FlareSegLib.command.options import Commands, add_command, ending

EXAMPLES = """examples:
  flareseg compare 2024.nii.gz 2026.nii.gz
  flareseg compare 2024.report.json 2026.report.json --csv change.csv
  flareseg compare 2024.nii.gz 2026.nii.gz --picture change.png

BEFORE and AFTER are labelmaps with their reports beside them, or the reports. "!" marks volumes
that changed by more than two looks at an unchanged patient differ: docs/compare.md says how that
was measured. Organs that a scan cuts cannot be compared.
"""


def add(commands: Commands) -> None:
    """Add the subcommand."""
    parser = add_command(
        commands,
        run,
        name="compare",
        help="volumes and HU of two dates",
        description="Compare the organs of two dates, beside what changes by itself.",
        epilog=EXAMPLES,
    )
    add = parser.add_argument
    add("before", type=Path, metavar="BEFORE", help="labelmap or report of the first date")
    add("after", type=Path, metavar="AFTER", help="of the second date")
    add("--csv", type=ending(".csv"), metavar="PATH", help="table to write")
    add("--json", action="store_true", help="print JSON instead of a table")
    add("--picture", type=ending(".png"), metavar="PATH", help="both dates side by side")


def run(options: argparse.Namespace) -> None:
    """Compare two dates; print the table."""
    from FlareSegLib.followup import compare

    before, after = (compare.read_report(path) for path in (options.before, options.after))
    changes, said = compare.compare(before, after), compare.remarks(before, after)
    if options.csv:
        _write_csv([one.to_dict() for one in changes], options.csv)
    if options.picture:
        from FlareSegLib.followup.picture import write_side_by_side

        write_side_by_side(options.before, options.after, options.picture)
    if options.json:
        print(json.dumps({"organs": [one.to_dict() for one in changes], "remarks": said}))
    else:
        print(compare.to_table(changes, said))


def _write_csv(rows: list[dict[str, object]], path: Path) -> None:
    lines = io.StringIO()
    table = csv.DictWriter(lines, list(rows[0]) if rows else ["key"], lineterminator="\n")
    table.writeheader()
    table.writerows(rows)
    with atomic(path) as temporary:
        temporary.write_text(lines.getvalue(), encoding="utf-8")
