"""What a person at a terminal has: a progress bar, and Ctrl-C that leaves nothing half-written."""

from __future__ import annotations

import contextlib
import json
import signal
import sys
import threading
import time
from collections.abc import Iterator
from types import FrameType, TracebackType
from typing import Protocol

from FlareSegLib.base.progress import LAST_STEPS, Progress, Step, silent

BAR = "{desc:<12}{percentage:3.0f}% |{bar}| {elapsed}, {remaining} left"


class Stopped(KeyboardInterrupt):
    """A signal asked the run to end."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.exit_code = 128 + number


class Stoppable:
    """Turns Ctrl-C and SIGTERM into Stopped while it is entered; the second signal is ignored.

    Native code may swallow what a signal raises, or make another error of it (importing onnxruntime
    does); so the signal is kept in mind, and raised again at the next step and at the end.
    Outside the main thread, where Python takes no signals, nothing is done.
    """

    def __init__(self) -> None:
        self._old: dict[int, object] = {}
        self._stopped: Stopped | None = None
        self._later: Stopped | None = None
        self._is_writing = False

    def __enter__(self) -> Stoppable:
        """Take the signals."""
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                self._old[number] = signal.signal(number, self._stop)
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        """Give the signals back; whatever ended a run that was stopped, Stopped is raised."""
        for number, handler in self._old.items():
            signal.signal(number, handler)  # type: ignore[arg-type]
        self._raise()

    def watch(self, step: Step) -> None:
        """Note the step that the run is in; in LAST_STEPS a signal waits for the next CT."""
        self._is_writing = step.name in LAST_STEPS
        if not self._is_writing:
            self._stopped = self._stopped or self._later
        self._raise()

    def _stop(self, number: int, _: FrameType | None) -> None:
        if self._is_writing:
            self._later = Stopped(number)
        if self._is_writing or self._stopped:
            return
        self._stopped = Stopped(number)
        raise self._stopped

    def _raise(self) -> None:
        if self._stopped:
            raise self._stopped


class _Bar(Protocol):
    """The part of tqdm that is used."""

    n: float

    def set_description_str(self, desc: str, refresh: bool) -> None: ...
    def refresh(self) -> None: ...
    def close(self) -> None: ...


@contextlib.contextmanager
def shown_progress(*, is_quiet: bool, form: str = "auto") -> Iterator[Progress]:
    """Give a callback that shows progress on stderr.

    Args:
        is_quiet: Show nothing.
        form: "json" is a JSON object per line, for programs; "auto" is for people: a bar, or lines
            if stderr is no terminal.
    """
    if is_quiet:
        yield silent
        return
    if form == "json":
        yield _show_json
        return
    bar = _open_bar() if sys.stderr.isatty() else None
    if bar is None:
        yield _lines()
        return
    try:
        yield lambda step: _draw(bar, step)
    finally:
        bar.close()


def _open_bar() -> _Bar | None:
    try:
        from tqdm import tqdm
    except ImportError:
        return None
    bar: _Bar = tqdm(total=1.0, bar_format=BAR, file=sys.stderr, leave=False, dynamic_ncols=True)
    return bar


def _draw(bar: _Bar, step: Step) -> None:
    bar.n = min(max(step.share, 0.0), 1.0)
    bar.set_description_str(step.label, refresh=False)
    bar.refresh()


def _lines() -> Progress:
    started = time.monotonic()
    names: list[str] = []

    def show(step: Step) -> None:
        if names[-1:] == [step.name]:
            return
        names.append(step.name)
        with contextlib.suppress(OSError):  # nobody reads stderr: that must not end a run
            sys.stderr.write(f"{time.monotonic() - started:6.1f} s  {step.name}\n")
            sys.stderr.flush()

    return show


def _show_json(step: Step) -> None:
    facts = {"step": step.name, **vars(step), "share": round(step.share, 4)}
    line = json.dumps({key: facts[key] for key in facts if key != "name"})
    with contextlib.suppress(OSError):
        sys.stderr.write(line + "\n")
        sys.stderr.flush()


def write_line(line: str) -> None:
    """Write a line on stdout at once, if anybody reads it; a bar is moved out of the way."""
    with contextlib.suppress(OSError):
        if sys.stderr.isatty() and (tqdm := sys.modules.get("tqdm")):
            tqdm.tqdm.write(line)
        else:
            sys.stdout.write(f"{line}\n")
        sys.stdout.flush()


@contextlib.contextmanager
def watched(*, is_quiet: bool, form: str = "auto") -> Iterator[Progress]:
    """Give a callback that shows progress, and that ends the run when a signal came."""
    with Stoppable() as stoppable, shown_progress(is_quiet=is_quiet, form=form) as show:

        def progress(step: Step) -> None:
            stoppable.watch(step)
            show(step)

        yield progress
