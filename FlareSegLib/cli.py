"""The command flareseg: arguments in, exit code out. The only file that prints.

Nothing heavy is imported at file scope, so that help and usage errors are instant.
Exit codes: 0 done, 1 failed (of a batch: some), 2 wrong usage or no CT found, 130 and 143 stopped
by Ctrl-C and by SIGTERM.
"""

from __future__ import annotations

import argparse
import contextlib
import datetime
import itertools
import logging
import os
import signal
import sys
import traceback
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from FlareSegLib.arguments import make_parser
from FlareSegLib.errors import Cancelled, to_line
from FlareSegLib.job import Job, beside
from FlareSegLib.paths import is_pattern, is_table
from FlareSegLib.progress import Pace, Step
from FlareSegLib.terminal import Stoppable, Stopped, shown_progress, write_line

if TYPE_CHECKING:
    from FlareSegLib.batch import Plan
    from FlareSegLib.config import RunOptions
    from FlareSegLib.progress import Progress
    from FlareSegLib.summary import Row

BATCH_INPUT = (
    "give a folder with NIfTI, NRRD, MHA or MHD files, or DICOM series of 16 slices or more"
)
STOPPED = {"batch": "stopped: what is finished stays, --skip-existing goes on from there"}
"""What is said of a command that was stopped."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; return its exit code.

    Args:
        argv: Arguments without the program's name; None takes those of the process.

    Raises:
        SystemExit: With 0 after help and version, 2 after wrong usage.
    """
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # a path may not fit the encoding of a terminal
            stream.reconfigure(errors="backslashreplace")
    options = make_parser().parse_args(argv)
    level = logging.ERROR if getattr(options, "quiet", False) else logging.WARNING
    logging.basicConfig(format="flareseg: %(message)s", level=level)
    code = 0
    try:
        code = RUNS[options.command](options) or 0
        sys.stdout.flush()
    except BrokenPipeError:  # the reader left, as in `flareseg info | head -1`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001  every end gets a line and a code
        return _failed(error, options)
    return code


def run_segment(options: argparse.Namespace) -> None:
    """Segment one CT; print the organ table and where the files are."""
    if options.labelmap.resolve() == options.source.resolve():
        make_parser().error(f"OUT is INPUT ({options.source}): choose another name")
    from FlareSegLib.safe_read import unpack_ahead

    unpack_ahead(options.source)
    with _watched(is_quiet=options.quiet, form=options.progress) as progress:
        progress(Step("start", 0.0))
        job = _to_job(options)
        table = _segment(job, options, progress)
    if not options.quiet:
        print(table)
        _print_files(job)


@contextlib.contextmanager
def _watched(*, is_quiet: bool, form: str = "auto") -> Iterator[Progress]:
    """Give a callback that shows progress, and that ends the run when a signal came."""
    with Stoppable() as stoppable, shown_progress(is_quiet=is_quiet, form=form) as show:

        def progress(step: Step) -> None:
            stoppable.watch(step)
            show(step)

        yield progress


def _segment(job: Job, options: argparse.Namespace, progress: Progress) -> str:
    """Return the organ table of a run."""
    from FlareSegLib.pipeline import default_model, segment_file
    from FlareSegLib.report import to_table

    model = options.model or default_model()
    return to_table(segment_file(job, model, _to_run_options(options), progress))


def run_batch(options: argparse.Namespace) -> int:
    """Segment many CTs; print a line for each, return the exit code."""
    _check_folders(options)
    if options.debug or not (options.quiet or options.progress == "json"):
        level = logging.DEBUG if options.debug else logging.INFO
        logging.getLogger("FlareSegLib").setLevel(level)
    from FlareSegLib.batch import Ways, untold
    from FlareSegLib.batch import run_batch as run
    from FlareSegLib.cases import without_ids
    from FlareSegLib.manifest import cases_of

    for_people = options.progress == "auto" and not sys.stderr.isatty()  # they get a line per CT
    with _watched(is_quiet=options.quiet or for_people, form=options.progress) as progress:
        progress(Step("search", 0.0))
        cases = cases_of(options.source, without=options.output)
        if not cases:
            make_parser().error(f"no CT found in {options.source}: {BATCH_INPUT}")
        cases = cases if options.keep_ids else without_ids(cases)
        plan = _to_plan(options)
        ended = untold if options.quiet else _lines_of(len(cases))
        ways = Ways(options.jobs, options.timeout, options.scheduler)
        rows = run(cases, plan, progress, ended, ways)
    if not options.quiet:
        print(f"{len(rows)} CTs: {_counts(rows)}\nsummary   {plan.summary}")
        if plan.with_page:
            print(f"page      {plan.page}")
    return int(any(row.status == "failed" for row in rows))


def _check_folders(options: argparse.Namespace) -> None:
    source, output = options.source, options.output
    if not (source.is_dir() or is_table(source) or is_pattern(source)):
        make_parser().error(
            f"INPUT ({source}) is no folder: give one that holds CTs, a pattern such as "
            '"cts/*.nii.gz", or a table (.csv, .parquet)'
        )
    if output.resolve() == source.resolve():
        make_parser().error(f"OUTPUT is INPUT ({source}): choose another folder")


def _lines_of(count: int) -> Callable[[Row], None]:
    """Return what says how each of so many cases ended, and how long the rest will take."""
    numbers = itertools.count(1)
    pace = Pace()

    def say(row: Row) -> None:
        number = next(numbers)
        if row.status != "skipped":
            pace.tick()
        scan_flags = [flag for flag in row.measured.flags if ":" not in flag]
        notes = f": {row.reason}" if row.reason else "".join(f"  ! {flag}" for flag in scan_flags)
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
    return ", ".join(
        f"{sum(row.status == status for row in rows)} {status}"
        for status in ("ok", "failed", "skipped")
    )


def _to_plan(options: argparse.Namespace) -> Plan:
    from FlareSegLib.batch import Plan
    from FlareSegLib.pipeline import default_model

    return Plan(
        output=options.output,
        model=options.model or default_model(),
        options=_to_run_options(options),
        extension=options.format,
        hu_offset=options.hu_offset,
        with_csv=options.csv,
        with_preview=options.preview,
        with_page=options.html,
        with_parquet=options.parquet,
        skip_existing=options.skip_existing,
    )


def _to_job(options: argparse.Namespace) -> Job:
    def named(path: Path | None, suffix: str) -> Path | None:
        """Fill in the name where only --csv or --preview was said."""
        return beside(options.labelmap, suffix) if path == Path() else path

    return Job(
        source=options.source,
        labelmap=options.labelmap,
        report=options.report,
        csv=named(options.csv, ".csv"),
        preview=named(options.preview, ".png"),
        series=options.series,
        hu_offset=options.hu_offset,
    )


def _to_run_options(options: argparse.Namespace) -> RunOptions:
    from FlareSegLib.config import RunOptions

    return RunOptions(
        speed=options.speed,
        organs=options.organs,
        threads=options.threads,
        skip_air=options.skip_air,
        centre_first=options.centre_first,
        clean=options.clean,
        runtime=options.runtime,
        restore=options.restore,
        keep_ids=options.keep_ids,
    )


def _print_files(job: Job) -> None:
    paths = (job.labelmap, job.report_path, job.csv, job.preview)
    for kind, path in zip(("labelmap", "report", "table", "preview"), paths, strict=True):
        if path is not None:
            print(f"{kind:<9} {path}")


def run_sample(options: argparse.Namespace) -> None:
    """Fetch the sample CT; print its path, licence and citation."""
    from FlareSegLib.sample import SAMPLE_CITATION, SAMPLE_LICENCE, fetch_sample

    with Stoppable(), shown_progress(is_quiet=False) as progress:
        path = fetch_sample(options.folder, progress)
    print(path)
    print(f"licence  {SAMPLE_LICENCE}")
    print(f"cite     {SAMPLE_CITATION}")


def run_evaluate(options: argparse.Namespace) -> None:
    """Score a folder of predictions; print the means and where the files are."""
    if options.plots and options.folder is None:
        make_parser().error("--plots needs a folder: say -o DIR")
    with _watched(is_quiet=options.quiet) as progress:
        table = _evaluate(options, progress)
    if not options.quiet:
        print(table)
        for kind, path in (("folder", options.folder), ("table", options.csv)):
            if path is not None:
                print(f"{kind:<9} {path}")


def _evaluate(options: argparse.Namespace, progress: Progress) -> str:
    """Return the table of means."""
    from FlareSegLib.evaluate import EvaluationJob, evaluate
    from FlareSegLib.labels import chosen
    from FlareSegLib.score_tables import rule_text, summary
    from FlareSegLib.scores import Rules

    rules = Rules(chosen(options.organs), options.absent, options.sliver_ml)
    job = EvaluationJob(
        truth=options.truth,
        pred=options.pred,
        against=options.against,
        folder=options.folder,
        csv=options.csv,
        has_plots=options.plots,
        images=options.images,
    )
    return f"{summary(evaluate(job, rules, progress))}\n\n{rule_text(rules)}\n"


def run_view(options: argparse.Namespace) -> None:
    """Show a CT and its organs in the browser, until Ctrl-C."""
    from FlareSegLib.case_files import to_view
    from FlareSegLib.view import Place, view

    def ready(address: str) -> None:
        print(f"{address}  ends with Ctrl-C", flush=True)

    ct, labelmap = to_view(options.case, options.ct)
    view(ct, labelmap, Place(options.port, options.browser, ready), options.series)


def run_info(_: argparse.Namespace) -> None:
    """Print versions, machine and models."""
    from FlareSegLib.about import lines

    print("\n".join(lines()))


RUNS: dict[str, Callable[[argparse.Namespace], int | None]] = {
    "segment": run_segment,
    "batch": run_batch,
    "evaluate": run_evaluate,
    "view": run_view,
    "info": run_info,
    "sample": run_sample,
}


def _failed(error: BaseException, options: argparse.Namespace) -> int:
    """Say in one line what ended the run; return the exit code."""
    if options.debug:
        traceback.print_exception(error)
    text, code = _text_and_code(error, STOPPED.get(options.command, "stopped, nothing written"))
    with contextlib.suppress(OSError):
        print(f"flareseg: {text}", file=sys.stderr, flush=True)
    return code


def _text_and_code(error: BaseException, stopped: str) -> tuple[str, int]:
    if isinstance(error, Stopped):
        return stopped, error.exit_code
    if isinstance(error, KeyboardInterrupt | Cancelled):
        return stopped, 128 + signal.SIGINT
    return to_line(error), 1
