"""Seconds and peak memory of FlareSeg beside nnU-Net's own predictor, one after the other.

    python -m Testing.nnunet.race WORK [--ct CT] [--cube MM] [--rounds N] [--tta]
        [--run RUNTIME:SPEED ...]

A network of usual size (3d_fullres, 32 to 320 features, patch 128 x 128 x 128, as nnunetv2 plans
it for CTs of 1.5 mm) with random weights and a last layer fitted to a phantom is imported; both
programs segment one CT of 512 x 512 x 215 at the same step, without mirrored looks at any speed
if they are not asked for. Needs torch, nnunetv2, and minutes.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
from pathlib import Path

import SimpleITK as sitk

from FlareSegLib.base.model_file import MODEL_JSON
from FlareSegLib.models.sources import Wanted, import_from
from Testing.benchmarks.timing import Program, interleaved, machine, segment
from Testing.benchmarks.volumes import LARGE_XYZ, on_grid, source_ct, written
from Testing.nnunet.oracle import agreement
from Testing.nnunet.planned import Wish, untrained

USUAL = Wish(811, "usual", (222, 240, 240), (1.5, 1.5, 1.5))
RUNS = {
    True: ["openvino:accurate", "onnxruntime:accurate"],
    False: ["openvino:balanced", "openvino:accurate", "onnxruntime:balanced"],
}
"""Runtimes and speeds, by whether looks are mirrored."""


def programs(work: Path, ct: Path, runs: list[str], *, mirrored: bool) -> list[Program]:
    """Return FlareSeg for each run, then nnU-Net; the network is made if it is not there."""
    models = work / "models"
    trained = next((work / "nnUNet_results" / USUAL.dataset).glob("*__3d_fullres"), None)
    trained = trained or untrained(USUAL, work)
    model = next(models.glob("usual-*"), None) or import_from(trained, Wanted(name="usual"), models)
    model = model if mirrored else unmirrored(model, work / "unmirrored")
    ours = []
    for run in runs:
        runtime, speed = run.split(":")
        options = ["--model", str(model), "--speed", speed, "--device", "cpu"]
        ours.append(segment(f"{runtime} {speed}", ct, work, *options, "--runtime", runtime))
    command = [sys.executable, "-m", "Testing.nnunet.predict", str(trained), str(ct)]
    command += [str(work / "theirs"), *(["--tta"] if mirrored else [])]
    return [*ours, Program("nnU-Net", command)]


def unmirrored(model: Path, folder: Path) -> Path:
    """Return a copy of a model that looks once at every speed."""
    shutil.copytree(model, folder, dirs_exist_ok=True)
    facts = json.loads((folder / MODEL_JSON).read_text(encoding="utf-8"))
    (folder / MODEL_JSON).write_text(json.dumps(facts | {"flips": []}), encoding="utf-8")
    return folder


def rows(found: list[Program], work: Path, ct: Path) -> list[str]:
    """Return a line of Markdown for each program; DSC is of its labels and nnU-Net's."""
    lines = ["| | seconds | CPU seconds | peak MiB | least DSC of a label |", "|---" * 5 + "|"]
    for one in found:
        least = ""
        if one.report:
            ours = one.report.with_name(one.report.name.replace(".report.json", ".nii.gz"))
            dsc = agreement(work / "theirs" / ct.name, ours)
            least = f"{min(dsc.values()):.4f} of {len(dsc)} labels"
        times = (", ".join(f"{s:.0f}" for s in each) for each in (one.seconds, one.cpu_seconds))
        lines.append(f"| {' | '.join([one.name, *times, f'{max(one.peak_mib):.0f}', least])} |")
    return lines


def middle(image: sitk.Image, width_mm: float) -> sitk.Image:
    """Return a cube about the middle; where the image is thinner, all of it."""
    pairs = zip(image.GetSize(), image.GetSpacing(), strict=True)
    size = [min(n, round(width_mm / mm)) for n, mm in pairs]
    first = [(n - m) // 2 for n, m in zip(image.GetSize(), size, strict=True)]
    return sitk.RegionOfInterest(image, size, first)


def main() -> None:
    """Run both programs and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("work", type=Path)
    parser.add_argument("--ct", type=Path)
    parser.add_argument("--cube", type=float, help="only the middle of the CT, so many mm wide")
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--tta", action="store_true", help="with mirrored looks: 8 times as long")
    parser.add_argument("--run", nargs="+", help="such as openvino:accurate")
    options = parser.parse_args()
    work = options.work.resolve()
    work.mkdir(parents=True, exist_ok=True)
    image, name = source_ct(options.ct)
    image = on_grid(image, LARGE_XYZ)
    image = middle(image, options.cube) if options.cube else image
    ct = written(image, work / "ct.nii.gz")
    found = programs(work, ct, options.run or RUNS[options.tta], mirrored=options.tta)
    interleaved(found, options.rounds)
    print(f"{name} on {image.GetSize()} voxels; {machine()}")
    print("\n".join(rows(found, work, ct)))


if __name__ == "__main__":
    main()
