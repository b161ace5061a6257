"""How time and memory grow: with slices, in-plane size, threads and the organs asked for."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from FlareSegLib.base.resources import physical_cores
from Testing.benchmarks.bench_end_to_end import ORT
from Testing.benchmarks.timing import Program, interleaved, segment
from Testing.benchmarks.volumes import LARGE_XYZ, on_grid, with_slices, written

SLICES = (24, 100, 215, 500, 1000)
"""At SIDE in-plane, so that the curve takes minutes."""
SIDE = 256
IN_PLANE = (256, 512, 768, 1024)
"""Of DEPTH slices from the middle."""
DEPTH = 48
THREADS = (1, 2, 4, 8, 12)
ORGANS = {"all 13": "all", "liver": "liver"}

Curves = dict[str, list[tuple[float, Program]]]


def programs(
    source: sitk.Image, folder: Path, slices: Sequence[int], in_plane: Sequence[int]
) -> Curves:
    """Return the programs of each curve, with the number that grows.

    Args:
        source: The CT that all others are made of.
        folder: Takes CTs and results.
        slices: Numbers of slices; the last is no smaller than the others.
        in_plane: Sides of a slice.
    """
    ct = on_grid(source, (SIDE, SIDE, LARGE_XYZ[2]))

    def of_depth(n: int) -> Path:
        return written(with_slices(ct, n), folder / f"z{n}.nii.gz")

    def of_side(n: int) -> Path:
        wide = on_grid(source, (n, n, LARGE_XYZ[2]))
        return written(with_slices(wide, DEPTH), folder / f"{n}.nii.gz")

    usual = of_depth(min(LARGE_XYZ[2], slices[-1]))
    threads = [n for n in THREADS if n <= physical_cores()]
    return {
        "slices": [(n, _of(f"{n} slices", of_depth(n), folder)) for n in slices],
        "in-plane size": [(n, _of(f"{n} x {n}", of_side(n), folder)) for n in in_plane],
        "threads": [(n, _of(f"threads: {n}", usual, folder, "--threads", str(n))) for n in threads],
        "organs": [
            (i, _of(name, usual, folder, "--organs", keys))
            for i, (name, keys) in enumerate(ORGANS.items())
        ],
    }


def _of(name: str, ct: Path, folder: Path, *options: str) -> Program:
    return segment(name, ct, folder, *ORT, *options)


def run(curves: Curves, rounds: int) -> Curves:
    """Run all of them, interleaved; return them."""
    interleaved([program for curve in curves.values() for _, program in curve], rounds)
    return curves


def table(curves: Curves) -> str:
    """Return seconds and peak memory in Markdown."""
    lines = ["| what | which | seconds, median | peak MiB |", "|---|---|---|---|"]
    for what, curve in curves.items():
        for _, one in curve:
            lines.append(f"| {what} | {one.name} | {one.median:.2f} | {max(one.peak_mib):.0f} |")
    return "\n".join(lines)


def slope(curve: list[tuple[float, Program]]) -> str:
    """Return a sentence on the growth between the two largest; nothing of fewer than two."""
    if len(curve) < 2:
        return ""
    (a, first), (b, last) = curve[-2:]
    power = np.log(last.median / first.median) / np.log(b / a)
    return f"From {a} to {b} slices time grows by the power {power:.2f} of slices; 1 is linear."
