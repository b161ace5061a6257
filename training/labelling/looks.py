"""What a teacher says of a whole CT: sliding window, from several sides (flips)."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from FlareSegLib.base.config import ModelConfig
from FlareSegLib.base.errors import ModelError
from FlareSegLib.base.geometry import Volume
from FlareSegLib.base.run_options import RunOptions
from FlareSegLib.inference.network import Network
from FlareSegLib.inference.runtimes import load_network
from FlareSegLib.inference.sliding import Sliding
from FlareSegLib.preprocessing.body import body_mask
from FlareSegLib.preprocessing.intensity import normalize
from training.config import Config
from training.loop import checkpoint
from training.loop.validate import TorchWindows
from training.machine.distributed import device_of
from training.networks.build import new_teacher
from training.sections.checks import Zyx

NO_FILE = "0" * 64
"""In place of the checksum of an ONNX file, where there is none to be checked."""


@dataclass(frozen=True)
class Labeller:
    """A teacher, ready to label."""

    network: Network
    facts: ModelConfig
    keys: tuple[str, ...]
    """Of our classes from 1 on."""

    @property
    def told(self) -> tuple[bool, ...]:
        """Which of our classes the teacher can tell, background first."""
        return (True, *(key in self.facts.labels for key in self.keys))

    def look(self, hu: Volume, flip: tuple[int, ...] = ()) -> NDArray[np.float32]:
        """Return probabilities (z, y, x, our classes) of HU on the teacher's spacing.

        Args:
            hu: Canonical.
            flip: Axes (z, y, x) that the teacher sees reversed.
        """
        array = np.ascontiguousarray(np.flip(normalize(hu, self.facts).array, flip))
        options = RunOptions(centre_first=False)
        sliding = Sliding(self.network, self.facts, options, array)
        logits = sliding.run(np.flip(body_mask(hu), flip), lambda _: None).astype(np.float32)
        logits -= logits.max(axis=-1, keepdims=True)
        np.exp(logits, out=logits)
        logits /= logits.sum(axis=-1, keepdims=True)
        return self._ours(np.flip(logits, flip))

    def _ours(self, probabilities: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return channels in our order; classes that are none of ours are background."""
        if self.facts.labels == self.keys:
            return probabilities
        ours = np.zeros((*probabilities.shape[:-1], len(self.keys) + 1), np.float32)
        for i, key in enumerate(self.facts.labels, start=1):
            if key in self.keys:
                ours[..., self.keys.index(key) + 1] = probabilities[..., i]
        ours[..., 0] = 1 - ours[..., 1:].sum(axis=-1)
        return ours


def own_facts(config: Config, window: Zyx, stride: int = 1) -> ModelConfig:
    """Return the facts of a network that was trained on this config's grid."""
    data, overlap = config.data, config.pseudo_label.overlap
    return ModelConfig(
        name=config.teacher.name, version="0", sha256=NO_FILE, spacing_mm=data.spacing_mm,
        window=window, hu_range=data.hu_range, hu_mean=data.hu_mean, hu_sd=data.hu_sd,
        labels=data.keys, logits_stride=stride, fine_overlap=overlap, coarse_overlap=overlap,
        label_set=data.label_set,
    )  # fmt: skip


def onnx_facts(config: Config) -> ModelConfig:
    """Return the facts of the teacher's ONNX file, with the checksum of the file.

    Raises:
        ModelError: The file or a fact is missing.
    """
    path = config.teacher.onnx
    if path is None or not path.is_file():
        raise ModelError(f"teacher.onnx is {path}: give the file, or train a teacher")
    facts: dict[str, Any] = dict(config.teacher.facts)
    overlap = config.pseudo_label.overlap
    facts |= {
        "sha256": hashlib.sha256(path.read_bytes()).hexdigest(), "onnx": path.name,
        "fine_overlap": overlap, "coarse_overlap": overlap, "label_set": config.data.label_set,
    }  # fmt: skip
    try:
        return ModelConfig(**facts)
    except TypeError as error:
        raise ModelError(f"teacher.facts: {error}: see docs of model.json") from error


def load_labeller(config: Config) -> Labeller:
    """Return the teacher of a config: its ONNX file, or the network that the stage trained.

    Raises:
        ModelError: It is missing or does not fit.
    """
    if config.teacher.onnx:
        facts = onnx_facts(config)
        network = load_network(config.teacher.onnx.parent, facts, config.data.threads)
        return Labeller(network, facts, config.data.keys)
    module = new_teacher(config.teacher, config.data.classes)
    module.load_state_dict(checkpoint.weights(config.work / config.teacher.name / "checkpoint.pt"))
    device = device_of(config.teacher.train.device)
    facts = own_facts(config, config.teacher.train.patch)
    return Labeller(TorchWindows(module.to(device), device), facts, config.data.keys)  # type: ignore[arg-type]
