"""The process in which the Slicer module works: the command flareseg, on a lifeline.

    python flareseg_worker.py SLICER LIFELINE segment ct.nrrd -o organs.seg.nrrd

Started by path, so that it needs no PYTHONPATH. LIFELINE is a file, SLICER the number of the
process that may go away: when either is gone, by Cancel or by a crash, the run stops as by Ctrl-C
and removes what it has begun. This ends the work also where a launcher starts Python, and killing
the launcher would not end its child.
"""

import _thread
import json
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

POLL_SECONDS = 0.1
GRACE_SECONDS = 10.0
"""Native code may hold the signal back; after this time the process ends anyway."""
SYNCHRONIZE = 0x00100000
"""The right to ask whether a process of Windows has ended."""


def _folder_of_core() -> Path:
    """Return the folder above FlareSegLib: two up in the source tree, one up when installed."""
    parents = Path(__file__).resolve().parents
    return next(folder for folder in parents if (folder / "FlareSegLib" / "pipeline.py").is_file())


def _watch(lifeline: Path, is_alive: Callable[[], bool]) -> None:
    while lifeline.exists() and is_alive():
        time.sleep(POLL_SECONDS)
    _thread.interrupt_main(signal.SIGTERM)
    time.sleep(GRACE_SECONDS)
    os._exit(128 + signal.SIGTERM)


def _asks_whether_alive(number: int) -> Callable[[], bool]:
    """Return what tells whether a process is still there."""
    if sys.platform == "win32":
        import ctypes

        kernel = ctypes.windll.kernel32
        kernel.OpenProcess.restype = ctypes.c_void_p
        handle = ctypes.c_void_p(kernel.OpenProcess(SYNCHRONIZE, False, number))
        return lambda: bool(handle) and kernel.WaitForSingleObject(handle, 0) != 0

    def is_alive() -> bool:
        try:
            os.kill(number, 0)
        except ProcessLookupError:
            return False
        except PermissionError:
            pass
        return True

    return is_alive


def _main(slicer: str, lifeline: str, *words: str) -> int:
    sys.path.insert(0, str(_folder_of_core()))
    from FlareSegLib.command.main import main

    sys.stdout.write(json.dumps({"worker": os.getpid()}) + "\n")
    sys.stdout.flush()
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    watched = (Path(lifeline), _asks_whether_alive(int(slicer)))
    threading.Thread(target=_watch, args=watched, daemon=True).start()
    return main(words)


if __name__ == "__main__":
    sys.exit(_main(*sys.argv[1:]))
