"""Seconds and memory of prompts on a large CT: warm in a process that stays, cold as a command."""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from FlareSegLib.images.reading import read_volume
from FlareSegLib.prompting.prompt_network import load_prompt_network
from FlareSegLib.prompting.requests import CT
from FlareSegLib.prompting.session import Session
from Testing.benchmarks.timing import ROOT, Program, interleaved
from Testing.benchmarks.volumes import on_grid, source_ct, written

Took = tuple[float, float]
"""Seconds of the wall and of the processor."""
LARGE = (512, 512, 300)
ROUNDS, COLD_ROUNDS = 15, 3
HALF_MM = np.array((20.0, 20.0, 20.0))
"""Of the box, about the middle of the CT."""


def times(model: Path | None, threads: int) -> str:
    """Return a table of the seconds of a box, a click and a command on 512 x 512 x 300 voxels."""
    image, name = source_ct(None)
    with tempfile.TemporaryDirectory() as folder:
        path = written(on_grid(image, LARGE), Path(folder) / "ct.nii.gz")
        volume = read_volume(path)
        middle = np.array(volume.grid.to_world(tuple((n - 1) / 2 for n in volume.grid.shape)))
        middle = middle * (-1, -1, 1)
        corners = middle - HALF_MM, middle + HALF_MM
        box, click = _warm(Session(volume, load_prompt_network(model, threads)), corners)
        words = ",".join(f"{a:g},{b:g}" for a, b in zip(*corners, strict=True))
        given = [*(["--model", str(model)] if model else []), "--threads", str(threads)]
        rows = _cold(path, [f"--box={words}", *given], Path(folder))
        staying = _staying_mib(image, words, Path(folder))
    size, ct_mib = " x ".join(map(str, LARGE)), volume.array.nbytes / 2**20
    return f"""## Seconds

{name} at {size} ({ct_mib:.0f} MiB in memory), a box of {2 * HALF_MM[0]:.0f} mm, {threads} threads.
Of the processor: what the program took itself, however busy the machine was.

| | median | best | of the processor, median |
|---|---|---|---|
{_row("warm: a box", box)}
{_row("warm: a click", click)}
{rows}
The process that stays with the panel: {staying:.0f} MiB at most, voxels of the CT in it (network on
as many threads as there are cores); the one that reads the CT for it has ended by then.
"""


def _row(name: str, took: list[Took]) -> str:
    seconds, cpu = zip(*took, strict=True)
    cells = (statistics.median(seconds), min(seconds), statistics.median(cpu))
    return f"| {name} | " + " | ".join(f"{cell:.3f} s" for cell in cells) + " |"


def _warm(session: Session, corners) -> tuple[list[Took], list[Took]]:
    box, click = [], []
    at = (corners[0] + corners[1]) / 2 + (8, 0, 0)
    for _ in range(ROUNDS):
        box.append(_took(lambda: session.box(*corners)))
        click.append(_took(lambda: session.click(at)))
        session.new()
    return box, click


def _took(work: Callable[[], object]) -> Took:
    wall, cpu = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - wall, time.process_time() - cpu


STAYING = """
import json, sys
from pathlib import Path
from FlareSegLib.prompting import child, requests
from FlareSegLib.prompting.prompts import BoxPrompt, ClickPrompt

folder, numbers = Path(sys.argv[1]), [float(word) for word in sys.argv[2].split(",")]
low, high = numbers[::2], numbers[1::2]
middle = tuple((a + b) / 2 for a, b in zip(low, high))
prompts = [BoxPrompt.between(low, high), ClickPrompt((middle[0] + 8, *middle[1:]), True)]
asked = {"number": 1, "prompts": [requests.to_json(prompt) for prompt in prompts]}
(folder / requests.REQUEST).write_text(json.dumps(asked))
rounds = iter((True, False))
assert child.serve(folder, lambda: next(rounds)) == 0
print(Path("/proc/self/status").read_text().partition("VmHWM:")[2].split()[0])
"""
"""The process of a panel: answers a box and a click, tells its peak in KiB."""
READING = """
import sys
from pathlib import Path
from FlareSegLib.images.reading import read_volume
read_volume(Path(sys.argv[1]))
"""


def _staying_mib(image: sitk.Image, words: str, folder: Path) -> float:
    """Return the peak memory of a panel's process after a box and a click."""
    sitk.WriteImage(on_grid(image, LARGE), str(folder / CT))
    command = [sys.executable, "-c", STAYING, str(folder), words]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, check=True, encoding="utf-8")
    return int(done.stdout.split()[-1]) / 1024


def _cold(path: Path, options: list[str], folder: Path) -> str:
    """Return rows: the command, and a process that only reads; in turns."""
    words = ["-m", "FlareSegLib", "prompt", str(path), *options, "-o", str(folder / "found.nii.gz")]
    programs = [
        Program("cold: file to file", [sys.executable, *words]),
        Program("cold: Python and reading alone", [sys.executable, "-c", READING, str(path)]),
    ]
    interleaved(programs, COLD_ROUNDS)
    took = [(p.name, list(zip(p.seconds, p.cpu_seconds, strict=True))) for p in programs]
    rows = "\n".join(_row(name, seconds) for name, seconds in took)
    whole, reading = (max(program.peak_mib) for program in programs)
    return f"""{rows}

Peak memory of the largest process: {whole:.0f} MiB, of reading alone {reading:.0f} MiB.
"""
