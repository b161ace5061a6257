"""How far volumes and HU of one patient move although nothing has changed: for `flareseg compare`.

    python -m Testing.benchmarks.bench_repeat ../shared/data/train work/repeat.json

Pairs of one patient and day (art and pv: breath-holds of their own), and copies of a CT that are
noisier, of double slice thickness, or moved by half a voxel. Organs that are cut in either are left
out. For each organ: 1.96 times the root mean square of the differences, the larger of the two
kinds; of volumes in percent (of logarithms), of core medians in HU (copies alone: phases differ).
"""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import SimpleITK as sitk

import FlareSegLib as flareseg

PAIRED = ("002", "007a", "007b", "009a", "009b", "015")
COPIED = (
    "hcctace_002_pv",
    "hcctace_007b_pv",
    "crlm_1004",
    "crlm_1006",
    "tcga_de_a4ma",
    "4dlung_113",
)
NOISE_HU = 20.0


def measures(image: object) -> dict[str, tuple[float, float | None]]:
    """Return volume and core median of each organ that lies wholly in the scan."""
    rows = flareseg.segment(image, model=MODEL).report.organs
    return {
        row.key: (row.volume_ml, row.core_hu.median if row.core_hu else None)
        for row in rows
        if row.components and not row.is_cut
    }


def copies(image: sitk.Image) -> Iterator[sitk.Image]:
    """Yield a noisier, a thicker and a moved copy of a CT."""
    array = sitk.GetArrayFromImage(image).astype(np.float32)
    noise = np.random.default_rng(0).normal(0, NOISE_HU, array.shape)
    noisy = sitk.GetImageFromArray((array + noise).round().clip(-1024, 3071).astype(np.int16))
    noisy.CopyInformation(image)
    yield noisy
    x, y, z = image.GetSpacing()
    size = [image.GetSize()[0], image.GetSize()[1], image.GetSize()[2] // 2]
    blurred = sitk.DiscreteGaussian(image, [0, 0, (z * 0.8) ** 2])
    yield sitk.Resample(
        blurred, size, sitk.Transform(), sitk.sitkLinear, image.GetOrigin(), (x, y, 2 * z),
        image.GetDirection(), -1024,
    )  # fmt: skip
    shift = sitk.TranslationTransform(3, (x / 2, y / 2, z / 2))
    yield sitk.Resample(image, image, shift, sitk.sitkLinear, -1024)


def differences(pairs: list[tuple[dict, dict]]) -> dict[str, list[tuple[float, float | None]]]:
    """Return by organ the log ratios of volumes, and the differences of HU."""
    found: dict[str, list[tuple[float, float | None]]] = {}
    for a, b in pairs:
        for key in a.keys() & b.keys():
            hu = None if None in (a[key][1], b[key][1]) else b[key][1] - a[key][1]
            found.setdefault(key, []).append((math.log(b[key][0] / a[key][0]), hu))
    return found


def limit(values: list[float]) -> float:
    """Return 1.96 times the root mean square."""
    return 1.96 * math.sqrt(np.mean(np.square(values)))


def main(folder: Path, out: Path) -> None:
    """Measure all and write the table."""
    phases, degraded = [], []
    for name in PAIRED:
        pair = [folder / f"gh_hcctace_{name}_{phase}" / "ct.nii.gz" for phase in ("art", "pv")]
        if all(path.exists() for path in pair):
            phases.append(tuple(measures(path) for path in pair))
            print(name, flush=True)
    for name in COPIED:
        path = folder / f"gh_{name}" / "ct.nii.gz"
        image, first = sitk.ReadImage(str(path)), measures(path)
        degraded += [(first, measures(copy)) for copy in copies(image)]
        print(name, flush=True)
    by_phase, by_copy = differences(phases), differences(degraded)
    table = {}
    for key in sorted(by_phase.keys() | by_copy.keys()):
        logs = [[d for d, _ in found.get(key, [])] for found in (by_phase, by_copy)]
        hus = [hu for _, hu in by_copy.get(key, []) if hu is not None]
        table[key] = {
            "volume_percent": [100 * (math.exp(limit(one)) - 1) if one else None for one in logs],
            "hu": limit(hus) if hus else None,
            "pairs": [len(one) for one in logs],
        }
    out.write_text(json.dumps(table, indent=1))
    print(json.dumps(table, indent=1))


MODEL = flareseg.load_model(threads=1)
if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
