"""Seconds and peak memory, file to file, interleaved in one run; against the peer if it is given.

    python -m Testing.benchmarks.bench_end_to_end [--peer WEIGHTS.onnx] [--ct CT] [--rounds N]

The CT is the sample, resampled to 512 x 512 x 215 (the size of the design's target). Every program
is a process of its own, so start-up counts and the peak memory is its own. Machines are noisy: read
the ratios of one run, not the seconds.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

import SimpleITK as sitk

from FlareSegLib.resources import physical_cores
from FlareSegLib.sample import fetch_sample

SIZE_XYZ = (512, 512, 215)
PEER = Path(__file__).with_name("peer.py")


@dataclass
class Row:
    """One program and what it took."""

    name: str
    command: list[str]
    seconds: list[float] = field(default_factory=list)
    peak_mib: list[float] = field(default_factory=list)


def large_ct(source: Path, path: Path) -> Path:
    """Write the CT on a grid of SIZE_XYZ over the same box; return path."""
    image = sitk.ReadImage(str(source))
    pairs = list(zip(image.GetSize(), image.GetSpacing(), SIZE_XYZ, strict=True))
    resampler = sitk.ResampleImageFilter()
    resampler.SetReferenceImage(image)
    resampler.SetSize(SIZE_XYZ)
    resampler.SetOutputSpacing([n * mm / m for n, mm, m in pairs])
    resampler.SetUseNearestNeighborExtrapolator(True)
    sitk.WriteImage(sitk.Cast(resampler.Execute(image), sitk.sitkInt16), str(path))
    return path


def timed(command: list[str]) -> tuple[float, float]:
    """Run a command; return its wall seconds and peak resident memory in MiB."""
    began = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    said = process.stderr.read() if process.stderr else b""
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - began
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(f"{' '.join(command)} failed: {said.decode()[-500:]}")
    return seconds, usage.ru_maxrss / 1024


def rows(ct: Path, folder: Path, peer: Path | None) -> list[Row]:
    """Return the programs to compare."""
    out = str(folder / "out.nii.gz")
    ours = [sys.executable, "-m", "FlareSegLib", "segment", str(ct), "-o", out, "--quiet"]
    found = [
        Row(f"flareseg {speed}, onnxruntime", [*ours, "--speed", speed, "--runtime", "onnxruntime"])
        for speed in ("fast", "balanced", "accurate")
    ]
    try:
        import openvino  # noqa: F401
    except ImportError:
        print("left out: OpenVINO is not installed")
    else:
        found.append(Row("flareseg balanced, OpenVINO", [*ours, "--runtime", "openvino"]))
    if peer is None:
        print("left out: the peer (give --peer WEIGHTS.onnx)")
        return found
    plain = [sys.executable, str(PEER), str(peer), str(ct), out]
    return [*found, Row("peer, plain lean way", [*plain, "--nearest"])]


def table(found: list[Row]) -> str:
    """Return the medians in Markdown; the ratio is to the last row."""
    last = statistics.median(found[-1].seconds)
    lines = ["| program | seconds (range) | times faster than the last row | peak MiB |"]
    lines.append("|---|---|---|---|")
    for row in found:
        median = statistics.median(row.seconds)
        spread = f"{min(row.seconds):.1f} to {max(row.seconds):.1f}"
        peak = max(row.peak_mib)
        lines.append(f"| {row.name} | {median:.1f} ({spread}) | {last / median:.1f} | {peak:.0f} |")
    return "\n".join(lines)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--peer", type=Path, help="the peer's ONNX file")
    parser.add_argument("--ct", type=Path, help="a CT instead of the sample")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        ct = large_ct(options.ct or fetch_sample(), folder / "ct.nii.gz")
        found = rows(ct, folder, options.peer)
        for _ in range(options.rounds):
            for row in found:
                seconds, peak = timed(row.command)
                row.seconds.append(seconds)
                row.peak_mib.append(peak)
        steps = [*found[1].command, "--report", str(folder / "r.json")]
        subprocess.run(steps, check=True)
        report = json.loads((folder / "r.json").read_text(encoding="utf-8"))
    print(f"{platform.platform()}, {physical_cores()} cores, {SIZE_XYZ} voxels")
    print(table(found))
    print("steps of balanced, seconds:", report["run"]["seconds"])


if __name__ == "__main__":
    main()
