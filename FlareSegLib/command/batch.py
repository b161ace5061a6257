"""flareseg batch: many CTs."""

from __future__ import annotations

import argparse
import datetime
import itertools
import logging
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from FlareSegLib.base.paths import is_pattern, is_table
from FlareSegLib.base.progress import Pace, Step
from FlareSegLib.command.options import (
    MODEL,
    Commands,
    WrongUsageError,
    add_choices,
    add_command,
    add_extras,
    add_switches,
    check_organs,
    chosen_extras,
    count,
    scheduler,
    seconds,
    to_run_options,
)
from FlareSegLib.command.terminal import watched, write_line

if TYPE_CHECKING:
    from FlareSegLib.batch.plan import Plan
    from FlareSegLib.batch.summary import Row

FORMATS = (".nii.gz", ".nrrd", ".seg.nrrd", ".dcm", ".rtstruct.dcm")
"""Of the labelmaps of a batch."""
INPUT = "give a folder with NIfTI, NRRD, MHA or MHD files, or DICOM series of 16 slices or more"
EXAMPLES = """examples:
  flareseg batch cts/ organs/
  flareseg batch cts/ organs/ --skip-existing
  flareseg batch dicom/ organs/ --format .dcm --speed fast --preview
  flareseg batch cohort.csv organs/ --jobs 0 --skip-existing --html
  flareseg batch "cts/**/*_venous.nii.gz" organs/ --scheduler tcp://head:8786

A case is an image file (NIfTI, NRRD, MHA, MHD) or a DICOM series, in INPUT or its subfolders; or
INPUT is a pattern, or a table (.csv, .parquet) with the column path, and perhaps case, series. Of
patient/ct.nii.gz come patient_ct_organs.nii.gz and patient_ct_organs.report.json in OUTPUT, and a
line in summary.csv there, and in journal.jsonl as it ends. A CT that cannot be segmented is a line
with the reason; the others go on. Exit codes: 0 all done, 1 some failed, 2 wrong usage or no CT.
"""


def add(commands: Commands) -> None:
    """Add the subcommand."""
    parser = add_command(
        commands,
        run,
        name="batch",
        help="segment all CTs of a folder",
        description="Segment all CTs of a folder; a bad one never stops the rest.",
        epilog=EXAMPLES,
    )
    parser.set_defaults(
        stopped="stopped: what is finished stays, --skip-existing goes on from there"
    )
    add_files(parser.add_argument_group("files"))
    add_ways(parser.add_argument_group("many at once"))
    add_extras(parser.add_argument_group("of each CT"))
    add_choices(parser.add_argument_group("choices"))
    add_switches(parser.add_argument_group("switches"))


def add_files(group: argparse._ArgumentGroup) -> None:
    """Add input, output, and what is written of each CT and of all."""

    def add(name: str, say: str, **more: object) -> None:
        group.add_argument(name, help=say, **more)  # type: ignore[arg-type]

    add("source", "folder with the CTs, pattern or table", type=Path, metavar="INPUT")
    add("output", "folder for the results", type=Path, metavar="OUTPUT")
    add("--skip-existing", "leave out what an earlier run has finished", action="store_true")
    add("--format", "of the labelmaps (default: .nii.gz)", choices=FORMATS, default=FORMATS[0])
    add("--csv", "an organ table for each CT", action="store_true")
    add("--preview", "a picture of each CT", action="store_true")
    add("--html", "a page of the whole cohort", action="store_true")
    add("--tidy", "a table with a line for each case and organ too", action="store_true")
    add("--parquet", "the summary as Parquet too", action="store_true")
    add("--model", MODEL, type=Path, metavar="DIR")


def add_ways(group: argparse._ArgumentGroup) -> None:
    """Add where CTs are run."""

    def add(flag: str, say: str, **more: object) -> None:
        group.add_argument(flag, help=say, **more)  # type: ignore[arg-type]

    hang = "seconds a CT may take; 0: any (default: 600, and 10 per million voxels)"
    dask = "address of a Dask scheduler (tcp://...), or local"
    add("--jobs", "processes; 0: as many as fit (default: 1)", type=count, default=1, metavar="N")
    add("--timeout", hang, type=seconds, metavar="SECONDS")
    add("--scheduler", dask, type=scheduler, metavar="ADDRESS")


def run(options: argparse.Namespace) -> int:
    """Segment many CTs; print a line for each, return the exit code."""
    _check_folders(options)
    check_organs(options)
    if options.debug or not (options.quiet or options.progress == "json"):
        level = logging.DEBUG if options.debug else logging.INFO
        logging.getLogger("FlareSegLib").setLevel(level)
    from FlareSegLib.batch.cases import without_ids
    from FlareSegLib.batch.manifest import cases_of
    from FlareSegLib.batch.run import Ways, run_batch, untold

    for_people = options.progress == "auto" and not sys.stderr.isatty()  # they get a line per CT
    with watched(is_quiet=options.quiet or for_people, form=options.progress) as progress:
        progress(Step("search", 0.0))
        cases = cases_of(options.source, without=options.output)
        if not cases:
            raise WrongUsageError(f"no CT found in {options.source}: {INPUT}")
        cases = cases if options.keep_ids else without_ids(cases)
        plan = to_plan(options)
        ended = untold if options.quiet else lines_of(len(cases))
        ways = Ways(options.jobs, options.timeout, options.scheduler)
        rows = run_batch(cases, plan, progress, ended, ways)
    if not options.quiet:
        print(f"{len(rows)} CTs: {_counts(rows)}\nsummary   {plan.summary}")
        if plan.with_page:
            print(f"page      {plan.page}")
    return int(any(row.status == "failed" for row in rows))


def _check_folders(options: argparse.Namespace) -> None:
    source, output = options.source, options.output
    if not (source.is_dir() or is_table(source) or is_pattern(source)):
        raise WrongUsageError(
            f"INPUT ({source}) is no folder: give one that holds CTs, a pattern such as "
            '"cts/*.nii.gz", or a table (.csv, .parquet)'
        )
    if output.resolve() == source.resolve():
        raise WrongUsageError(f"OUTPUT is INPUT ({source}): choose another folder")


def lines_of(count: int) -> Callable[[Row], None]:
    """Return what says how each of so many cases ended, and how long the rest will take."""
    numbers = itertools.count(1)
    pace = Pace()

    def say(row: Row) -> None:
        number = next(numbers)
        if row.status != "skipped":
            pace.tick()
        scan_flags = [flag for flag in row.measured.flags if ":" not in flag]
        notes = f": {row.reason}" if row.reason else "".join(f"  ! {flag}" for flag in scan_flags)
        if said := row.measured.details.get("warnings"):
            notes += f"  ! {said}"
        spent = f"{row.status:<7} {row.measured.seconds:6.1f} s"
        left = f"  {_left(pace, count - number)}" if number < count else ""
        write_line(f"{number:>{len(str(count))}}/{count} {spent}  {row.case}{notes}{left}")

    return say


def _left(pace: Pace, todo: int) -> str:
    """Return pace and time left, for people."""
    if (seconds := pace.seconds_for(todo)) is None:
        return ""
    text = str(datetime.timedelta(seconds=round(seconds)))
    return f"({pace.per_hour:.0f} an hour, {text} left)"


def _counts(rows: Sequence[Row]) -> str:
    """Return how the cases ended, and how many of them a person should look at."""
    counts = [
        f"{sum(row.status == status for row in rows)} {status}"
        for status in ("ok", "failed", "skipped")
    ]
    empty = sum("no_organ_found" in row.measured.flags for row in rows)
    flagged = sum(any(_asks(flag) for flag in row.measured.flags) for row in rows) - empty
    looks = [f"{n} {said}" for n, said in ((flagged, "flagged"), (empty, "without organs")) if n]
    return ", ".join(counts) + (f" (to look at: {', '.join(looks)})" if looks else "")


def _asks(flag: str) -> bool:
    """Return whether a flag asks a person to look: nearly every scan cuts vessels."""
    from FlareSegLib.measuring.rows import HARMLESS

    return flag.rpartition(":")[2] not in HARMLESS


def to_plan(options: argparse.Namespace) -> Plan:
    """Return what shall be done with every case."""
    from FlareSegLib.batch.run import Plan
    from FlareSegLib.pipeline import default_model

    return Plan(
        output=options.output,
        model=options.model or default_model(),
        options=to_run_options(options),
        extension=options.format,
        hu_offset=options.hu_offset,
        seg=options.seg,
        extras=chosen_extras(options),
        with_csv=options.csv,
        with_preview=options.preview,
        with_page=options.html,
        with_parquet=options.parquet,
        with_tidy=options.tidy,
        skip_existing=options.skip_existing,
    )
