"""A process for cases, as seen from the batch: what kills or hangs it costs one case."""

from __future__ import annotations

import json
import logging
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from typing import Any

from FlareSegLib.base.errors import Cancelled, ResourceError
from FlareSegLib.base.progress import Step
from FlareSegLib.base.resources import LIMIT_SECONDS
from FlareSegLib.base.threads import BLAS
from FlareSegLib.batch.cases import Case
from FlareSegLib.batch.plan import Plan, failed
from FlareSegLib.batch.summary import Row, row_of

TRIES = 2
"""A case whose process died is begun once more: another program may have taken the memory."""
_log = logging.getLogger(__name__)
Tell = Callable[[Step], None]
"""Takes the steps of a case as they come."""
Permit = Callable[[float], AbstractContextManager[None]]
"""Takes the MiB that a case needs; holds them, or raises ResourceError."""


class _Died(Exception):  # noqa: N818  what happened, not an error of ours
    """The process has ended, or was ended, before the case."""


class Isolated:
    """Runs cases one after the other in a process of its own, which is started when it is needed.

    run() is for one thread; stop() and kill() may be called from another.
    """

    def __init__(self, plan: Plan, timeout: float | None, threads: int) -> None:
        """Start nothing yet.

        Args:
            plan: What to do with each case.
            timeout: Seconds that a case may take; 0: any; None: as its size says.
            threads: Of the process.
        """
        self._plan, self._timeout, self._threads = plan, timeout, threads
        self._limit = timeout or 0.0
        self._process: subprocess.Popen[str] | None = None
        self._temporary = ""
        self._is_late = self._is_stopped = False

    def run(self, case: Case, permit: Permit, tell: Tell) -> Row:
        """Segment a case; return its row, whatever happens to the process.

        Args:
            case: With absolute paths, or such as hold for the working directory.
            permit: Asked before the case is read.
            tell: Takes the steps of the case.

        Raises:
            Cancelled: stop() or kill() was called.
        """
        began = time.perf_counter()
        reason = ""
        for _ in range(TRIES):
            try:
                return self._ask(case, permit, tell)
            except ResourceError as error:
                return failed(case, str(error), time.perf_counter() - began)
            except _Died as died:
                reason = str(died)
                self.kill(for_good=False)
            if self._is_stopped:
                raise Cancelled("stopped")
            if self._is_late:
                break
        return failed(case, reason, time.perf_counter() - began)

    def stop(self) -> None:
        """Let the process roll back or finish its case, and end."""
        self._is_stopped = True
        if self._process and self._process.stdin:
            with suppress(OSError):
                self._process.stdin.close()

    def kill(self, *, for_good: bool = True) -> None:
        """End the process now, wait for its end, and remove what it has unpacked."""
        self._is_stopped = self._is_stopped or for_good
        if process := self._process:
            self._process = None
            process.kill()
            process.wait()
            for pipe in (process.stdin, process.stdout):
                with suppress(OSError):
                    pipe and pipe.close()
            shutil.rmtree(self._temporary, ignore_errors=True)

    def _ask(self, case: Case, permit: Permit, tell: Tell) -> Row:
        self._is_late = False
        source = str(case.source.absolute())
        with self._limited(LIMIT_SECONDS):
            self._send(name=case.name, source=source, place=case.place, series=case.series)
            demand = self._answer()
        try:
            with permit(demand["memory_mib"]), self._limited(demand["limit_seconds"]):
                _log.debug("%s may take %g s", case.name, self._limit)
                self._send(go=True)
                while "row" not in (answer := self._answer()):
                    tell(Step(answer["step"], answer["share"]))
                return row_of(answer["row"])
        except ResourceError:
            self._send(go=False)
            raise

    @contextmanager
    def _limited(self, seconds: float) -> Iterator[None]:
        """Kill the process if the block takes longer than the timeout, or than so many seconds."""
        self._limit = seconds if self._timeout is None else self._timeout
        if not self._limit:
            yield
            return
        timer = threading.Timer(self._limit, self._end_late)
        timer.start()
        try:
            yield
        finally:
            timer.cancel()

    def _end_late(self) -> None:
        self._is_late = True
        if self._process:
            self._process.kill()

    def _send(self, **facts: object) -> None:
        process = self._started()
        try:
            assert process.stdin
            process.stdin.write(json.dumps(facts) + "\n")
            process.stdin.flush()
        except (OSError, ValueError) as error:  # ValueError: stop() has closed it
            raise _Died(self._how_it_died(process)) from error

    def _answer(self) -> dict[str, Any]:
        process = self._started()
        assert process.stdout
        try:
            found: dict[str, Any] = json.loads(process.stdout.readline())
        except ValueError as error:  # nothing, or half a line
            raise _Died(self._how_it_died(process)) from error
        return found

    def _started(self) -> subprocess.Popen[str]:
        if self._is_stopped and self._process is None:
            raise Cancelled("stopped")
        if self._process is None:
            self._temporary = _temporary_folder()
            self._process = _start(self._threads)
            level = logging.getLogger("FlareSegLib").getEffectiveLevel()
            plan = self._plan.to_dict()
            self._send(plan=plan, log_level=level, temporary=self._temporary)
        return self._process

    def _how_it_died(self, process: subprocess.Popen[str]) -> str:
        if self._is_late:
            return (
                f"took longer than {self._limit:.6g} s and was stopped: look at the file, or "
                "raise --timeout"
            )
        with suppress(subprocess.TimeoutExpired):
            process.wait(timeout=10)
        code = process.returncode
        how = f"exit code {code}"
        if code is not None and code < 0:
            how = f"killed by {_signal_name(-code)}"
        return (
            f"its process died {TRIES} times ({how}): out of memory, or a file that breaks a "
            "reader: run it alone, with `flareseg segment`"
        )


def _temporary_folder() -> str:
    """Return a new folder for what a process unpacks; empty if none can be made."""
    with suppress(OSError):
        return tempfile.mkdtemp(prefix="flareseg-")
    return ""


def _signal_name(number: int) -> str:
    with suppress(ValueError):
        return signal.Signals(number).name
    return f"signal {number}"


def _start(threads: int) -> subprocess.Popen[str]:
    """Start a process that finds this package; a Ctrl-C at the terminal does not reach it."""
    here = str(Path(__file__).resolve().parents[2])
    known = os.environ.get("PYTHONPATH")
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([here, known] if known else [here]),
        "PYTHONIOENCODING": "utf-8",
        BLAS: os.environ.get(BLAS, "1"),
    }
    if threads:
        names = ("ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS", "OMP_NUM_THREADS")
        environment |= dict.fromkeys(names, str(threads))
    return subprocess.Popen(
        [sys.executable, "-m", "FlareSegLib.batch.case_process"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        encoding="utf-8",
        env=environment,
        start_new_session=True,
    )
