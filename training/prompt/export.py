"""Write the model folder of a trained network of prompts; fails if onnxruntime and torch disagree.

python -m training.prompt.export CHECKPOINT FOLDER --version 1.0.0
"""

from __future__ import annotations

import argparse
import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from FlareSegLib.base.atomic import atomic
from FlareSegLib.base.errors import ModelError
from FlareSegLib.prompting.channels import NAMES
from FlareSegLib.prompting.prompt_network import load_prompt_network
from training.loop.checkpoint import weights
from training.networks.prompt import CropNet
from training.result import onnx_file

RATIO = 1.5
"""Size of the crop, in sizes of the box."""
TOLERANCE = 1e-3
"""Largest difference of logits, relative to their range."""


class _OnCells(nn.Module):
    def __init__(self, network: CropNet, rows: int) -> None:
        super().__init__()
        self.network, self.rows = network, rows

    def forward(self, cells: Tensor) -> Tensor:
        return self.network.on_cells(cells, self.rows)


def write_onnx(network: CropNet, shape: Sequence[int], path: Path) -> None:
    """Write the network, BatchNorm folded in, for crops of one shape (z, y, x)."""
    z, y, x = shape
    cells = torch.zeros(1, 8 * network.inputs, z * y // 4, x // 2)
    proto = onnx_file.traced(_OnCells(network, y // 2).eval(), {"cells": cells}, path)
    onnx_file.write(proto, path)


def export(network: CropNet, shape: Sequence[int], folder: Path, version: str) -> float:
    """Write model.onnx and model.json; return the largest difference of logits to onnxruntime's.

    Raises:
        ModelError: It is more than TOLERANCE of the range of the logits.
    """
    folder.mkdir(parents=True, exist_ok=True)
    network = network.eval()
    write_onnx(network, shape, folder / "model.onnx")
    facts = {
        "kind": "crop",
        "name": folder.name,
        "version": version,
        "onnx": "model.onnx",
        "sha256": hashlib.sha256((folder / "model.onnx").read_bytes()).hexdigest(),
        "grid": list(shape),
        "ratio": RATIO,
        "channels": list(NAMES),
    }
    with atomic(folder / "model.json") as part:
        part.write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8")
    crop = np.random.default_rng(0).normal(0, 1, (len(NAMES), *shape)).astype(np.float32)
    with torch.no_grad():
        expected = network(torch.from_numpy(crop)[None])[0, 0].numpy()
    worst = float(np.abs(load_prompt_network(folder, 1)(crop) - expected).max())
    if worst > TOLERANCE * float(np.ptp(expected)):
        raise ModelError(f"onnxruntime and torch differ by {worst:.2g}: try other versions of them")
    return worst


def main() -> None:
    """Export what the command line names."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--version", required=True)
    parser.add_argument("--grid", type=int, nargs=3, default=(32, 64, 64))
    said = parser.parse_args()
    network = CropNet()
    network.load_state_dict(weights(said.checkpoint))
    worst = export(network, said.grid, said.folder, said.version)
    print(f"{said.folder}: largest difference of logits {worst:.2g}")


if __name__ == "__main__":
    main()
