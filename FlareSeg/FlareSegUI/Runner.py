"""The process that does the work. Qt watches it, so that the panel stays alive."""

import json
import os
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import qt

POLL_MILLISECONDS = 100
START_MILLISECONDS = 10000
KILL_MILLISECONDS = 12000
"""After this time a worker that was asked to stop is killed; it ends itself after 10 seconds."""
FAILED_TO_START = -1
"""Exit code of a process that never ran, or crashed."""


@dataclass(frozen=True)
class Listener:
    """Who is told what the process does."""

    onProgress: Callable[[str, float], None]
    """Takes the step and the share that is done, in [0, 1]."""
    onLine: Callable[[str], None]
    """Takes any other line that it writes."""
    onEnd: Callable[[int], None]
    """Takes the exit code, when the process is gone."""


class Runner(Protocol):
    """Runs the command flareseg somewhere; one run at a time."""

    def start(self, arguments: list[str], log: Path, listener: Listener) -> None:
        """Start the command with these arguments; what it writes goes to the file log."""

    def stop(self) -> None:
        """Ask the run to stop; onEnd comes when it has."""

    def wait(self) -> None:
        """Return when the run has ended and onEnd was called; the application stays idle."""

    @property
    def isRunning(self) -> bool:
        """Return whether onEnd is still to come."""


class ProcessRunner:
    """Runs the command in a process of its own.

    The process writes to a file, which a timer reads: no pipe can fill up, and what was written is
    there after a crash. Its stdin is a pipe that the worker watches (see flareseg_worker.py).
    """

    def __init__(self, worker: Path, python: str | None = None) -> None:
        self._worker = worker
        self._python = python or shutil.which("PythonSlicer") or sys.executable
        self._process = None
        self._listener = None
        self._timer = qt.QTimer()
        self._timer.setInterval(POLL_MILLISECONDS)
        self._timer.connect("timeout()", self._poll)

    @property
    def isRunning(self) -> bool:
        """Return whether a run has not ended yet."""
        return self._process is not None

    def start(self, arguments: list[str], log: Path, listener: Listener) -> None:
        """Start the worker.

        Raises:
            RuntimeError: A run has not ended yet.
        """
        if self.isRunning:
            raise RuntimeError("FlareSeg is running already: wait, or cancel it")
        log.parent.mkdir(parents=True, exist_ok=True)
        log.write_bytes(b"")
        self._log, self._read, self._rest, self._listener = log, 0, b"", listener
        process = qt.QProcess()
        process.setProcessChannelMode(qt.QProcess.MergedChannels)
        process.setStandardOutputFile(str(log))
        process.setProcessEnvironment(_environment())
        process.start(self._python, [str(self._worker), *arguments])
        self._hasStarted = process.waitForStarted(START_MILLISECONDS)
        self._process, self._killer = process, None
        self._timer.start()

    def stop(self) -> None:
        """Let go of the lifeline; kill the worker if that is not enough."""
        if self._process is None or self._killer is not None:
            return
        self._process.closeWriteChannel()
        self._killer = qt.QTimer()
        self._killer.setSingleShot(True)
        self._killer.connect("timeout()", self._kill)
        self._killer.start(KILL_MILLISECONDS)

    def _kill(self) -> None:
        if self._process is not None:
            self._process.kill()

    def wait(self) -> None:
        """Wait without the event loop, for the end of Slicer and of a scene."""
        if self._process is not None and not self._process.waitForFinished(KILL_MILLISECONDS):
            self._process.kill()
            self._process.waitForFinished(KILL_MILLISECONDS)
        self._poll()

    def _poll(self) -> None:
        if self._process is None:
            return
        hasEnded = self._process.state() == qt.QProcess.NotRunning  # before the last lines are read
        self._readLines()
        if hasEnded and self._process is not None:
            self._end()

    def _end(self) -> None:
        process, self._process = self._process, None
        self._timer.stop()
        if self._killer is not None:
            self._killer.stop()
        hasCrashed = process.exitStatus() == qt.QProcess.CrashExit
        failed = 0 if self._hasStarted and not hasCrashed else FAILED_TO_START
        self._listener.onEnd(failed or process.exitCode())

    def _readLines(self) -> None:
        with self._log.open("rb") as file:
            file.seek(self._read)
            new = file.read()
        self._read += len(new)
        *lines, self._rest = (self._rest + new).split(b"\n")
        for line in lines:
            self._tell(line.decode("utf-8", errors="replace").rstrip())

    def _tell(self, line: str) -> None:
        facts = _progress(line)
        if facts is not None:
            self._listener.onProgress(_step(facts), float(facts["share"]))
        elif line:
            self._listener.onLine(line)


def _progress(line: str) -> dict | None:
    """Return the facts of a line of --progress json; None for any other line."""
    try:
        facts = json.loads(line) if line.startswith("{") else None
    except ValueError:
        return None
    return facts if isinstance(facts, dict) and {"step", "share"} <= facts.keys() else None


def _step(facts: dict) -> str:
    """Return what is done, for people; of a batch, also at which case."""
    of = f"{facts['index']}/{facts['count']} {facts['case']}: " if "case" in facts else ""
    return f"{of}{facts['step']}"


def _environment() -> "qt.QProcessEnvironment":
    """Return this process's environment, with UTF-8 on all systems and lines as they come."""
    environment = qt.QProcessEnvironment()
    for name, value in os.environ.items():
        environment.insert(name, value)
    environment.insert("PYTHONIOENCODING", "utf-8")
    environment.insert("PYTHONUNBUFFERED", "1")
    return environment
