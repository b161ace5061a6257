"""How long a run has taken, and how long it will take."""

import time
from collections.abc import Callable

from slicer.i18n import tr as _

LEAST_SHARE = 0.05
"""Before that much is done nobody knows."""


class TimeLeft:
    """A clock that was started when it was made."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._began = now()

    @property
    def elapsed(self) -> float:
        """Return the seconds since the start."""
        return self._now() - self._began

    def text(self, share: float) -> str:
        """Return "12 s left", or "" as long as it cannot be told.

        Args:
            share: What is done, in [0, 1].
        """
        if not LEAST_SHARE <= share < 1:
            return ""
        seconds = self.elapsed * (1 - share) / share
        if seconds < 60:
            return _("{seconds:.0f} s left").format(seconds=seconds)
        return _("{minutes:.0f} min left").format(minutes=seconds / 60)
