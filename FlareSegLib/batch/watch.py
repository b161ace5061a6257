"""A folder that is watched: each CT that comes is segmented once, when it is complete.

A case is complete when its files have stayed as they are for a while. What has been done is known
from the reports in the output folder, as for --skip-existing: a watch that was killed goes on
where it was. A case that failed is tried again when its files change, or after a restart.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from FlareSegLib.base.progress import Progress, Step, silent
from FlareSegLib.batch.cases import Case, find_cases, without_ids
from FlareSegLib.batch.plan import Plan
from FlareSegLib.batch.run import Ways, run_batch, untold
from FlareSegLib.batch.summary import Row

QUIET_SECONDS = 30.0
"""A case whose files have not changed for so long is complete."""
LOOK_SECONDS = 5.0
"""Between two looks."""
Stamp = tuple[tuple[str, int, int], ...]
"""Name, bytes and time of each file of a case."""


@dataclass
class Watch:
    """What is known of a folder between two looks."""

    source: Path
    plan: Plan
    """Its output is not searched."""
    quiet_seconds: float = QUIET_SECONDS
    keep_ids: bool = False
    ways: Ways = field(default_factory=Ways)
    clock: Callable[[], float] = time.monotonic
    _seen: dict[str, tuple[Stamp, float]] = field(default_factory=dict)
    _done: dict[str, Stamp] = field(default_factory=dict)
    _failed: set[str] = field(default_factory=set)
    is_waiting: bool = True
    """Whether the last look found a case that is not complete yet."""

    def look(
        self, progress: Progress = silent, ended: Callable[[Row], None] = untold
    ) -> tuple[Row, ...]:
        """Segment the cases that are complete and not done; return their rows.

        Raises:
            Cancelled: The progress callback asked to stop.
            FlareSegError: Nothing can be written, or the model cannot be used.
        """
        found = find_cases(self.source, without=self.plan.output)
        ready = {case.key: stamp_of(case) for case in found if self._is_complete(case)}
        self.is_waiting = any(case.key not in {*self._done, *ready} for case in found)
        if not ready:
            return ()
        named = tuple(found) if self.keep_ids else without_ids(found)
        good = {key for key in self._done if key not in self._failed}
        cases = [case for case in named if case.key in {*ready, *good}]
        for case in cases:
            _forget_older(case, self.plan)
        plan = replace(self.plan, skip_existing=True)
        rows = run_batch(cases, plan, progress, ended, self.ways)
        self._done |= ready
        bad = {row.case for row in rows if row.status == "failed"}
        self._failed = {case.key for case in cases if case.name in bad}
        return tuple(row for row, case in zip(rows, cases, strict=True) if case.key in ready)

    def _is_complete(self, case: Case) -> bool:
        key, stamp, now = case.key, stamp_of(case), self.clock()
        if self._done.get(key) == stamp:
            return False
        known, since = self._seen.get(key, (None, now))
        if known != stamp:
            self._seen[key] = stamp, now
            return False
        return now - since >= self.quiet_seconds


def _forget_older(case: Case, plan: Plan) -> None:
    """Remove a report that is older than the files of its case: it was made of fewer slices."""
    report = plan.job(case).report_path
    newest = max((ns for _, _, ns in stamp_of(case)), default=0)
    if report.is_file() and report.stat().st_mtime_ns < newest:
        report.unlink()


def stamp_of(case: Case) -> Stamp:
    """Return what changes when a file of a case is written."""
    source = case.source
    paths = sorted(source.rglob("*")) if source.is_dir() else [source]
    found = []
    for path in paths:
        try:
            facts = path.stat()
        except OSError:  # it has just been moved
            continue
        if path.is_file():
            found.append((str(path), facts.st_size, facts.st_mtime_ns))
    return tuple(found)


def looks(
    watch: Watch,
    progress: Progress = silent,
    ended: Callable[[Row], None] = untold,
    rest: Callable[[float], None] = time.sleep,
) -> Iterator[Sequence[Row]]:
    """Yield the rows of look after look, for ever; progress may raise Cancelled in between."""
    while True:
        progress(Step("watch", 0.0))
        yield watch.look(progress, ended)
        rest(LOOK_SECONDS)
