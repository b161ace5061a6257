"""One batch a folder: a lock that the system gives back when its process has ended in any way.

The lock is the system's, on an open file, not the file itself: what a killed batch has left is
taken over at once, and no clock is asked.
"""

from __future__ import annotations

import errno
import json
import logging
import os
import platform
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from FlareSegLib.base.atomic import output_error
from FlareSegLib.base.errors import OutputError

NAME = ".flareseg.lock"
BYTE = 1 << 20
"""What is locked on Windows: far behind the text, so that others can read who holds it."""
_HELD = (errno.EACCES, errno.EAGAIN, errno.EDEADLK)
_UNKNOWN = (errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EINVAL)
_log = logging.getLogger(__name__)


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold the lock of a folder while the block runs; the folder is made if it is missing.

    Where the file system knows no locks, there is a warning and no lock.

    Raises:
        OutputError: Another process holds it, or the folder cannot be written to.
    """
    path = folder / NAME
    file = _opened(path)
    try:
        yield
    finally:
        if os.name != "nt":
            path.unlink(missing_ok=True)  # before the lock is given back: it is still ours
        _give_back(file)
        if os.name == "nt":
            with suppress(OSError):
                path.unlink(missing_ok=True)


def _opened(path: Path) -> BinaryIO:
    """Return the open and locked file; opens anew what another process has removed meanwhile."""
    while True:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            file = path.open("a+b")
        except OSError as error:
            raise output_error(path, error) from error
        try:
            _lock(file, path)
            if _is_same(file, path):
                _sign(file)
                return file
        except BaseException:
            file.close()
            raise
        file.close()


def _lock(file: BinaryIO, path: Path) -> None:
    try:
        _take(file)
    except OSError as error:
        if error.errno in _HELD:
            raise OutputError(
                f"{path.parent} is in use by another batch{_holder(file)}: wait until it has "
                "ended, stop it, or choose another folder"
            ) from error
        if error.errno not in _UNKNOWN:
            raise output_error(path, error) from error
        _log.warning("%s knows no locks: see to it that no other batch writes there", path.parent)


def _take(file: BinaryIO) -> None:
    if sys.platform == "win32":
        import msvcrt

        file.seek(BYTE)
        msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
    else:
        import fcntl

        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


def _give_back(file: BinaryIO) -> None:
    """Close the file; Windows asks for unlocking before that."""
    if sys.platform == "win32":
        import msvcrt

        with suppress(OSError):
            file.seek(BYTE)
            msvcrt.locking(file.fileno(), msvcrt.LK_UNLCK, 1)
    file.close()


def _is_same(file: BinaryIO, path: Path) -> bool:
    """Return whether the file is still the one at path; Windows removes none that is open."""
    if os.name == "nt":
        return True
    with suppress(OSError):
        return os.path.samestat(os.fstat(file.fileno()), path.stat())
    return False


def _sign(file: BinaryIO) -> None:
    """Write who holds the lock, for people; a full disk is no reason to stop here."""
    with suppress(OSError):
        file.truncate(0)
        file.write(json.dumps({"process": os.getpid(), "host": platform.node()}).encode())
        file.flush()


def _holder(file: BinaryIO) -> str:
    with suppress(OSError, ValueError, KeyError, TypeError):
        file.seek(0)
        facts = json.loads(file.read(4096))
        return f" (process {facts['process']} on {facts['host']})"
    return ""
