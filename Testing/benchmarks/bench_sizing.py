"""CTs per core-hour and memory per process of `flareseg batch`, and the machines for a cohort.

    python -m Testing.benchmarks.bench_sizing [--ct CT] [--copies N] [--rounds N]

Copies of the sample CT at 512 x 512 x 215 run with each speed, with as many processes of one thread
as there are cores, and with one process of as many threads. The seconds of a case are what the
batch took, from start to end, by its cases. Prints the tables of docs/cluster.md: the second is
worked out from the first, for cores as fast as those here.
"""

from __future__ import annotations

import argparse
import json
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from FlareSegLib.base.resources import physical_cores
from Testing.benchmarks.volumes import LARGE_XYZ, on_grid, source_ct, written

SPEEDS = ("fast", "balanced", "accurate")
COHORT, MACHINES = 10_000, (2, 4, 16, 64)
SYSTEM_GB = 2.0
"""For the operating system and its cache of files."""


def run_batch(cts: Path, out: Path, speed: str, jobs: int, cores: int) -> tuple[float, float]:
    """Run a batch; return its seconds, and the largest peak memory of a process in MiB."""
    shutil.rmtree(out, ignore_errors=True)
    words = [sys.executable, "-m", "FlareSegLib", "batch", str(cts), str(out), "--quiet"]
    words += ["--speed", speed, "--jobs", str(jobs), "--threads", str(max(1, cores // jobs))]
    began = time.perf_counter()
    subprocess.run(words, check=True)
    seconds = time.perf_counter() - began
    reports = [json.loads(path.read_text("utf-8")) for path in out.glob("*.report.json")]
    return seconds, max(report["run"]["peak_memory_mib"] for report in reports)


def main() -> None:
    """Measure, and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--ct", type=Path, help="CT to use (default: the sample)")
    parser.add_argument("--copies", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    cores = physical_cores()
    runs = [(speed, jobs) for speed in SPEEDS for jobs in sorted({1, cores})]
    found: dict[tuple[str, int], list[tuple[float, float]]] = {run: [] for run in runs}
    with tempfile.TemporaryDirectory() as name:
        cts = Path(name, "cts")
        cts.mkdir()
        source, said = source_ct(options.ct)
        first = written(on_grid(source, LARGE_XYZ), cts / "0.nii.gz")
        for i in range(1, options.copies):
            shutil.copyfile(first, cts / f"{i}.nii.gz")
        for _ in range(options.rounds):
            for run in runs:
                found[run].append(run_batch(cts, Path(name, "out"), *run, cores))
                print(*run, *(f"{n:.1f}" for n in found[run][-1]), file=sys.stderr, flush=True)
    print(f"{said}, {platform.machine()}, {cores} cores")
    print(f"{options.copies} CTs, {options.rounds} rounds")
    _print(found, cores, options.copies)


def _print(
    found: dict[tuple[str, int], list[tuple[float, float]]], cores: int, copies: int
) -> None:
    print(
        "| speed | processes x threads | s per CT, median (range) | CTs per core-hour | GB each |"
    )
    print("|---|---|---|---|---|")
    sizes = []
    for (speed, jobs), measured in found.items():
        seconds = [one / copies for one, _ in measured]
        median, gb = statistics.median(seconds), max(mib for _, mib in measured) / 1024
        rate = 3600 / median / cores
        spread = f"{median:.1f} ({min(seconds):.1f} to {max(seconds):.1f})"
        print(f"| {speed} | {jobs} x {max(1, cores // jobs)} | {spread} | {rate:.0f} | {gb:.2f} |")
        if jobs == cores:
            sizes.append((speed, rate, gb))
    print(f"\n| {COHORT} CTs | " + " | ".join(f"{n} cores" for n in MACHINES) + " |")
    print("|---" * (1 + len(MACHINES)) + "|")
    for speed, rate, gb in sizes:
        cells = (f"{COHORT / rate / n:.1f} h, {n * gb + SYSTEM_GB:.0f} GB" for n in MACHINES)
        print(f"| {speed} | " + " | ".join(cells) + " |")


if __name__ == "__main__":
    main()
