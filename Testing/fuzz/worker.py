"""Open damaged files one after the other, and say of each what became of it.

usage: python -m Testing.fuzz.worker SEED FIRST COUNT FOLDER

A line "start N" before each, then "N outcome": the caller knows which one ended the process.
"""

from __future__ import annotations

import os
import resource
import sys
import time
from pathlib import Path
from random import Random

from FlareSegLib.base.errors import FlareSegError
from FlareSegLib.images.reading import read_volume
from Testing.fuzz.mutate import damage
from Testing.fuzz.seeds import SEEDS

MOST_MIB = 700
"""Address space that a read of a seed of 8,000 voxels may add."""


def main(key: str, first: int, count: int, folder: Path) -> None:
    folder.mkdir()
    opened = SEEDS[key](folder / "seed")
    place = opened if opened.is_dir() else opened.parent
    originals = {path.name: path.read_bytes() for path in place.iterdir()}
    _limit_memory()
    for number in range(first, first + count):
        print("start", number, flush=True)
        changed = damage(place, originals, Random(f"{key} {number}"))
        before = _names(folder)
        began = time.process_time()
        outcome = _outcome(opened)
        seconds = time.process_time() - began
        if _names(folder) != before:
            outcome = "STRAY " + " ".join(sorted(_names(folder) ^ before))
        print(number, f"{seconds:.2f}", outcome, flush=True)
        for name in changed:
            (place / name).write_bytes(originals[name])


def _outcome(path: Path) -> str:
    try:
        read_volume(path)
    except FlareSegError as error:
        text = str(error)
        return f"refused {text}" if "\n" not in text else f"MANY LINES {text!r}"
    except MemoryError as error:
        return f"MEMORY {error}"
    except Exception as error:  # noqa: BLE001  that is what is looked for
        return f"ERROR {type(error).__name__}: {str(error)[:200]!r}"
    return "read"


def _limit_memory() -> None:
    used = int(Path("/proc/self/statm").read_text().split()[0]) * os.sysconf("SC_PAGE_SIZE")
    limit = used + MOST_MIB * 2**20
    resource.setrlimit(resource.RLIMIT_AS, (limit, resource.RLIM_INFINITY))


def _names(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*")}


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), Path(sys.argv[4]))
