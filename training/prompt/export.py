"""Write the model folder of a trained network of prompts; fails if onnxruntime and torch disagree.

python -m training.prompt.export CHECKPOINT FOLDER --version 1.3.0 --slices FILE
"""

from __future__ import annotations

import argparse
import hashlib
import json
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import onnx
import torch
from torch import Tensor, nn

from FlareSegLib.base.atomic import atomic
from FlareSegLib.base.errors import ModelError
from FlareSegLib.prompting.channels import NAMES
from FlareSegLib.prompting.prompt_network import CropNetwork, load_prompt_network
from training.loop.checkpoint import weights
from training.networks.prompt import CropNet, slice_net
from training.prompt.crops import RATIO
from training.result import onnx_file

SLICE = (2, 96, 96)
"""Voxels of a crop of one slice."""
TOLERANCE, TOLERANCE_BYTES = 1e-3, 2e-2
"""Largest difference of logits, relative to their range: of weights in half precision, in bytes."""
Store = Callable[[onnx.ModelProto], onnx.ModelProto]
"""How weights are kept: see onnx_file."""


class _OnCells(nn.Module):
    def __init__(self, network: CropNet, rows: int) -> None:
        super().__init__()
        self.network, self.rows = network, rows

    def forward(self, cells: Tensor) -> Tensor:
        return self.network.on_cells(cells, self.rows)


def write_onnx(network: CropNet, shape: Sequence[int], path: Path, store: Store) -> None:
    """Write a network for crops of one shape (z, y, x), BatchNorm folded in."""
    z, y, x = shape
    cells = torch.zeros(1, 8 * network.inputs, z * y // 4, x // 2)
    proto = onnx_file.traced(_OnCells(network, y // 2).eval(), {"cells": cells}, path)
    onnx_file.write(store(proto), path)


def export(
    network: CropNet,
    shape: Sequence[int],
    folder: Path,
    version: str,
    one_slice: CropNet | None = None,
) -> float:
    """Write networks and model.json; return the largest difference of logits to onnxruntime's.

    Args:
        network: Of boxes; its weights are kept in half precision, those of the other in bytes.
        shape: Voxels (z, y, x) of its crops.
        folder: Of the model; its name is the model's.
        version: Of the model.
        one_slice: The network of one slice.

    Raises:
        ModelError: They differ by more than TOLERANCE of the range of the logits.
    """
    folder.mkdir(parents=True, exist_ok=True)
    facts = {
        "kind": "crop",
        "name": folder.name,
        "version": version,
        **_written(network, shape, folder / "model.onnx", onnx_file.halved),
        "ratio": RATIO,
        "channels": list(NAMES),
    }
    if one_slice:
        path = folder / "model_slice.onnx"
        facts["one_slice"] = _written(one_slice, SLICE, path, onnx_file.in_bytes)
    with atomic(folder / "model.json") as part:
        part.write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8")
    loaded = load_prompt_network(folder, 1)
    worst = _difference(network, loaded, TOLERANCE)
    if one_slice and loaded.one_slice:
        worst = max(worst, _difference(one_slice, loaded.one_slice, TOLERANCE_BYTES))
    return worst


def _written(network: CropNet, shape: Sequence[int], path: Path, store: Store) -> dict[str, object]:
    """Write a network; return what model.json says of it."""
    write_onnx(network.eval(), shape, path, store)
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    return {"onnx": path.name, "sha256": sha256, "grid": list(shape)}


def _difference(network: CropNet, loaded: CropNetwork, tolerance: float) -> float:
    grid = loaded.config.grid
    crop = np.random.default_rng(0).normal(0, 1, (len(NAMES), *grid)).astype(np.float32)
    with torch.no_grad():
        expected = network(torch.from_numpy(crop)[None])[0, 0].numpy()
    worst = float(np.abs(loaded(crop) - expected).max())
    if worst > tolerance * float(np.ptp(expected)):
        raise ModelError(f"onnxruntime and torch differ by {worst:.2g}: try other versions of them")
    return worst


def main() -> None:
    """Export what the command line names."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--version", required=True)
    parser.add_argument("--grid", type=int, nargs=3, default=(32, 64, 64))
    parser.add_argument("--slices", type=Path, help="checkpoint of the network of one slice")
    said = parser.parse_args()
    network, one_slice = CropNet(), slice_net() if said.slices else None
    network.load_state_dict(weights(said.checkpoint))
    if one_slice:
        one_slice.load_state_dict(weights(said.slices))
    worst = export(network, said.grid, said.folder, said.version, one_slice)
    print(f"{said.folder}: largest difference of logits {worst:.2g}")


if __name__ == "__main__":
    main()
