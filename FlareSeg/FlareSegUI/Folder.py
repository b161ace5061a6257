"""The temporary folder of a run: named so that no other Slicer has it, and gone when it is over."""

import os
import shutil
import tempfile
from datetime import datetime
from pathlib import Path

import slicer

PREFIX = "FlareSeg-"
LIFELINE = "alive"
"""As in Scripts/flareseg_worker.py: the run may go on as long as this file is there."""
LOGS_KEPT = 50


def newFolder() -> Path:
    """Return a new folder for one run; those that Slicers left behind are removed first."""
    root = Path(slicer.app.temporaryPath)
    root.mkdir(parents=True, exist_ok=True)
    for old in root.glob(f"{PREFIX}*-*"):
        number = old.name.removeprefix(PREFIX).split("-")[0]
        if number.isdigit() and not _isAlive(int(number)):
            shutil.rmtree(old, ignore_errors=True)
    return Path(tempfile.mkdtemp(prefix=f"{PREFIX}{os.getpid()}-", dir=root))


def newLog() -> Path:
    """Return a new, empty file for the lines of a run, in the user's own folder of settings.

    The oldest ones are removed, so that there are never many.
    """
    folder = Path(slicer.app.slicerUserSettingsFilePath).parent / "FlareSeg" / "Logs"
    folder.mkdir(parents=True, exist_ok=True)
    logs = sorted(folder.glob("flareseg-*.log"))
    for old in logs[: max(0, len(logs) + 1 - LOGS_KEPT)]:
        old.unlink(missing_ok=True)
    stamp = datetime.now().strftime("%Y%m%d-%H%M%S")
    number, path = tempfile.mkstemp(prefix=f"flareseg-{stamp}-", suffix=".log", dir=folder)
    os.close(number)
    return Path(path)


def _isAlive(number: int) -> bool:
    """Return whether a process is there; where that cannot be asked, it is taken to be."""
    if os.name == "nt":  # os.kill() would end it
        return number == os.getpid() or _isAliveOnWindows(number)
    try:
        os.kill(number, 0)
    except ProcessLookupError:
        return False
    except OSError:
        pass
    return True


def _isAliveOnWindows(number: int) -> bool:
    import ctypes

    query = 0x1000  # PROCESS_QUERY_LIMITED_INFORMATION
    handle = ctypes.windll.kernel32.OpenProcess(query, False, number)
    if handle:
        ctypes.windll.kernel32.CloseHandle(handle)
    return bool(handle)
