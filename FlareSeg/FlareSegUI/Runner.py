"""The process that does the work, and how it is stopped. The panel stays alive meanwhile."""

import contextlib
import json
import logging
import os
import shutil
import signal
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import qt

from FlareSegUI.Folder import LIFELINE
from FlareSegUI.Launchers import FAILED_TO_START, Launcher, newLauncher
from FlareSegUI.Steps import spoken

__all__ = ["FAILED_TO_START", "Listener", "ProcessRunner", "Runner"]
KILL_MILLISECONDS = 12000
"""After this time a worker that was asked to stop is killed; it ends itself after 10 seconds."""


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

    def start(self, arguments: list[str], folder: Path, log: Path, listener: Listener) -> None:
        """Start the command with these arguments in a folder; its lines go to the file log."""

    def stop(self) -> None:
        """Ask the run to stop; onEnd comes when it has."""

    def wait(self) -> None:
        """Return when the run has ended and onEnd was called; the application stays idle."""

    @property
    def isRunning(self) -> bool:
        """Return whether onEnd is still to come."""


class ProcessRunner:
    """Runs the command in a process of its own, and ends the whole tree of it.

    PythonSlicer is a launcher on Windows and macOS: the worker is a child of the process that is
    started here. So the worker is told to stop by a file that vanishes, ends by itself when the
    process of Slicer is gone, and tells its own number, by which it is killed if it must be.
    """

    def __init__(
        self,
        worker: Path,
        python: str | None = None,
        newLauncher: Callable[[], Launcher] = newLauncher,
    ) -> None:
        self._worker = worker
        self._python = python or shutil.which("PythonSlicer") or sys.executable
        self._newLauncher = newLauncher
        self._launcher: Launcher | None = None
        self._killer = qt.QTimer()
        self._killer.setSingleShot(True)
        self._killer.setInterval(KILL_MILLISECONDS)
        self._killer.connect("timeout()", self._kill)
        self.workerNumber: int | None = None

    @property
    def isRunning(self) -> bool:
        """Return whether a run has not ended yet."""
        return self._launcher is not None

    def start(self, arguments: list[str], folder: Path, log: Path, listener: Listener) -> None:
        """Start the worker.

        Args:
            arguments: Words for it.
            folder: Belongs to this run alone; the worker works there.
            log: What it writes is added here.
            listener: Is told what it does; what a listener raises is logged, and changes nothing.

        Raises:
            RuntimeError: A run has not ended yet.
        """
        if self.isRunning:
            raise RuntimeError("FlareSeg is running already: wait, or cancel it")
        self._lifeline = folder / LIFELINE
        self._lifeline.touch()
        self._listener, self.workerNumber = listener, None
        words = [self._python, str(self._worker), str(folder), str(os.getpid()), *arguments]
        launcher = self._launcher = self._newLauncher()
        try:
            launcher.start(words, log, self._onLine, self._onEnd)
        except Exception:
            self._launcher = None
            self._lifeline.unlink(missing_ok=True)  # a worker that did start ends by itself
            raise

    def stop(self) -> None:
        """Take the lifeline away; kill the worker if that is not enough."""
        if self.isRunning and self._lifeline.exists():
            self._lifeline.unlink(missing_ok=True)
            self._killer.start()

    def wait(self) -> None:
        """Wait without the event loop, for the end of Slicer and of a scene."""
        launcher = self._launcher
        if launcher is not None and not launcher.wait(KILL_MILLISECONDS):
            self._kill()
            launcher.wait(KILL_MILLISECONDS)

    def _kill(self) -> None:
        if self._launcher is not None and self.workerNumber is not None:
            with contextlib.suppress(OSError):  # it has just ended
                os.kill(self.workerNumber, getattr(signal, "SIGKILL", signal.SIGTERM))
        if self._launcher is not None:
            self._launcher.kill()

    def _onEnd(self, code: int) -> None:
        self._launcher = None
        self._killer.stop()
        self._lifeline.unlink(missing_ok=True)
        self._tell(self._listener.onEnd, code)

    def _onLine(self, line: str) -> None:
        facts = _facts(line)
        if {"step", "share"} <= facts.keys():
            self._tell(self._listener.onProgress, spoken(facts), float(facts["share"]))
        elif "worker" in facts:
            self.workerNumber = int(facts["worker"])
        elif line:
            self._tell(self._listener.onLine, line)

    @staticmethod
    def _tell(listen: Callable[..., None], *what: object) -> None:
        """Tell a listener; an error of it must not end Slicer's polling of the process."""
        try:
            listen(*what)
        except Exception:
            logging.exception("FlareSeg: a listener of a run failed")


def _facts(line: str) -> dict:
    """Return what a line of JSON tells a program; nothing for any other line."""
    try:
        facts = json.loads(line) if line.startswith("{") else {}
    except ValueError:
        return {}
    return facts if isinstance(facts, dict) else {}
