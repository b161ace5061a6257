"""Seconds and peak memory of FlareSeg beside nnU-Net's own predictor, one after the other.

    python -m Testing.nnunet.race WORK [--ct CT] [--rounds N] [--tta] [--runtime RUNTIME ...]

A network of usual size (3d_fullres, 32 to 320 features, patch 128 x 128 x 128, as nnunetv2 plans
it for CTs of 1.5 mm) with random weights and a last layer fitted to a phantom is imported; both
programs segment one CT of 512 x 512 x 215 at the same step. Needs torch, nnunetv2, and minutes.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from FlareSegLib.models.sources import Wanted, import_from
from Testing.benchmarks.timing import Program, interleaved, machine, segment
from Testing.benchmarks.volumes import LARGE_XYZ, on_grid, source_ct, written
from Testing.nnunet.oracle import agreement
from Testing.nnunet.planned import Wish, untrained

USUAL = Wish(811, "usual", (222, 240, 240), (1.5, 1.5, 1.5))
SPEEDS = {True: "accurate", False: "balanced"}


def programs(work: Path, ct: Path, runtimes: list[str], *, mirrored: bool) -> list[Program]:
    """Return FlareSeg with each runtime, then nnU-Net; the network is made if it is not there."""
    models = work / "models"
    trained = next((work / "nnUNet_results" / USUAL.dataset).glob("*__3d_fullres"), None)
    trained = trained or untrained(USUAL, work)
    model = next(models.glob("usual-*"), None) or import_from(trained, Wanted(name="usual"), models)
    options = ["--model", str(model), "--speed", SPEEDS[mirrored], "--device", "cpu"]
    ours = [segment(one, ct, work, *options, "--runtime", one) for one in runtimes]
    command = [sys.executable, "-m", "Testing.nnunet.predict", str(trained), str(ct)]
    command += [str(work / "theirs"), *(["--tta"] if mirrored else [])]
    return [*ours, Program("nnU-Net", command)]


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


def main() -> None:
    """Run both programs and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("work", type=Path)
    parser.add_argument("--ct", type=Path)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--tta", action="store_true", help="with mirrored looks: 8 times as long")
    parser.add_argument("--runtime", nargs="+", default=["openvino", "onnxruntime"])
    options = parser.parse_args()
    work = options.work.resolve()
    work.mkdir(parents=True, exist_ok=True)
    image, name = source_ct(options.ct)
    ct = written(on_grid(image, LARGE_XYZ), work / "ct.nii.gz")
    found = programs(work, ct, options.runtime, mirrored=options.tta)
    interleaved(found, options.rounds)
    print(f"{name} on {LARGE_XYZ} voxels; {machine()}")
    print("\n".join(rows(found, work, ct)))


if __name__ == "__main__":
    main()
