"""The process in which the Slicer module works: the command flareseg, on a lifeline.

Started by path, so that it needs no PYTHONPATH. Its stdin is the lifeline: when that is closed, by
Cancel or because Slicer is gone, the run stops as by Ctrl-C and removes what it has begun. This
ends the work also where a launcher starts Python, and killing it would not kill its child.
"""

import _thread
import os
import signal
import sys
import threading
import time
from pathlib import Path

GRACE_SECONDS = 10.0
"""Native code may hold the signal back; after this time the process ends anyway."""


def _folder_of_core() -> Path:
    """Return the folder above FlareSegLib: two up in the source tree, one up when installed."""
    parents = Path(__file__).resolve().parents
    return next(folder for folder in parents if (folder / "FlareSegLib" / "cli.py").is_file())


def _watch_lifeline() -> None:
    while os.read(0, 64):
        pass
    _thread.interrupt_main(signal.SIGTERM)
    time.sleep(GRACE_SECONDS)
    os._exit(128 + signal.SIGTERM)


def _main() -> int:
    sys.path.insert(0, str(_folder_of_core()))
    from FlareSegLib.cli import main

    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    threading.Thread(target=_watch_lifeline, daemon=True).start()
    return main()


if __name__ == "__main__":
    sys.exit(_main())
