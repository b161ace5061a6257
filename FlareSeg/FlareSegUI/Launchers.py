"""How the worker process is started and heard: in the way of Slicer 5.12, or in that of 5.10.

slicer.util.launchConsoleProcess(blocking=False) came with Slicer 5.12; it hides the console on
Windows, and starts the worker in the environment that Slicer itself was started in. Slicer 5.10 has
qt.QProcess. Neither gives the worker more than a pipe for what it says: how it is stopped is in
Runner.py, and the same for both.
"""

import contextlib
import inspect
import locale
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

import qt
import slicer

from FlareSegUI.Packages import ownFolder

POLL_MILLISECONDS = 100
START_MILLISECONDS = 10000
FAILED_TO_START = -1
"""Exit code of a process that never ran, or crashed."""


class Launcher(Protocol):
    """Starts one process, once."""

    def start(
        self,
        words: list[str],
        log: Path,
        onLine: Callable[[str], None],
        onEnd: Callable[[int], None],
    ) -> None:
        """Start the process; tell each line and, when it is gone, the exit code."""

    def wait(self, milliseconds: int) -> bool:
        """Return whether the process ended in this time; if so, onEnd has been called."""

    def kill(self) -> None:
        """End the process that was started, not the processes that it has started."""


def newLauncher() -> Launcher:
    """Return the way of this Slicer."""
    launch = getattr(slicer.util, "launchConsoleProcess", None)
    isAsync = launch is not None and "blocking" in inspect.signature(launch).parameters
    return ConsoleLauncher() if isAsync else QProcessLauncher()


class ConsoleLauncher:
    """Slicer 5.12: a thread of Slicer reads the lines, a timer of Slicer tells them."""

    def __init__(self) -> None:
        self._process: subprocess.Popen | None = None
        self._isOver = False

    def start(
        self,
        words: list[str],
        log: Path,
        onLine: Callable[[str], None],
        onEnd: Callable[[int], None],
    ) -> None:
        """Start the process."""
        self._onLine, self._onEnd = onLine, onEnd
        self._log = _Log(log)
        encoding = locale.getpreferredencoding(False)  # Slicer reads the pipe in this one
        try:
            self._process = slicer.util.launchConsoleProcess(
                words,
                updateEnvironment=_environment(f"{encoding}:backslashreplace"),
                blocking=False,
                logCallback=self._tell,
                completedCallback=self._onCompleted,
            )
        except OSError as error:
            self._tell(str(error))
            qt.QTimer.singleShot(0, lambda: self._end(FAILED_TO_START))

    def wait(self, milliseconds: int) -> bool:
        """Wait without the event loop; the lines that came meanwhile are lost."""
        if self._process is not None:
            try:
                self._process.wait(milliseconds / 1000)
            except subprocess.TimeoutExpired:
                return False
        self._end(self._process.returncode if self._process is not None else FAILED_TO_START)
        return True

    def kill(self) -> None:
        """End the process."""
        if self._process is not None:
            self._process.kill()

    def _tell(self, line: str) -> None:
        if not self._isOver:
            self._log.add(line)
            self._onLine(line)

    def _onCompleted(self, code: int) -> None:
        self._process.stdout.close()  # Slicer's thread has read it to the end
        self._end(code)

    def _end(self, code: int) -> None:
        if not self._isOver:
            self._isOver = True
            self._log.close()
            self._onEnd(code if code >= 0 else FAILED_TO_START)


class _Log:
    """The file with the lines; on a full disk it ends, and the run goes on."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("a", encoding="utf-8", errors="replace", buffering=1)

    def add(self, line: str) -> None:
        """Add a line."""
        if not self._file.closed:
            try:
                self._file.write(f"{line}\n")
            except OSError:
                self.close()

    def close(self) -> None:
        """Close the file; what does not fit on the disk is lost."""
        with contextlib.suppress(OSError):
            self._file.close()


class QProcessLauncher:
    """Slicer 5.10: the process writes into the log file, which a timer reads.

    So no pipe can fill up, what was written is there after a crash, and PythonQt need not turn
    bytes into text.
    """

    def start(
        self,
        words: list[str],
        log: Path,
        onLine: Callable[[str], None],
        onEnd: Callable[[int], None],
    ) -> None:
        """Start the process."""
        self._onLine, self._onEnd, self._log = onLine, onEnd, log
        self._isOver, self._rest = False, b""
        self._read = log.stat().st_size if log.exists() else 0
        self._process = qt.QProcess()
        self._process.setProcessChannelMode(qt.QProcess.MergedChannels)
        self._process.setStandardOutputFile(str(log), qt.QIODevice.Append)
        self._process.setProcessEnvironment(_qtEnvironment())
        self._process.start(words[0], words[1:])
        self._hasStarted = self._process.waitForStarted(START_MILLISECONDS)
        self._timer = qt.QTimer()
        self._timer.setInterval(POLL_MILLISECONDS)
        self._timer.connect("timeout()", self._poll)
        self._timer.start()

    def wait(self, milliseconds: int) -> bool:
        """Wait without the event loop."""
        self._process.waitForFinished(milliseconds)
        self._poll()
        return self._isOver

    def kill(self) -> None:
        """End the process."""
        self._process.kill()

    def _poll(self) -> None:
        hasEnded = self._process.state() == qt.QProcess.NotRunning  # before the last lines are read
        self._readLines()
        if hasEnded and not self._isOver:
            self._isOver = True
            self._timer.stop()
            hasCrashed = self._process.exitStatus() == qt.QProcess.CrashExit
            isWell = self._hasStarted and not hasCrashed
            self._onEnd(self._process.exitCode() if isWell else FAILED_TO_START)

    def _readLines(self) -> None:
        with self._log.open("rb") as file:
            file.seek(self._read)
            new = file.read()
        self._read += len(new)
        *lines, self._rest = (self._rest + new).split(b"\n")
        for line in lines:
            self._onLine(line.decode("utf-8", errors="replace").rstrip())


def _environment(encoding: str) -> dict[str, str]:
    """Return what the worker needs besides: its encoding, lines as they come, its packages."""
    packages = {"FLARESEG_PACKAGES": str(ownFolder())}
    return {"PYTHONIOENCODING": encoding, "PYTHONUNBUFFERED": "1", **packages}


def _qtEnvironment() -> "qt.QProcessEnvironment":
    environment = qt.QProcessEnvironment()
    for name, value in {**os.environ, **_environment("utf-8")}.items():
        environment.insert(name, value)
    return environment
