"""Seconds and peak memory, file to file, interleaved in one run, with the seconds of each step.

Rows: every speed; OpenVINO (bfloat16 where the processor has it); the class-wise restoration of
paper 1; one thread (a ward's laptop); the previous release; the peer in the plain nnU-Net way.
"""

from __future__ import annotations

import importlib.util
import io
import subprocess
import sys
import tarfile
from collections.abc import Callable
from pathlib import Path

from FlareSegLib.base.errors import FlareSegError
from FlareSegLib.base.progress import silent
from FlareSegLib.evaluation.evaluate import EvaluationJob, evaluate
from FlareSegLib.evaluation.scores import Rules
from Testing.benchmarks.timing import ROOT, Program, segment, timed
from Testing.flare import FLARE

PEER = Path(__file__).with_name("peer.py")
ORT = ("--runtime", "onnxruntime")
VARIANTS = {
    "fast": ("--speed", "fast", *ORT),
    "balanced": ORT,
    "accurate": ("--speed", "accurate", *ORT),
    "balanced, class-wise restoration": ("--restore", "classwise", *ORT),
    "balanced, 1 thread": ("--threads", "1", *ORT),
    "fast, OpenVINO": ("--speed", "fast", "--runtime", "openvino"),
    "balanced, OpenVINO": ("--runtime", "openvino"),
}
PREVIOUS = "previous release"
Way = Callable[[Path, Path, str], Program]
"""Takes a CT, the folder for its labels and their name."""


def programs(ct: Path, folder: Path, previous: str, peer: Path | None) -> list[Program]:
    """Return the programs to compare; says what is left out."""
    found = [segment(name, ct, folder, *VARIANTS[name]) for name in _possible()]
    if tree := previous_tree(previous, folder):
        found.append(segment(PREVIOUS, ct, folder, *ORT, tree=tree))
    if peer is None:
        print("left out: the peer (give --peer WEIGHTS.onnx)")
        return found
    plain = [sys.executable, str(PEER), str(peer), str(ct), str(folder / "peer.nii.gz")]
    return [*found, Program("peer, plain lean way", [*plain, "--nearest"])]


def _possible() -> list[str]:
    if importlib.util.find_spec("openvino"):
        return list(VARIANTS)
    print("left out: OpenVINO is not installed")
    return [name for name in VARIANTS if "OpenVINO" not in name]


def previous_tree(revision: str, folder: Path) -> Path | None:
    """Return a copy of the repository at a revision; None, and says so, where git lacks it."""
    packed = subprocess.run(["git", "archive", revision], cwd=ROOT, capture_output=True)
    if packed.returncode:
        print(f"left out: the previous release ({packed.stderr.decode().strip()})")
        return None
    tree = folder / "previous"
    with tarfile.open(fileobj=io.BytesIO(packed.stdout)) as archive:
        archive.extractall(tree, filter="data")
    return tree


def scores(truth: Path | None, folder: Path, previous: str) -> dict[str, float]:
    """Return the mean DSC of each variant on CTs with a truth (<case>/ct.nii.gz, label.nii.gz)."""
    if truth is None:
        print("left out: DSC (give --truth DIR)")
        return {}
    trees = {name: (ROOT, VARIANTS[name]) for name in _possible()}
    tree = folder / "previous"
    if tree.exists() or previous_tree(previous, folder):
        trees[PREVIOUS] = (tree, ORT)

    def way(of: tuple[Path, tuple[str, ...]]) -> Way:
        return lambda ct, pred, name: segment(name, ct, pred, *of[1], tree=of[0])

    return {name: score(truth, folder / f"pred {name}", way(of)) for name, of in trees.items()}


def score(truth: Path, pred: Path, way: Way) -> float:
    """Return the mean DSC of a way to segment the CTs of a folder, written to pred."""
    pred.mkdir()
    truth = truth.resolve()  # the previous release runs in a folder of its own
    for case in sorted(path.parent for path in truth.glob("*/ct.nii.gz")):
        program = way(case / "ct.nii.gz", pred, case.name)
        timed(program.command, program.folder)
    try:
        found = evaluate(
            EvaluationJob(truth, pred), Rules(FLARE, absent="skip", sliver_ml=3.0), silent
        )
    except FlareSegError as error:
        raise SystemExit(f"{error}") from error
    overall = found.means[-1].dsc
    return overall.mean if overall else 0.0
