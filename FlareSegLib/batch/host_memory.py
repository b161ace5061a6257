"""The memory of a host whose workers know nothing of each other: large cases run alone.

Each worker has a share of the host. Cases within their share run together; one that needs more
waits until no other runs, then has the host to itself. Locks of the system on two files do this:
what a killed worker held is free at once.
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from FlareSegLib.base.errors import ResourceError
from FlareSegLib.base.resources import free_mib

KEPT_FREE = 0.1
"""Share of the free memory that is left to others."""


def usable_mib() -> float:
    """Return the memory of this machine that cases may take now."""
    return free_mib() * (1 - KEPT_FREE)


@contextmanager
def host_memory(mib: float, share_mib: float) -> Iterator[None]:
    """Wait for memory of this host, and hold it while the block runs.

    Args:
        mib: What a case needs.
        share_mib: What each case may take if all workers of the host have one.

    Raises:
        ResourceError: There is not so much.
    """
    with _turn(is_alone=mib > share_mib):
        if mib > (usable := usable_mib()):
            raise ResourceError(
                f"needs {mib:.0f} MiB of memory, {usable:.0f} MiB can be used on its worker: take "
                "fewer workers a machine, or a larger machine"
            )
        yield


@contextmanager
def _turn(*, is_alone: bool) -> Iterator[None]:
    """Run the block beside others, or alone; whoever waits is served before those who come later.

    Raises:
        ResourceError: Windows knows no locks that can be shared.
    """
    if sys.platform == "win32":
        if is_alone:
            raise ResourceError(
                "needs more memory than the share of its worker: take fewer workers a machine"
            )
        yield
    else:
        import fcntl

        with _opened("turn") as turn, _opened("memory") as memory:
            fcntl.flock(turn, fcntl.LOCK_EX)
            fcntl.flock(memory, fcntl.LOCK_EX if is_alone else fcntl.LOCK_SH)
            fcntl.flock(turn, fcntl.LOCK_UN)
            yield


def _opened(name: str) -> BinaryIO:
    """Return a file that all processes of this user on this host know."""
    user = os.getuid() if hasattr(os, "getuid") else 0
    path = Path(tempfile.gettempdir()) / f"flareseg-{user}.{name}.lock"
    flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0)
    return os.fdopen(os.open(path, flags, 0o600), "r+b")
