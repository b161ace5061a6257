"""How time and memory grow: with slices, in-plane size, threads and the organs asked for."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import SimpleITK as sitk

from FlareSegLib.resources import physical_cores
from Testing.benchmarks.bench_end_to_end import ORT
from Testing.benchmarks.timing import Program, interleaved, segment
from Testing.benchmarks.volumes import LARGE_XYZ, on_grid, with_slices, written

SLICES = (24, 100, 215, 500, 1000)
IN_PLANE = (256, 512, 768, 1024)
ORGANS = {"all 13": "all", "liver": "liver", "kidneys": "left_kidney,right_kidney"}


def programs(source: sitk.Image, folder: Path) -> dict[str, list[tuple[float, Program]]]:
    """Return the programs of each curve, with the number that grows."""
    depth = LARGE_XYZ[2]
    large = on_grid(source, LARGE_XYZ)
    ct = written(large, folder / "large.nii.gz")
    curves: dict[str, list[tuple[float, Program]]] = {}
    curves["slices"] = [
        (n, _of(f"{n} slices", written(with_slices(large, n), folder / f"z{n}.nii.gz"), folder))
        for n in SLICES
    ]
    curves["in-plane size"] = []
    for n in IN_PLANE:
        resized = written(on_grid(source, (n, n, depth)), folder / f"{n}.nii.gz")
        curves["in-plane size"].append((n, _of(f"{n} x {n}", resized, folder)))
    cores = physical_cores()
    curves["threads"] = [
        (n, _of(f"{n} threads", ct, folder, "--threads", str(n)))
        for n in (1, 2, 4, 8, 12)
        if n <= cores
    ]
    curves["organs"] = [
        (i, _of(name, ct, folder, "--organs", keys))
        for i, (name, keys) in enumerate(ORGANS.items())
    ]
    return curves


def _of(name: str, ct: Path, folder: Path, *options: str) -> Program:
    return segment(name, ct, folder, *ORT, *options)


def run(source: sitk.Image, folder: Path, rounds: int) -> dict[str, list[tuple[float, Program]]]:
    """Run all of them, interleaved."""
    curves = programs(source, folder)
    interleaved([program for curve in curves.values() for _, program in curve], rounds)
    return curves


def table(curves: dict[str, list[tuple[float, Program]]]) -> str:
    """Return seconds and peak memory in Markdown."""
    lines = ["| what | which | seconds, median | peak MiB |", "|---|---|---|---|"]
    for what, curve in curves.items():
        for _, one in curve:
            lines.append(f"| {what} | {one.name} | {one.median:.2f} | {max(one.peak_mib):.0f} |")
    return "\n".join(lines)


def slope(curve: list[tuple[float, Program]]) -> float:
    """Return the exponent of growth between the two largest; 1 is linear."""
    (a, first), (b, last) = curve[-2:]
    return float(np.log(last.median / first.median) / np.log(b / a))
