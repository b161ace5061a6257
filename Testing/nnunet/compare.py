"""FlareSeg beside nnU-Net's own predictor.

    python -m Testing.nnunet.compare WORK [--ct CT] [NAME ...]

Imports each trained nnU-Net, lets both programs segment a phantom (or a CT), with mirrored looks
and without, and prints the DSC of the two labelmaps, label by label. Needs torch and nnunetv2.
"""

from __future__ import annotations

import sys
from pathlib import Path

from FlareSegLib.base.job import Job
from FlareSegLib.base.run_options import RunOptions
from FlareSegLib.models.sources import Wanted, import_from
from FlareSegLib.pipeline import segment_file
from Testing.nnunet import oracle
from Testing.nnunet.worlds import WORLDS, case
from Testing.phantoms import save

TRAINED = Path(__file__).parent / "trained"
NEW_CASE = 50
"""No case of this number was trained on."""
SPEEDS = {True: "accurate", False: "balanced"}
"""Whether looks are mirrored, and at which speed FlareSeg does the same."""


def compare(
    name: str, work: Path, image: Path | None = None, zipped: Path | None = None
) -> dict[bool, dict[int, float]]:
    """Return the DSC of FlareSeg's and nnU-Net's labels, with mirrored looks and without.

    Args:
        name: Of the world.
        work: Folder for all that is made.
        image: None: a phantom of the world.
        zipped: The trained nnU-Net; None: the one in the repository.
    """
    world, zipped = WORLDS[name], zipped or TRAINED / f"{name}.zip"
    work.mkdir(parents=True, exist_ok=True)
    if image is None:
        image = work / f"{name}.nii.gz"
        save(case(world, NEW_CASE)[0], image)
    model = import_from(zipped, Wanted(name=name), work / "models")
    trained = oracle.unpack(zipped, work / f"unpacked_{name}")
    found = {}
    for mirrored, speed in SPEEDS.items():
        theirs = oracle.predict(
            trained, image, work / f"{name}_{mirrored}", folds=world.folds, mirrored=mirrored
        )
        ours = work / f"{name}_{speed}.nii.gz"
        options = RunOptions(speed=speed, runtime="onnxruntime", device="cpu")
        segment_file(Job(image, ours), model, options)
        found[mirrored] = oracle.agreement(theirs, ours)
    return found


def main(words: list[str]) -> None:
    """Compare what is named, or all."""
    work, *names = words
    image = None
    if "--ct" in names:
        at = names.index("--ct")
        image = Path(names[at + 1]).resolve()
        del names[at : at + 2]
    for name in names or WORLDS:
        for mirrored, agreement in compare(name, Path(work).resolve(), image).items():
            each = ", ".join(f"{value}: {dsc:.4f}" for value, dsc in agreement.items())
            print(
                f"{name:<8} {'mirrored' if mirrored else 'plain':<8} {each or 'no label'}",
                flush=True,
            )


if __name__ == "__main__":
    main(sys.argv[1:])
