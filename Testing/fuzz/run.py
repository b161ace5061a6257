"""Fuzz all readers, each in a process of its own, and count.

usage: python -m Testing.fuzz.run [--count N] [--first N] [SEED...]

Prints for each seed how many files were read, refused in one line, or a finding: a crash, a hang,
another exception, more memory than a small file may take, a file that was not there before. The
exit code is 1 if there was one. `--first N --count 1 SEED` does one again.
"""

from __future__ import annotations

import argparse
import os
import selectors
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from Testing.fuzz.seeds import SEEDS

MOST_SECONDS = 120.0
"""For one file of 20 kB."""


def fuzz(key: str, first: int, count: int) -> Iterator[tuple[int, str]]:
    """Yield number and outcome of each damaged file; a dead process is an outcome, and replaced."""
    number = first
    while number < first + count:
        for done, outcome in _process(key, number, first + count - number):
            number = done + 1
            yield done, outcome


def _process(key: str, first: int, count: int) -> Iterator[tuple[int, str]]:
    with tempfile.TemporaryDirectory() as folder:
        words = [sys.executable, "-m", "Testing.fuzz.worker", key, str(first), str(count)]
        words += [str(Path(folder) / "files")]
        said = Path(folder) / "stderr"
        with (
            said.open("wb") as errors,
            subprocess.Popen(words, stdout=subprocess.PIPE, stderr=errors) as child,
        ):
            started = first
            for line in _lines(child):
                if line.startswith("start "):
                    started = int(line.split()[1])
                elif line[:1].isdigit():
                    head, seconds, outcome = line.split(" ", 2)
                    started = int(head) + 1
                    yield int(head), f"SLOW {seconds} s" if float(seconds) > 5 else outcome
            child.kill()
            child.wait()
            if started < first + count:
                last = said.read_text(errors="replace").strip()[-300:]
                kind = "HANG" if child.returncode == -9 else f"CRASH {child.returncode}"
                yield started, f"{kind} {last!r}"


def _lines(child: subprocess.Popen[bytes]) -> Iterator[str]:
    """Yield the lines of a process until it ends or is silent for too long."""
    assert child.stdout
    rest = b""
    with selectors.DefaultSelector() as waiting:
        waiting.register(child.stdout, selectors.EVENT_READ)
        while waiting.select(MOST_SECONDS):
            piece = os.read(child.stdout.fileno(), 1 << 16)
            if not piece:
                child.wait()
                return
            *lines, rest = (rest + piece).split(b"\n")
            yield from (line.decode(errors="replace") for line in lines)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("seeds", nargs="*", help=", ".join(SEEDS))
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--count", type=int, default=2000)
    parser.add_argument("--show", action="store_true", help="print each outcome")
    options = parser.parse_args()
    findings = 0
    for key in options.seeds or SEEDS:
        counts: Counter[str] = Counter()
        for number, outcome in fuzz(key, options.first, options.count):
            kind = outcome.split(" ", 1)[0]
            counts[kind] += 1
            if kind.isupper() or options.show:
                print(f"  {key} {number}: {outcome}", flush=True)
        findings += sum(n for kind, n in counts.items() if kind.isupper())
        told = ", ".join(f"{n} {kind}" for kind, n in sorted(counts.items()))
        print(f"{key}: {sum(counts.values())} files, {told}", flush=True)
    return int(findings > 0)


if __name__ == "__main__":
    sys.exit(main())
