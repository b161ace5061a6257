"""Write the model folder of a trained network of prompts; fails if onnxruntime and torch disagree.

python -m training.prompt.export CHECKPOINT FOLDER --version 1.4.0 --slices FILE --correction FILE
"""

from __future__ import annotations

import argparse
import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

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

OTHERS = {
    "one_slice": ("model_slice.onnx", (2, 96, 96)),
    "correction": ("model_correction.onnx", (24, 40, 40)),
}
"""Networks beside that of boxes, as model.json names them: file, and voxels (z, y, x) of a crop."""
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
    others: Mapping[str, CropNet] = MappingProxyType({}),
) -> float:
    """Write networks and model.json; return the largest difference of logits to onnxruntime's.

    Args:
        network: Of boxes; its weights are kept in half precision, those of the others in bytes.
        shape: Voxels (z, y, x) of its crops.
        folder: Of the model; its name is the model's.
        version: Of the model.
        others: Networks beside it, by their names in OTHERS.

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
    for name, other in others.items():
        file, crop = OTHERS[name]
        facts[name] = _written(other, crop, folder / file, onnx_file.in_bytes)
    with atomic(folder / "model.json") as part:
        part.write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8")
    loaded = load_prompt_network(folder, 1)
    found = [_difference(network, loaded, TOLERANCE)]
    for name, other in others.items():
        found.append(_difference(other, getattr(loaded, name), TOLERANCE_BYTES))
    return max(found)


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


def _loaded(network: CropNet, path: Path) -> CropNet:
    network.load_state_dict(weights(path))
    return network


def main() -> None:
    """Export what the command line names."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--version", required=True)
    parser.add_argument("--grid", type=int, nargs=3, default=(32, 64, 64))
    parser.add_argument("--slices", type=Path, help="checkpoint of the network of one slice")
    parser.add_argument("--correction", type=Path, help="checkpoint of the network that corrects")
    said = parser.parse_args()
    network, others = _loaded(CropNet(), said.checkpoint), {}
    if said.slices:
        others["one_slice"] = _loaded(slice_net(), said.slices)
    if said.correction:
        others["correction"] = _loaded(CropNet(), said.correction)
    worst = export(network, said.grid, said.folder, said.version, others)
    print(f"{said.folder}: largest difference of logits {worst:.2g}")


if __name__ == "__main__":
    main()
