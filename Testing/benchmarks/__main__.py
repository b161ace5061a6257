"""All benchmarks in one command: docs/benchmarks.md, docs/growth.md, pictures in docs/images.

    python -m Testing.benchmarks [--peer WEIGHTS.onnx] [--truth DIR] [--previous REVISION]
                                 [--ct CT] [--rounds N] [--no-growth | --growth-only | --steps]
                                 [--slices N ...] [--in-plane N ...] [--docs DIR]

With --steps it writes docs/benchmark_steps.md, and that alone: a row for each step to be fast.

Without options it needs nothing but the sample CT (a phantom where that cannot be fetched), and
says what it left out. Machines are noisy: read the ratios of one run, not the seconds.
"""

from __future__ import annotations

import argparse
import datetime
import tempfile
from pathlib import Path

import SimpleITK as sitk

from Testing.benchmarks import bench_end_to_end, bench_growth, bench_steps, pictures, timing
from Testing.benchmarks.volumes import LARGE_XYZ, on_grid, source_ct, written

INTRO = """# {title}

Written by `make bench` on {day}; nothing here was edited by hand. One interleaved run, every
program a process of its own, file to file. Read the ratios: machines differ, and this one may
have been busy.

CT: {what}.

{machine}
"""


def main() -> None:
    """Run, print and write everything."""
    options = _options()
    (options.docs / "images").mkdir(parents=True, exist_ok=True)
    source, name = source_ct(options.ct)
    with tempfile.TemporaryDirectory() as folder:
        for part in options.parts:
            PARTS[part](options, source, name, Path(folder))


def _end_to_end(options: argparse.Namespace, source: sitk.Image, name: str, folder: Path) -> None:
    ct = written(on_grid(source, LARGE_XYZ), folder / "ct.nii.gz")
    found = bench_end_to_end.programs(ct, folder, options.previous, options.peer)
    timing.interleaved(found, options.rounds)
    dsc = bench_end_to_end.scores(options.truth, folder, options.previous)
    pictures.end_to_end(found, options.docs / "images" / "benchmark.png")
    parts = ["## File to file", timing.table(found, dsc), "![](images/benchmark.png)"]
    parts += ["## Seconds of each step", timing.steps_table(found)]
    size = " x ".join(map(str, LARGE_XYZ))
    _write(options.docs / "benchmarks.md", "Benchmarks", f"{name} at {size}", parts)


def _growth(options: argparse.Namespace, source: sitk.Image, name: str, folder: Path) -> None:
    curves = bench_growth.programs(source, folder, sorted(options.slices), sorted(options.in_plane))
    bench_growth.run(curves, options.growth_rounds)
    pictures.growth(curves, options.docs / "images" / "growth.png")
    parts = [bench_growth.table(curves), bench_growth.slope(curves["slices"])]
    parts += ["![](images/growth.png)"]
    side, depth = bench_growth.SIDE, bench_growth.DEPTH
    what = f"{name}: slices of {side} x {side}, in-plane sizes with {depth} slices"
    _write(options.docs / "growth.md", "Growth of time and memory", what, parts)


def _steps(options: argparse.Namespace, source: sitk.Image, name: str, folder: Path) -> None:
    ct = written(on_grid(source, LARGE_XYZ), folder / "ct.nii.gz")
    rows = bench_steps.rows()
    programs = bench_steps.programs(rows, ct, folder)
    bench_steps.run(rows, programs, options.rounds)
    dsc = bench_steps.scores(programs, options.truth, folder)
    parts = [bench_steps.INTRO, bench_steps.table(rows, programs, dsc)]
    size = " x ".join(map(str, LARGE_XYZ))
    _write(
        options.docs / "benchmark_steps.md", "Benchmark of single steps", f"{name} at {size}", parts
    )


PARTS = {"end to end": _end_to_end, "growth": _growth, "steps": _steps}


def _write(path: Path, title: str, what: str, parts: list[str]) -> None:
    day = datetime.datetime.now(datetime.UTC).date().isoformat()
    intro = INTRO.format(title=title, day=day, what=what, machine=timing.machine()).strip()
    text = "\n\n".join(part for part in [intro, *parts] if part) + "\n"
    path.write_text(text, encoding="utf-8")
    print(text)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m Testing.benchmarks", description=__doc__)
    parser.add_argument("--peer", type=Path, help="the peer's ONNX file")
    parser.add_argument("--truth", type=Path, help="folder of <case>/ct.nii.gz and label.nii.gz")
    parser.add_argument("--previous", default="887c176", help="git revision to compare with")
    parser.add_argument("--ct", type=Path, help="a CT instead of the sample")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--growth-rounds", type=int, default=1)
    parser.add_argument("--slices", type=int, nargs="+", default=bench_growth.SLICES)
    parser.add_argument("--in-plane", type=int, nargs="+", default=bench_growth.IN_PLANE)
    parser.add_argument("--docs", type=Path, default=timing.ROOT / "docs", help="takes the pages")
    part = parser.add_mutually_exclusive_group()
    for word, parts in (
        ("no-growth", ["end to end"]),
        ("growth-only", ["growth"]),
        ("steps", ["steps"]),
    ):
        part.add_argument(f"--{word}", dest="parts", action="store_const", const=parts)
    parser.set_defaults(parts=["end to end", "growth"])
    return parser.parse_args()


if __name__ == "__main__":
    main()
