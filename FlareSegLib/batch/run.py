"""Many CTs: each is a row, whatever becomes of it; what is finished is never lost or done again."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial

from FlareSegLib.base.atomic import sweep
from FlareSegLib.base.errors import OutputError
from FlareSegLib.base.progress import LAST_STEPS, CaseStep, Pace, Progress, Step, silent
from FlareSegLib.base.resources import LIMIT_SECONDS, LIMIT_SECONDS_PER_MVOXEL
from FlareSegLib.batch.cases import Case
from FlareSegLib.batch.cluster import run_cluster
from FlareSegLib.batch.journal import NAME, Journal
from FlareSegLib.batch.lock import locked
from FlareSegLib.batch.page import write_page
from FlareSegLib.batch.plan import Plan, row_for, run_case
from FlareSegLib.batch.pool import run_pool
from FlareSegLib.batch.summary import Row, finished, write_parquet, write_summary, write_tidy
from FlareSegLib.inference.runtimes import loads_once

_REST = 20
"""The summary is written anew after so many times the seconds that it took: 5 % of the time."""
_log = logging.getLogger(__name__)

__all__ = ["Plan", "Ways", "run_batch", "untold"]


@dataclass(frozen=True)
class Ways:
    """Where the cases are run. None of it changes a result."""

    jobs: int = 1
    """Processes at once; 0: as many as cores and memory allow."""
    timeout: float | None = None
    """Seconds that a case may take; 0: any; None: as its size says, see resources.py."""
    scheduler: str | None = None
    """Address of a Dask scheduler, or "local" for one on this machine."""

    @property
    def limit(self) -> str:
        """How long a case may take, for people."""
        if self.timeout is None:
            return f"{LIMIT_SECONDS:g} s and {LIMIT_SECONDS_PER_MVOXEL:g} s per million voxels"
        return f"{self.timeout:g} s" if self.timeout else "any time"

    @property
    def is_here(self) -> bool:
        """Whether all cases run in this process: none can be stopped from outside."""
        return self.jobs == 1 and self.timeout == 0 and self.scheduler is None


HERE = Ways(timeout=0)
"""One after the other in this process."""


def untold(_: Row) -> None:
    """Do nothing."""


def run_batch(
    cases: Sequence[Case],
    plan: Plan,
    progress: Progress = silent,
    ended: Callable[[Row], None] = untold,
    ways: Ways = HERE,
) -> tuple[Row, ...]:
    """Segment all cases; return a row for each, in their order.

    Each case is a line of journal.jsonl as it ends. summary.csv follows, and no file is ever
    half-written, so that a run can be stopped or killed at any time: what is finished stays.

    Args:
        cases: With unique names, see cases.find_cases.
        plan: What to do with them.
        progress: Takes a CaseStep between pieces of work; may raise Cancelled.
        ended: Takes the row of each case when it is done.
        ways: Where they run, and how long each may take.

    Raises:
        Cancelled: The progress callback asked to stop.
        FlareSegError: Nothing can be written, another batch writes there, or the model cannot be
            used: see Plan.check.
    """
    plan.check()
    with locked(plan.output):
        sweep(plan.output)
        _log.info("%d CTs, each may take %s (--timeout)", len(cases), ways.limit)
        return _run(cases, _Record(cases, plan, ended), plan, progress, ways)


def _run(
    cases: Sequence[Case], record: _Record, plan: Plan, progress: Progress, ways: Ways
) -> tuple[Row, ...]:
    if plan.skip_existing:
        record.take_finished()
    todo = [case for case in cases if case.name not in record.rows]
    try:
        for row in _rows(todo, plan, ways, _Shares(progress, len(cases), len(todo))):
            record.add(row)
    except BaseException:
        with suppress(OutputError):  # what ended the run is what matters
            record.write()
        raise
    record.write()
    return tuple(record.rows[case.name] for case in cases)


def _rows(todo: Sequence[Case], plan: Plan, ways: Ways, shares: _Shares) -> Iterator[Row]:
    """Yield the row of each case as it ends."""
    if not todo:
        return
    if ways.scheduler:
        rows = run_cluster(todo, plan, ways.scheduler, ways.jobs, ways.timeout)
    elif ways.is_here:
        rows = _run_here(todo, plan, shares)
    else:
        rows = run_pool(todo, plan, ways.jobs, ways.timeout, shares.tell)
    for row in rows:
        shares.end(row.case)
        yield row


def _run_here(todo: Sequence[Case], plan: Plan, shares: _Shares) -> Iterator[Row]:
    load = loads_once()
    for case in todo:
        yield run_case(case, plan, load, partial(shares.show, case.name))


class _Shares:
    """Makes the progress of the whole out of that of the cases."""

    def __init__(self, progress: Progress, count: int, todo: int) -> None:
        self._progress, self._count = progress, count
        self._done = count - todo
        self._running: dict[str, float] = {}
        self._most = 0.0
        self._pace = Pace()

    def tell(self, case: str, step: Step) -> None:
        """Take the step of a case that runs elsewhere: its last steps do not hold up a stop."""
        self.show(case, Step("finish", step.share) if step.name in LAST_STEPS else step)

    def show(self, case: str, step: Step) -> None:
        """Take the step of a case."""
        self._running[case] = step.share
        share = (self._done + sum(self._running.values())) / self._count
        self._most = max(self._most, share)  # a case that is begun again does not go backwards
        index = self._done + list(self._running).index(case) + 1
        pace = self._pace.per_hour, self._pace.seconds_for(self._count - self._done)
        self._progress(CaseStep(step.name, self._most, case, index, self._count, *pace))

    def end(self, case: str) -> None:
        """Note that a case has ended."""
        self._running.pop(case, None)
        self._done += 1
        self._pace.tick()


class _Record:
    """What has become of the cases, in memory and on disk."""

    def __init__(self, cases: Sequence[Case], plan: Plan, ended: Callable[[Row], None]) -> None:
        self.rows: dict[str, Row] = {}
        self._cases, self._plan, self._ended = cases, plan, ended
        self._organs = plan.organs
        self._journal = Journal(plan.output / NAME)
        self._next = 0.0

    def take_finished(self) -> None:
        """Take what earlier runs have finished."""
        for case in self._cases:
            if found := finished(self._plan.job(case)):
                row = replace(row_for(case), status="skipped", measured=found)
                self.rows[case.name] = row
                self._ended(row)

    def add(self, row: Row) -> None:
        """Take a row: the journal at once, the summary when it is time."""
        self.rows[row.case] = row
        self._journal.append(row)
        if time.monotonic() >= self._next:
            began = time.monotonic()
            self._write_so_far()
            self._next = time.monotonic() + _REST * (time.monotonic() - began)
        self._ended(row)

    def _write_so_far(self) -> None:
        """Write the summary if it can be: on Windows a spreadsheet that shows it is in the way."""
        try:
            self._write_summary()
        except OutputError as error:
            _log.warning("%s", error)

    def _write_summary(self) -> None:
        write_summary(self._known(), self._organs, self._plan.summary)

    def _known(self) -> list[Row]:
        return [self.rows[case.name] for case in self._cases if case.name in self.rows]

    def write(self) -> None:
        """Write all that is known."""
        self._write_summary()
        if self._plan.with_tidy:
            write_tidy(self._known(), self._organs, self._plan.output / "summary_tidy.csv")
        if self._plan.with_parquet:
            write_parquet(self._known(), self._organs, self._plan.summary.with_suffix(".parquet"))
        if self._plan.with_page:
            write_page(self._known(), len(self._cases), self._plan, self._organs)
