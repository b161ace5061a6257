"""Progress out, cancellation in: one callback for both. Seconds are kept beside it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Step:
    """Where a run is."""

    name: str
    """What is being done, for people: "network", "write" ..."""
    share: float
    """Share of the whole run that is done, in [0, 1]."""

    @property
    def label(self) -> str:
        """What is shown to people."""
        return self.name


@dataclass(frozen=True)
class CaseStep(Step):
    """Where a run over many cases is; share is that of the whole."""

    case: str
    """Name of the case."""
    index: int
    """Number of the case, from 1."""
    count: int
    """Number of all cases."""
    per_hour: float | None = None
    """Cases that end in an hour; None until one has."""
    seconds_left: float | None = None
    """Until all have ended; None until one has."""

    @property
    def label(self) -> str:
        """What is shown to people."""
        pace = f", {self.per_hour:.0f} an hour" if self.per_hour else ""
        return f"{self.index}/{self.count} {self.name}{pace}"


Progress = Callable[[Step], None]
"""Called between pieces of work; it may raise errors.Cancelled to stop the run."""

LAST_STEPS = ("write", "preview", "export")
"""From the first of them on a case is not stopped: either none of its files is written, or all."""

SHARES: dict[str, tuple[float, float]] = {
    "read": (0.0, 0.12),
    "load network": (0.12, 0.16),
    "orient": (0.16, 0.18),
    "resample": (0.18, 0.25),
    "network": (0.25, 0.75),
    "restore": (0.75, 0.85),
    "clean up": (0.85, 0.90),
    "measure": (0.90, 0.95),
    "write": (0.95, 0.98),
    "preview": (0.98, 1.0),
    "export": (1.0, 1.0),
}
"""Where each step begins and ends on the bar: what they took on a CT of 512 x 512 x 215."""


def silent(_: Step) -> None:
    """Do nothing."""


class Pace:
    """How fast cases end; the clock is one that never goes backwards."""

    def __init__(self) -> None:
        self._ended = 0
        self._began = time.monotonic()

    def tick(self) -> None:
        """Note that a case has ended."""
        self._ended += 1

    @property
    def per_hour(self) -> float | None:
        """Cases an hour; None until one has ended."""
        spent = time.monotonic() - self._began
        return self._ended / spent * 3600 if self._ended and spent else None

    def seconds_for(self, todo: int) -> float | None:
        """Return how long so many cases will take; None until one has ended."""
        return todo / self.per_hour * 3600 if self.per_hour else None


@dataclass
class Stopwatch:
    """Reports the steps of a run and keeps the seconds that each took."""

    progress: Progress = silent
    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def step(self, name: str) -> Iterator[Callable[[float], None]]:
        """Time a step; yields a function that takes the share of this step that is done."""
        first, last = SHARES[name]
        began = time.perf_counter()
        self.progress(Step(name, first))
        yield lambda share: self.progress(Step(name, first + share * (last - first)))
        self.seconds[name] = self.seconds.get(name, 0.0) + time.perf_counter() - began
        self.progress(Step(name, last))
