"""Write encoder.onnx and decoder.onnx of a student; fails if onnxruntime and torch disagree.

python -m training.prompt.embed.export CONFIG.toml FOLDER
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch

from FlareSegLib.base.errors import ModelError
from FlareSegLib.inference.network import open_session
from training.networks.embed import EmbedNet, EmbedSizes
from training.networks.repvit import RepVit
from training.prompt.embed.train import load_student
from training.prompt.embed.volume import Array
from training.prompt.export import TOLERANCE
from training.prompt.settings import read_embed_settings
from training.result import onnx_file


class OnnxNetwork:
    """A student in two ONNX files: a slice costs the encoder once, each box the decoder once."""

    def __init__(self, folder: Path, threads: int = 1) -> None:
        """Load encoder.onnx and decoder.onnx."""
        paths = (folder / name for name in ("encoder.onnx", "decoder.onnx"))
        self._encoder, self._decoder = (
            open_session(path.read_bytes(), path, threads) for path in paths
        )
        self.image = int(self._encoder.get_inputs()[0].shape[-1])

    def embed(self, slices: Array) -> Array:
        """Return the embedding of a slice (1, 1, image, image)."""
        found: Array = self._encoder.run(None, {"slices": slices})[0]
        return found

    def decode(self, embedding: Array, boxes: Array) -> Array:
        """Return logits (1, 1, y, x) of an embedding and a box (1, 1, 4), 0 to 1."""
        found: Array = self._decoder.run(None, {"embedding": embedding, "boxes": boxes})[0]
        return found


def export(network: EmbedNet, sizes: EmbedSizes, folder: Path) -> float:
    """Write both files, the encoder fused; return the largest difference to torch, of the range.

    Raises:
        ModelError: It is more than TOLERANCE.
    """
    folder.mkdir(parents=True, exist_ok=True)
    assert isinstance(network.encoder, RepVit)
    slices = torch.rand(1, 1, sizes.image, sizes.image)
    box = torch.tensor([[[0.2, 0.3, 0.6, 0.7]]])
    network = network.eval()
    with torch.no_grad():
        embedding = network.encoder(slices)
        logits = network.decoder(embedding, box)[0].numpy()
    encoder, decoder = folder / "encoder.onnx", folder / "decoder.onnx"
    fused, inputs = network.encoder.fused(), {"embedding": embedding, "boxes": box}
    onnx_file.write(onnx_file.traced(fused, {"slices": slices}, encoder, ["embedding"]), encoder)
    outputs = ["logits", "iou"]
    onnx_file.write(onnx_file.traced(network.decoder, inputs, decoder, outputs), decoder)
    written = OnnxNetwork(folder)
    found = written.decode(written.embed(slices.numpy()), box.numpy())
    worst = float(np.abs(found - logits).max() / np.ptp(logits))
    if worst > TOLERANCE:
        raise ModelError(f"onnxruntime and torch differ by {worst:.2g}: try other versions of them")
    return worst


def main() -> None:
    """Export what the command line names."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("config", type=Path)
    parser.add_argument("folder", type=Path)
    said = parser.parse_args()
    settings = read_embed_settings(said.config)
    worst = export(load_student(settings), settings.sizes, said.folder)
    print(f"{said.folder}: largest difference of logits {worst:.2g} of their range")


if __name__ == "__main__":
    main()
