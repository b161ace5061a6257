"""Many CTs: one network for all, and a bad case never stops the rest."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from FlareSegLib import dicom_seg, preview
from FlareSegLib.atomic import check_place
from FlareSegLib.cases import Case
from FlareSegLib.config import RunOptions
from FlareSegLib.errors import Cancelled, OutputError, to_line
from FlareSegLib.io import DICOM_SEG
from FlareSegLib.job import Job, beside
from FlareSegLib.labels import chosen
from FlareSegLib.pipeline import segment_file
from FlareSegLib.progress import CaseStep, Progress, Step, silent
from FlareSegLib.runtimes import Loader, check_model, loads_once
from FlareSegLib.summary import NOTHING, Row, finished, measured, write_summary

SUMMARY = "summary.csv"
MARK = "_organs"
"""Between the name of a case and the extension: ct.nii.gz gives ct_organs.nii.gz."""
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Plan:
    """What to do with every case."""

    output: Path
    """Folder for all files."""
    model: Path
    """Model folder."""
    options: RunOptions = field(default_factory=RunOptions)
    """Choices of the user."""
    extension: str = ".nii.gz"
    """Of the labelmaps; sets their format."""
    hu_offset: float = 0.0
    """Added to the voxels as read."""
    with_csv: bool = False
    """Write the organ table of each case too."""
    with_preview: bool = False
    """Write a picture of each case too."""
    skip_existing: bool = False
    """Leave out the cases that are finished: report and all files there."""

    @property
    def summary(self) -> Path:
        """The table of all cases."""
        return self.output / SUMMARY

    def job(self, case: Case) -> Job:
        """Return what to read and to write for a case."""
        labelmap = self.output / f"{case.name}{MARK}{self.extension}"
        return Job(
            case.source,
            labelmap,
            csv=beside(labelmap, ".csv") if self.with_csv else None,
            preview=beside(labelmap, ".png") if self.with_preview else None,
            series=case.series,
            hu_offset=self.hu_offset,
        )

    def check(self) -> None:
        """Check before the first case what would make all of them fail.

        Raises:
            FlareSegError: The output, the model, or a package that is needed.
        """
        check_place(self.summary)
        check_model(self.model, self.options.runtime)
        if self.with_preview:
            preview.check_installed()
        if self.extension == DICOM_SEG:
            dicom_seg.check_installed()


def untold(_: Row) -> None:
    """Do nothing."""


def run_batch(
    cases: Sequence[Case],
    plan: Plan,
    progress: Progress = silent,
    ended: Callable[[Row], None] = untold,
) -> tuple[Row, ...]:
    """Segment all cases; return a row for each, in their order.

    summary.csv holds the rows so far after each case, so that a run can be stopped at any time:
    what is finished stays, and no file is half-written.

    Args:
        cases: With unique names, see cases.find_cases.
        plan: What to do with them.
        progress: Takes a CaseStep between pieces of work; may raise Cancelled.
        ended: Takes the row of each case when it is done.

    Raises:
        Cancelled: The progress callback asked to stop.
        FlareSegError: Nothing can be written, or the model cannot be used: see Plan.check.
    """
    plan.check()
    rows = _finished_rows(cases, plan) if plan.skip_existing else {}
    for row in rows.values():
        ended(row)
    load = loads_once()
    for index, case in enumerate(cases, start=1):
        if case.name in rows:
            continue

        def show(step: Step, index: int = index, name: str = case.name) -> None:
            share = (index - 1 + step.share) / len(cases)
            progress(CaseStep(step.name, share, name, index, len(cases)))

        rows[case.name] = run_case(case, plan, load, show)
        _write_so_far(cases, rows, plan)
        ended(rows[case.name])
    _write(cases, rows, plan)
    return tuple(rows[case.name] for case in cases)


def run_case(case: Case, plan: Plan, load: Loader, progress: Progress = silent) -> Row:
    """Segment one case; whatever goes wrong becomes the reason in its row.

    Raises:
        Cancelled: The progress callback asked to stop.
    """
    began = time.perf_counter()
    row = Row(case.name, case.place, case.series or "", "ok")
    try:
        report = segment_file(plan.job(case), plan.model, plan.options, progress, load)
    except Cancelled:
        raise
    except Exception as error:  # noqa: BLE001  nothing that one case holds may stop the others
        progress(Step("failed", 1.0))  # a stop may have come as another error
        _log.debug("%s failed", case.name, exc_info=True)
        seconds = time.perf_counter() - began
        measures = replace(NOTHING, seconds=seconds)
        return replace(row, status="failed", reason=to_line(error), measured=measures)
    return replace(row, measured=measured(report.to_dict()))


def _finished_rows(cases: Sequence[Case], plan: Plan) -> dict[str, Row]:
    rows = {}
    for case in cases:
        if found := finished(plan.job(case)):
            rows[case.name] = Row(
                case.name, case.place, case.series or "", "skipped", measured=found
            )
    return rows


def _write_so_far(cases: Sequence[Case], rows: dict[str, Row], plan: Plan) -> None:
    """Write the summary if it can be: on Windows a spreadsheet that shows it is in the way."""
    try:
        _write(cases, rows, plan)
    except OutputError as error:
        _log.warning("%s", error)


def _write(cases: Sequence[Case], rows: dict[str, Row], plan: Plan) -> None:
    known = [rows[case.name] for case in cases if case.name in rows]
    write_summary(known, chosen(plan.options.organs), plan.summary)
