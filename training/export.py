"""Stage 7: the averaged student as a model folder; fails if onnxruntime and torch disagree."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from FlareSegLib.base.atomic import atomic
from FlareSegLib.base.config import ModelConfig
from FlareSegLib.base.errors import ModelError
from FlareSegLib.base.label_file import write_labels
from FlareSegLib.base.model_file import read_model_config
from FlareSegLib.inference.network import FlatOnnxNetwork, OnnxNetwork
from FlareSegLib.inference.student import Student
from training.cases.index import read_index
from training.cases.store import THREADS, load_ct
from training.config import Config, run_stage
from training.loop.checkpoint import load, save, weights
from training.networks import build
from training.networks.model import new_student
from training.result import onnx_file
from training.result.model_card import parameters, write_card
from training.result.quantize import write_int8

FAST, ACCURATE = "model_int8.onnx", "model_accurate.onnx"
"""The variant for speed "fast", the larger network for speed "accurate"."""
CALIBRATION_CASES = 12
LEAST_AGREEMENT = 0.9
"""Dice of all organs together, of the labels of the variant against those of the network."""
TOLERANCE = 1e-3
"""Largest difference of logits, relative to their range."""


def load_student(config: Config) -> nn.Module:
    """Return the averaged student of the checkpoint, ready for inference.

    Without a checkpoint: student.start, which was trained elsewhere. With export.start_share, mixed
    with the weights that it started from (Wortsman et al., Robust fine-tuning of zero-shot models,
    CVPR 2022).

    Raises:
        ValueError: They are to be mixed, but it started from none.
    """
    model, share = new_student(config), config.export.start_share
    path = config.work / "distill" / "checkpoint.pt"
    if config.student.start and not path.exists():
        model.load_state_dict(weights(config.student.start))
        return model.eval()
    state = dict(load(path)["average"])
    if share:
        if not config.student.start:
            raise ValueError(f"export.start_share is {share}, but student.start is not set: set it")
        start = weights(config.student.start)
        state = {
            k: v.lerp(start[k], share) if v.is_floating_point() else v for k, v in state.items()
        }
    model.load_state_dict(state)
    return model.eval()


def load_accurate(config: Config) -> nn.Module | None:
    """Return the larger student for speed "accurate"; None where the config has none."""
    if not config.accurate.start:
        return None
    model = build.new_student(config.accurate, config.data.classes)
    model.load_state_dict(weights(config.accurate.start))
    return model.eval()


class Flat(nn.Module):
    """A student as the chain of 2-D convolutions that it is, for one height of window (flat.py)."""

    def __init__(self, student: Student, height: int) -> None:
        super().__init__()
        self.student, self.rows = student, height // 2

    def forward(self, cells: Tensor) -> Tensor:
        """Return logits (1, classes, rows, columns) of cells (1, 8, rows, columns)."""
        logits: Tensor = self.student.head(self.student.flat_features(cells, self.rows)[1][0])
        return logits


def write_onnx(model: nn.Module, window: tuple[int, ...], path: Path) -> None:
    """Write the network, BatchNorm folded in.

    A flat student is written for windows (z, y, x) of one height, z and x free; another one for
    just this window.
    """
    if isinstance(model, Student):
        z, y, x = (n // 2 for n in window)
        cells = torch.zeros(1, 8, z * y, x)
        proto = onnx_file.traced(Flat(model, window[1]).eval(), {"cells": cells}, path)
        for value in (proto.graph.input[0], proto.graph.output[0]):
            for axis, name in ((2, "rows"), (3, "columns")):
                value.type.tensor_type.shape.dim[axis].dim_param = name
    else:
        proto = onnx_file.traced(model, {"window": torch.zeros(1, 1, *window)}, path)
    onnx_file.write(proto, path)


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def write_facts(config: Config, model: nn.Module, folder: Path) -> ModelConfig:
    """Write model.json and labels.json; return what they say."""
    facts: dict[str, object] = {
        "window": config.export.window,
        "sha256": _sha256(folder / "model.onnx"),
        "spacing_mm": config.data.spacing_mm,
        "hu_range": config.data.hu_range,
        "hu_mean": config.data.hu_mean,
        "hu_sd": config.data.hu_sd,
        "labels": config.data.keys,
        "logits_stride": int(model.logits_stride),  # type: ignore[arg-type]
        "is_flat": isinstance(model, Student),
    }
    if config.export.flips:
        facts["flips"] = config.export.flips
    if isinstance(model, Student):
        facts |= {"fast_onnx": FAST, "fast_sha256": _sha256(folder / FAST)}
    if config.accurate.start:
        facts |= {"accurate_onnx": ACCURATE, "accurate_sha256": _sha256(folder / ACCURATE)}
    named = {"name": config.export.name, "version": config.export.version, **facts}
    write_labels(config.data.label_set, folder)
    with atomic(folder / "model.json") as part:
        part.write_text(json.dumps(named, indent=2) + "\n", encoding="utf-8")
    return read_model_config(folder)


def real_windows(
    config: Config, shape: tuple[int, ...], count: int = 3
) -> list[NDArray[np.float32]]:
    """Return normalized windows from the middle of some cases, padded with air."""
    found = []
    for case in [entry.case for entry in read_index(config)][:count]:
        hu = load_ct(config.work, case)
        start = [max(0, (n - m) // 2) for n, m in zip(hu.shape, shape, strict=True)]
        box = tuple(slice(a, a + n) for a, n in zip(start, shape, strict=True))
        missing = [(0, n - m) for n, m in zip(shape, hu[box].shape, strict=True)]
        padded = np.pad(hu[box], missing, constant_values=-1024).astype(np.float32)
        found.append(
            (padded.clip(*config.data.hu_range) - config.data.hu_mean)
            / np.float32(config.data.hu_sd)
        )
    return found


def check_parity(model: nn.Module, config: Config, facts: ModelConfig, folder: Path) -> float:
    """Return the largest difference of logits between torch and onnxruntime on real windows.

    Raises:
        ModelError: It is more than TOLERANCE of the range of the logits.
    """
    network = (FlatOnnxNetwork if facts.is_flat else OnnxNetwork)(folder, facts, THREADS)
    shape: tuple[int, ...] = facts.window
    if facts.is_flat:  # it takes other heights than the one that it was written for
        shape = (shape[0], shape[1] + 32, shape[2] + 16)
    worst = 0.0
    for window in real_windows(config, shape):
        with torch.no_grad():
            expected = model(torch.from_numpy(window)[None, None])[0].numpy()
        difference = float(np.abs(network(window) - expected).max())
        worst = max(worst, difference)
        if difference > TOLERANCE * float(np.ptp(expected)):
            raise ModelError(
                f"onnxruntime and torch differ by {difference:.2g} in {folder}: it is not to be "
                "used; try another version of torch or onnxruntime"
            )
    return worst


def check_int8(config: Config, facts: ModelConfig, folder: Path) -> float:
    """Return the overlap (Dice) of organ voxels between the network and its int8 variant.

    Raises:
        ModelError: It is less than LEAST_AGREEMENT.
    """
    both = [FlatOnnxNetwork(folder, facts.at_speed(s), THREADS) for s in ("balanced", "fast")]
    same = found = 0
    for window in real_windows(config, facts.window):
        exact, fast = (network(window).argmax(axis=0) for network in both)
        same += 2 * int(np.count_nonzero((exact == fast) & (exact > 0)))
        found += int(np.count_nonzero(exact)) + int(np.count_nonzero(fast))
    agreement = same / found if found else 1.0
    if agreement < LEAST_AGREEMENT:
        raise ModelError(f"{FAST} agrees only to {agreement:.3f}: calibrate on other CTs")
    return agreement


def save_weights(model: nn.Module, path: Path) -> None:
    """Write the averaged weights alone, to start another run from (`start` in the config)."""
    save(path, model.state_dict())


def main(config: Config, resume: bool = False) -> None:
    """Write work/<name> (model.onnx, model.json, MODEL_CARD.md) and distill/weights.pt.

    Raises:
        ValueError: The model is to look at mirrored windows, but never learned them.
    """
    if config.export.flips and not config.augment.mirror:
        raise ValueError("export.flips needs augment.mirror above 0: the network must know flips")
    folder = config.work / config.export.name
    folder.mkdir(parents=True, exist_ok=True)
    model = load_student(config)
    save_weights(model, config.work / "distill" / "weights.pt")
    write_onnx(model, config.export.window, folder / "model.onnx")
    if isinstance(model, Student):
        windows = real_windows(config, config.export.window, CALIBRATION_CASES)
        write_int8(folder / "model.onnx", folder / FAST, windows)
    accurate = load_accurate(config)
    if accurate is not None:
        write_onnx(accurate, config.export.window, folder / ACCURATE)
    facts = write_facts(config, model, folder)
    worst = check_parity(model, config, facts, folder)
    if accurate is not None:
        worst = max(worst, check_parity(accurate, config, facts.at_speed("accurate"), folder))
    counts = {"parameters": parameters(model)}
    if accurate is not None:
        counts["accurate_parameters"] = parameters(accurate)
    write_card(config, folder, {**counts, "parity": worst})
    size = (folder / "model.onnx").stat().st_size / 2**20
    print(f"{folder}: {size:.1f} MiB, largest difference of logits {worst:.2g}")
    if facts.is_flat:
        print(f"{FAST}: {check_int8(config, facts, folder):.3f} of the organs' voxels are the same")


if __name__ == "__main__":
    run_stage(main)
