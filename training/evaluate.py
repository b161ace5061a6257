"""DSC per organ of labelmaps against truth: python -m training.evaluate TRUTH_DIR PRED_DIR.

TRUTH_DIR holds <case>/label.nii.gz, PRED_DIR holds <case>.nii.gz, on the same grid.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from FlareSegLib.labels import ORGANS
from FlareSegLib.metrics import dice_per_organ

SLIVER_ML = 3.0
"""Organs of which the scan holds less than this are listed and left out of the mean."""


def scores(truth: Path, pred: Path) -> dict[str, tuple[float, float]]:
    """Return DSC and true volume in ml for each organ that the truth has."""
    image = sitk.DICOMOrient(sitk.ReadImage(str(truth)), "LPS")
    voxel_ml = float(np.prod(image.GetSpacing())) / 1000
    truth_labels = sitk.GetArrayFromImage(image)
    pred_labels = sitk.GetArrayFromImage(sitk.DICOMOrient(sitk.ReadImage(str(pred)), "LPS"))
    dsc = dice_per_organ(truth_labels, pred_labels, ORGANS)
    volumes = {o.key: voxel_ml * np.count_nonzero(truth_labels == o.value) for o in ORGANS}
    return {key: (dsc[key] or 0.0, volume) for key, volume in volumes.items() if volume}


def main(truth_folder: Path, pred_folder: Path) -> None:
    """Print a table in Markdown: organs down, cases across."""
    cases = sorted(p.parent.name for p in truth_folder.glob("*/label.nii.gz"))
    found = {
        case: scores(truth_folder / case / "label.nii.gz", pred_folder / f"{case}.nii.gz")
        for case in cases
    }
    print("| organ | " + " | ".join(cases) + " |\n|---|" + "---|" * len(cases))
    for organ in ORGANS:
        cells = [found[case].get(organ.key) for case in cases]
        print(f"| {organ.name} | " + " | ".join(_cell(cell) for cell in cells) + " |")
    means = [
        np.mean([dsc for dsc, volume in found[case].values() if volume >= SLIVER_ML])
        for case in cases
    ]
    print("| **mean** | " + " | ".join(f"**{mean:.3f}**" for mean in means) + " |")


def _cell(cell: tuple[float, float] | None) -> str:
    if cell is None:
        return "not in the scan"
    return f"{cell[0]:.3f}" + ("" if cell[1] >= SLIVER_ML else " (sliver, not in the mean)")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
