"""The process in which the Slicer module works: the command flareseg, on a lifeline.

    python flareseg_worker.py FOLDER SLICER segment ct.nrrd -o organs.nrrd --report report.json
    python flareseg_worker.py FOLDER SLICER pip install ...
    python flareseg_worker.py FOLDER SLICER prompts
    python flareseg_worker.py FOLDER SLICER export
    python flareseg_worker.py FOLDER SLICER model

Started by path, so that it needs no PYTHONPATH. FOLDER belongs to this run alone; the run works in
it, so that the names of its files are plain ASCII whatever the user is called (on Windows SimpleITK
cannot open other names). The run may go on as long as FOLDER/alive is there and the process SLICER
lives: when either is gone, by Cancel or by a crash, the run stops as by Ctrl-C and removes what it
has begun; if Slicer is gone, FOLDER with the CT goes too. This ends the work also where a launcher
starts Python, and killing the launcher would not end its child.

After `segment`, flareseg_handover makes of the labels what the scene can take without waiting.
"""

import _thread
import json
import os
import runpy
import shutil
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
LIFELINE = "alive"
PACKAGES = "FLARESEG_PACKAGES"
"""Variable with the folder of the packages that FlareSeg installed for this process alone."""


def _folder_of_core() -> Path:
    """Return the folder above FlareSegLib: two up in the source tree, one up when installed."""
    parents = Path(__file__).resolve().parents
    return next(folder for folder in parents if (folder / "FlareSegLib" / "pipeline.py").is_file())


def _watch(folder: Path, is_alive: Callable[[], bool]) -> None:
    while (folder / LIFELINE).exists() and is_alive():
        time.sleep(POLL_SECONDS)
    _thread.interrupt_main(signal.SIGTERM)
    time.sleep(GRACE_SECONDS)
    _clear(folder, is_alive)
    os._exit(128 + signal.SIGTERM)


def _clear(folder: Path, is_alive: Callable[[], bool]) -> None:
    """Remove the run's folder if Slicer is gone: nobody else would, and it holds the CT."""
    if not is_alive():
        os.chdir(folder.parent)
        shutil.rmtree(folder, ignore_errors=True)


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


def _take_packages() -> None:
    """Let this process, and those it starts, see FlareSeg's own packages."""
    folder = os.environ.get(PACKAGES, "")
    if folder and Path(folder).is_dir():
        sys.path.insert(1, folder)
        more = os.environ.get("PYTHONPATH", "")
        os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [folder, more]))
    if sys.platform == "win32":
        _take_runtime_of_windows()


def _take_runtime_of_windows() -> None:
    """Load the C++ runtime of Windows, where it is installed, before Slicer's own older one."""
    import ctypes
    from contextlib import suppress

    system = Path(os.environ.get("SYSTEMROOT", "C:/Windows")) / "System32"
    for name in ("vcruntime140.dll", "vcruntime140_1.dll", "msvcp140.dll", "msvcp140_1.dll"):
        with suppress(OSError):
            ctypes.WinDLL(str(system / name))


def _run(words: tuple[str, ...]) -> int:
    """Run the command, or pip; return the exit code."""
    if words[0] == "pip":
        sys.argv = list(words)
        runpy.run_module("pip", run_name="__main__")
        return 0
    if words[0] == "prompts":
        from FlareSegLib.prompting.child import serve

        return serve(Path())
    if words[0] in ("export", "model"):
        return _told(words[0])
    from FlareSegLib.command.main import main

    surfaces = "--surfaces" in words
    code = main([word for word in words if word != "--surfaces"])
    if words[0] == "segment" and not code:
        from flareseg_handover import hand_over

        hand_over(Path(), surfaces=surfaces)
    return code


def _told(word: str) -> int:
    """Export organs or convert a model; return the exit code, a reason goes to stderr."""
    from flareseg_layers import write
    from flareseg_model import convert

    from FlareSegLib.base.errors import FlareSegError

    try:
        {"export": write, "model": convert}[word](Path())
    except (FlareSegError, OSError) as error:
        sys.stderr.write(f"flareseg: {error}\n")
        return 1
    return 0


def _main(folder: str, slicer: str, *words: str) -> int:
    here = Path(__file__).resolve().parent  # and above it FlareSegUI, with RunFiles.py
    sys.path[0:1] = [str(here), str(here.parent), str(_folder_of_core())]
    _take_packages()
    sys.stdout.write(json.dumps({"worker": os.getpid()}) + "\n")
    sys.stdout.flush()
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    own, is_alive = Path(folder).resolve(), _asks_whether_alive(int(slicer))
    os.chdir(own)
    threading.Thread(target=_watch, args=(own, is_alive), daemon=True).start()
    try:
        return _run(words)
    finally:
        _clear(own, is_alive)


if __name__ == "__main__":
    sys.exit(_main(*sys.argv[1:]))
