"""Seconds and memory of prompts on a large CT: warm in a process that stays, cold as a command."""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from FlareSegLib.images.reading import read_volume
from FlareSegLib.prompting.prompt_network import load_prompt_network
from FlareSegLib.prompting.session import Session
from Testing.benchmarks.timing import timed
from Testing.benchmarks.volumes import on_grid, source_ct, written

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
        rows = _cold(path, f"--box={words}", Path(folder))
    size, ct_mib = " x ".join(map(str, LARGE)), volume.array.nbytes / 2**20
    return f"""## Seconds

{name} at {size} ({ct_mib:.0f} MiB in memory), a box of {2 * HALF_MM[0]:.0f} mm, {threads} threads.

| | median | best |
|---|---|---|
| warm: a box | {1000 * statistics.median(box):.0f} ms | {1000 * min(box):.0f} ms |
| warm: a click | {1000 * statistics.median(click):.0f} ms | {1000 * min(click):.0f} ms |
{rows}"""


def _warm(session: Session, corners) -> tuple[list[float], list[float]]:
    box, click = [], []
    at = (corners[0] + corners[1]) / 2 + (8, 0, 0)
    for _ in range(ROUNDS):
        began = time.perf_counter()
        session.box(*corners)
        box.append(time.perf_counter() - began)
        began = time.perf_counter()
        session.click(at)
        click.append(time.perf_counter() - began)
        session.new()
    return box, click


READING = """
import sys
from pathlib import Path
from FlareSegLib.images.reading import read_volume
read_volume(Path(sys.argv[1]))
"""


def _cold(path: Path, box: str, folder: Path) -> str:
    """Return rows: the command, and a process that only reads; in turns."""
    out = folder / "found.nii.gz"
    command = [sys.executable, "-m", "FlareSegLib", "prompt", str(path), box, "-o", str(out)]
    reading = [sys.executable, "-c", READING, str(path)]
    took, read, peak, read_peak = [], [], [], []
    for _ in range(COLD_ROUNDS):
        for words, seconds, mib in ((command, took, peak), (reading, read, read_peak)):
            one, memory = timed(words)
            seconds.append(one)
            mib.append(memory)
    return (
        f"| cold: file to file | {statistics.median(took):.2f} s | {min(took):.2f} s |\n"
        f"| cold: reading alone | {statistics.median(read):.2f} s | {min(read):.2f} s |\n\n"
        f"Peak memory: {max(peak):.0f} MiB, of reading alone {max(read_peak):.0f} MiB.\n"
    )
