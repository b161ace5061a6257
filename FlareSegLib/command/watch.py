"""flareseg watch: segment what comes into a folder."""

from __future__ import annotations

import argparse
import itertools
import logging

from FlareSegLib.command.batch import add_files, add_ways, to_plan
from FlareSegLib.command.options import (
    Commands,
    WrongUsageError,
    add_choices,
    add_command,
    add_extras,
    add_switches,
    check_organs,
    seconds,
)
from FlareSegLib.command.terminal import watched, write_line

EXAMPLES = """examples:
  flareseg watch incoming/ organs/
  flareseg watch incoming/ organs/ --format .dcm --sr --quiet-for 60
  flareseg watch incoming/ organs/ --once

A CT in INPUT is segmented once, when its files have not changed for --quiet-for seconds. What is
done is known from the reports in OUTPUT, so that a watch that was stopped goes on where it was.
OUTPUT has what flareseg batch writes. Ctrl-C ends it. docs/pacs.md shows it behind Orthanc.
"""


def add(commands: Commands) -> None:
    """Add the subcommand."""
    parser = add_command(
        commands,
        run,
        name="watch",
        help="segment what comes into a folder",
        description="Segment each CT that comes into a folder, once, when it is complete.",
        epilog=EXAMPLES,
    )
    parser.set_defaults(stopped="stopped: what is finished stays, the next watch goes on")
    add_files(parser.add_argument_group("files"))
    group = parser.add_argument_group("watching")
    say = "a CT is complete after so many seconds without a change (default: 30)"
    group.add_argument("--quiet-for", help=say, type=seconds, default=30.0, metavar="SECONDS")
    group.add_argument("--once", help="end when all that is there is done", action="store_true")
    add_ways(parser.add_argument_group("many at once"))
    add_extras(parser.add_argument_group("of each CT"))
    add_choices(parser.add_argument_group("choices"))
    add_switches(parser.add_argument_group("switches"))


def run(options: argparse.Namespace) -> int:
    """Watch a folder until Ctrl-C; print a line for each CT."""
    if not options.source.is_dir():
        raise WrongUsageError(f"INPUT ({options.source}) is no folder: give the one to watch")
    check_organs(options)
    logging.getLogger("FlareSegLib").setLevel(logging.DEBUG if options.debug else logging.WARNING)
    from FlareSegLib.batch.run import Ways
    from FlareSegLib.batch.summary import Row
    from FlareSegLib.batch.watch import Watch, looks

    number, failed = itertools.count(1), False

    def ended(row: Row) -> None:
        if row.status != "skipped" and not options.quiet:
            reason = f": {row.reason}" if row.reason else ""
            write_line(f"{next(number):>4}  {row.status:<7} {row.case}{reason}")

    ways = Ways(options.jobs, options.timeout, options.scheduler)
    watch = Watch(options.source, to_plan(options), options.quiet_for, options.keep_ids, ways)
    with watched(is_quiet=True) as progress:
        for rows in looks(watch, progress, ended):
            failed = failed or any(row.status == "failed" for row in rows)
            if options.once and not watch.is_waiting:
                return int(failed)
    return int(failed)
