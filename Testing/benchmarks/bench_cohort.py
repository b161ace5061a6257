"""A cohort under load: many small phantoms, bad files, killed workers and killed batches.

    python -m Testing.benchmarks.bench_cohort FOLDER [--cases N] [--jobs N] [--kills N]

FOLDER gets cts/ and out/; out/cohort.html is the page whose picture is in docs/images. Every tenth
file is bad in one of ten ways. While the batch runs, workers are killed (SIGKILL), and so is the
batch itself; each time it goes on with --skip-existing. What must hold at the end is checked: a
result for each good file, a reason for each bad one, no case done twice, nothing left behind.
"""

from __future__ import annotations

import argparse
import csv
import os
import random
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import numpy as np
import psutil
import SimpleITK as sitk

from FlareSegLib.base.geometry import Volume
from FlareSegLib.batch.journal import NAME, read_journal
from Testing.phantoms import abdomen
from Testing.tiny_model import threshold_model, write_model

ROOT = Path(__file__).parents[2]
SHAPE, SPACING_MM = (80, 75, 95), 4.0
"""320 x 300 x 380 mm: of a person of middle size."""
WEEKEND_HOURS = 60.0


def write_cohort(folder: Path, count: int) -> int:
    """Write phantoms of people of different size, every tenth file bad; return how many are."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(7)
    bad = 0
    for i in range(count):
        path = folder / f"phantom_{i:04d}.nii.gz"
        size = rng.lognormal(0, 0.05, 3) * (1.4 if i % 97 == 42 else 1.0)
        shape = tuple(int(n) for n in np.rint(SHAPE * size))
        volume = abdomen(shape, (SPACING_MM,) * 3, noise_hu=1.5, seed=i)[0]
        if i % 53 == 17:
            volume = Volume(volume.array[:, :, ::-1].copy(), volume.grid)  # mirrored
        _write(volume, path)
        if i % 10 == 5:
            _spoil(path, i // 10 % 10)
            bad += 1
    return bad


def _write(volume: Volume, path: Path) -> None:
    image = sitk.GetImageFromArray(volume.array)
    image.SetSpacing(volume.grid.spacing_mm[::-1])
    image.SetOrigin(volume.grid.origin)
    sitk.WriteImage(image, str(path))


def _spoil(path: Path, kind: int) -> None:
    """Make a good file bad in one of ten ways."""
    content = path.read_bytes()
    image = sitk.ReadImage(str(path))
    ways = (
        lambda: path.write_text("this is no image"),
        lambda: path.write_bytes(b""),
        lambda: path.write_bytes(content[: len(content) // 2]),
        lambda: path.write_bytes(bytes(range(256)) * 40),
        lambda: sitk.WriteImage(image[:, :, :12], str(path)),
        lambda: sitk.WriteImage(_with_spacing(image, 25.0), str(path)),
        lambda: sitk.WriteImage(sitk.Cast(image > 0, sitk.sitkUInt8), str(path)),
        lambda: sitk.WriteImage(sitk.Compose(image, image, image), str(path)),
        lambda: path.write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(100)),
        lambda: path.write_bytes(content[:400]),
    )
    ways[kind]()


def _with_spacing(image: sitk.Image, spacing_mm: float) -> sitk.Image:
    image.SetSpacing((spacing_mm,) * 3)
    return image


def run_once(words: list[str], kills: int, rng: random.Random, *, ends_killed: bool) -> int | None:
    """Run the batch, kill some workers, and at the end perhaps the batch; return its code."""
    run = subprocess.Popen(words, stdout=subprocess.DEVNULL, cwd=ROOT)
    for _ in range(kills):
        time.sleep(rng.uniform(1.5, 4.0))
        workers = [one for one in psutil.Process(run.pid).children() if run.poll() is None]
        if workers:
            rng.choice(workers).kill()
    if ends_killed:
        time.sleep(rng.uniform(1.5, 4.0))
        if run.poll() is None:
            run.kill()
            run.wait()
            return None
    return run.wait()


def main() -> int:
    """Make the cohort, run it through all faults, check and print what came of it."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    for name, default in (("cases", 300), ("jobs", 2), ("kills", 4), ("batches", 3)):
        parser.add_argument(f"--{name}", type=int, default=default)
    options = parser.parse_args()
    bad = write_cohort(options.folder / "cts", options.cases)
    tiny = threshold_model((48, 64, 64))
    model = write_model(options.folder / "model", tiny, spacing_mm=(SPACING_MM,) * 3)
    out = options.folder / "out"
    words = [sys.executable, "-m", "FlareSegLib", "batch", str(options.folder / "cts"), str(out)]
    words += ["--model", str(model), "--runtime", "onnxruntime", "--jobs", str(options.jobs)]
    words += ["--skip-existing", "--html", "--progress", "auto"]
    rng, began, runs, code = random.Random(1), time.monotonic(), 0, None
    while code is None:
        ends_killed = runs < options.batches
        kills = options.kills if ends_killed else 0  # a case that was killed twice has failed
        code = run_once(words, kills, rng, ends_killed=ends_killed)
        runs += 1
    seconds = time.monotonic() - began
    _check(out, options.cases, bad, code)
    per_hour = options.cases / seconds * 3600
    print(f"{options.cases} cases, {bad} bad, {options.jobs} processes, {os.cpu_count()} cores")
    print(f"workers killed: up to {options.kills * (runs - 1)}, batches killed: {runs - 1}")
    print(f"{seconds:.0f} s in all, {per_hour:.0f} an hour with all restarts")
    print(f"a weekend of {WEEKEND_HOURS:.0f} h: {per_hour * WEEKEND_HOURS:.0f} such cases")
    return 0


def _check(out: Path, cases: int, bad: int, code: int) -> None:
    with (out / "summary.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    statuses = Counter("failed" if row["status"] == "failed" else "done" for row in rows)
    done = [facts["case"] for facts in read_journal(out / NAME) if facts["status"] == "ok"]
    held = {
        "exit code 1": code == 1,
        "a row for each case": len(rows) == cases,
        "a result for each good file": statuses["done"] == cases - bad,
        "a reason for each bad file": sum(bool(row["reason"]) for row in rows) == bad,
        "no case done twice": len(done) == len(set(done)),
        "nothing left behind": not [p for p in out.iterdir() if p.name.startswith(".")],
    }
    for said, is_so in held.items():
        print(f"{'holds' if is_so else 'BROKEN'}: {said}")
    if not all(held.values()):
        sys.exit(1)


if __name__ == "__main__":
    sys.exit(main())
