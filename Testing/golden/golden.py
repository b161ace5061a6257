"""Golden cases: what the pipeline made of a phantom when somebody last looked.

A case is a folder with input.json (how to make the phantom and run) and expected.nii.gz.
`make golden` writes expected.nii.gz anew and prints the DSC of old and new per organ, so that a
change of behaviour is seen in review.
"""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from FlareSegLib.base.geometry import Volume
from FlareSegLib.base.model_file import read_model_config
from FlareSegLib.base.run_options import RunOptions
from FlareSegLib.evaluation.metrics import dice_per_organ
from FlareSegLib.images.writing import write_labelmap
from FlareSegLib.inference.network import OnnxNetwork
from FlareSegLib.pipeline import Result, segment
from Testing.flare import ORGANS
from Testing.phantoms import abdomen
from Testing.tiny_model import threshold_model, write_model

CASES = Path(__file__).parent / "cases"


def names() -> list[str]:
    """Return the names of the cases."""
    return sorted(path.parent.name for path in CASES.glob("*/input.json"))


def run(name: str) -> Result:
    """Segment the phantom of a case with a network that tells organs by their HU."""
    facts = json.loads((CASES / name / "input.json").read_text(encoding="utf-8"))
    volume, _ = abdomen(tuple(facts["shape"]), tuple(facts["spacing_mm"]), **facts["phantom"])
    array = volume.array.copy()
    for box, hu in facts.get("painted", []):
        array[tuple(slice(*edge) for edge in box)] = hu
    with tempfile.TemporaryDirectory() as folder:
        model = write_model(Path(folder) / "model", threshold_model((32, 48, 48)), **facts["model"])
        config = read_model_config(model)
        network = OnnxNetwork(model, config, 1)
        return segment(Volume(array, volume.grid), network, config, RunOptions(**facts["options"]))


def expected(name: str) -> NDArray[np.uint8]:
    """Return the labels (z, y, x) that were looked at."""
    image = sitk.ReadImage(str(CASES / name / "expected.nii.gz"))
    labels: NDArray[np.uint8] = sitk.GetArrayFromImage(image)
    return labels


def main() -> None:
    """Write all cases anew; print what changed."""
    for name in names():
        found = run(name).labelmap
        path = CASES / name / "expected.nii.gz"
        if path.exists():
            scores = dice_per_organ(expected(name), found.array, ORGANS)
            changed = {key: round(dsc, 4) for key, dsc in scores.items() if dsc not in (None, 1.0)}
            print(f"{name}: {changed or 'unchanged'}")
        write_labelmap(found, path)


if __name__ == "__main__":
    main()
