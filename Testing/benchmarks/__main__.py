"""All benchmarks in one command: tables in docs/benchmarks.md, pictures in docs/images.

    python -m Testing.benchmarks [--peer WEIGHTS.onnx] [--truth DIR] [--previous REVISION]
                                 [--ct CT] [--rounds N] [--no-growth]

Without options it needs nothing but the sample CT (a phantom where that cannot be fetched), and
says what it left out. Machines are noisy: read the ratios of one run, not the seconds.
"""

from __future__ import annotations

import argparse
import datetime
import tempfile
from pathlib import Path

from Testing.benchmarks import bench_end_to_end, bench_growth, pictures, timing
from Testing.benchmarks.volumes import LARGE_XYZ, on_grid, source_ct, written

DOCS = timing.ROOT / "docs"
INTRO = """# Benchmarks

Written by `make bench` on {day}; nothing here was edited by hand. One interleaved run, every
program a process of its own, file to file, on the sample CT at 512 x 512 x 215. Read the ratios:
machines differ, and this one may have been busy.

{machine}
"""


def main() -> None:
    """Run, print and write everything."""
    options = _options()
    parts = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        source = source_ct(options.ct)
        ct = written(on_grid(source, LARGE_XYZ), folder / "ct.nii.gz")
        found = bench_end_to_end.programs(ct, folder, options.previous, options.peer)
        timing.interleaved(found, options.rounds)
        dsc = bench_end_to_end.scores(options.truth, folder, options.previous)
        parts += ["## File to file", timing.table(found, dsc), "![](images/benchmark.png)"]
        parts += ["## Seconds of each step", timing.steps_table(found)]
        pictures.end_to_end(found, DOCS / "images" / "benchmark.png")
        if options.growth:
            curves = bench_growth.run(source, folder, options.growth_rounds)
            parts += ["## Growth", bench_growth.table(curves), _exponents(curves)]
            parts += ["![](images/growth.png)"]
            pictures.growth(curves, DOCS / "images" / "growth.png")
    day = datetime.datetime.now(datetime.UTC).date().isoformat()
    text = "\n\n".join([INTRO.format(day=day, machine=timing.machine()).strip(), *parts]) + "\n"
    (DOCS / "benchmarks.md").write_text(text, encoding="utf-8")
    print(text)


def _exponents(curves: dict[str, list[tuple[float, timing.Program]]]) -> str:
    found = bench_growth.slope(curves["slices"])
    return f"From 500 to 1000 slices time grows by the power {found:.2f} of slices; 1 is linear."


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m Testing.benchmarks", description=__doc__)
    parser.add_argument("--peer", type=Path, help="the peer's ONNX file")
    parser.add_argument("--truth", type=Path, help="folder of <case>/ct.nii.gz and label.nii.gz")
    parser.add_argument("--previous", default="887c176", help="git revision to compare with")
    parser.add_argument("--ct", type=Path, help="a CT instead of the sample")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--growth-rounds", type=int, default=1)
    parser.add_argument("--no-growth", dest="growth", action="store_false")
    return parser.parse_args()


if __name__ == "__main__":
    main()
