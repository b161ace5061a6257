"""Write a file wholly or not at all, and say in plain words why it cannot be written."""

from __future__ import annotations

import errno
import hashlib
import os
import platform
import re
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from uuid import uuid4

from FlareSegLib.base.errors import OutputError
from FlareSegLib.base.paths import is_text

_FULL = "the disk is full: free some space or choose another folder"
_HOST = hashlib.sha256(platform.node().encode()).hexdigest()[:8]
_TEMPORARY = re.compile(r"\.flareseg-([0-9a-f]{8})-([0-9]+)-[0-9a-f]{12}\..*")
_CURES = {
    errno.ENOSPC: _FULL,
    errno.EDQUOT: _FULL,
    errno.EFBIG: _FULL,
    errno.EROFS: "the disk is read-only: choose another folder",
    errno.EACCES: "no permission: close programs that use the file, or choose another folder",
    errno.EPERM: "no permission: choose another folder",
    errno.ENOTDIR: "a file is where a folder should be: choose another folder",
    errno.EEXIST: "a file is where a folder should be: choose another folder",
    errno.EISDIR: "a folder has this name: choose another file name",
    errno.ENAMETOOLONG: "the name is too long: choose a shorter one",
}


@contextmanager
def atomic(path: Path) -> Iterator[Path]:
    """Give a temporary path with the same extensions; it becomes path when the block ends well.

    Missing folders are made. If the block is left by any exception, Ctrl-C too, the temporary file
    is removed and path is as it was.

    Raises:
        OutputError: The system refused; says why and what to do.
    """
    mark = f".flareseg-{_HOST}-{os.getpid()}-{uuid4().hex[:12]}"
    temporary = path.with_name(f"{mark}{''.join(path.suffixes[-2:])}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        temporary.replace(path)
    except OSError as error:
        raise output_error(path, error) from error
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


def digest(path: Path) -> str:
    """Return the sha256 of a file, hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def sweep(folder: Path) -> None:
    """Remove the temporary files in a folder that killed processes of this machine have left."""
    for path in folder.glob(".flareseg-*"):
        found = _TEMPORARY.fullmatch(path.name)
        if found and found[1] == _HOST and not _is_alive(int(found[2])):
            with suppress(OSError):
                path.unlink()


def _is_alive(pid: int) -> bool:
    if os.name == "nt":  # there os.kill() ends the process, whatever the signal is
        try:
            import psutil
        except ImportError:
            return True
        return bool(psutil.pid_exists(pid))
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except (OSError, OverflowError):
        return True
    return True


@contextmanager
def none_or_all(paths: Iterable[Path]) -> Iterator[None]:
    """Remove those of the files and folders that are new if the block is left by any exception.

    A file that was there before stays, as it is by then: its old content cannot be had back.
    """
    new = [path for path in paths if not path.exists()]
    try:
        yield
    except BaseException:
        for path in new:
            with suppress(OSError):
                shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
        raise


def check_place(path: Path) -> None:
    """Check that a file can be written at path, missing folders included; leaves nothing behind.

    Raises:
        OutputError: It cannot; says why and what to do.
    """
    if not is_text(path):
        raise OutputError(f"{path} is no UTF-8 text: choose another name")
    try:
        if path.is_dir():
            raise IsADirectoryError(errno.EISDIR, "is a folder")
        folder = next(parent for parent in path.absolute().parents if parent.exists())
        with tempfile.TemporaryFile(dir=folder) as probe:
            probe.write(bytes(4096))  # an empty file fits on a full disk
    except OSError as error:
        raise output_error(path, error) from error


def output_error(path: Path, error: OSError) -> OutputError:
    """Return the error that says why a file cannot be written, and what to do."""
    reason = error.strerror or str(error)
    cure = _CURES.get(error.errno or 0, f"{reason}: choose another folder")
    return OutputError(f"{path} cannot be written: {cure}")
