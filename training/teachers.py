"""Live teachers: a published ONNX file on the CPU, or a network that the teacher stage trained."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from FlareSegLib.config import ModelConfig
from training.data import View
from training.networks.features import Features

Run = Callable[[np.ndarray], np.ndarray]
"""Window (1, 1, z, y, x) to logits (1, classes, z, y, x)."""


class LiveTeacher(Protocol):
    """What a teacher says of a patch."""

    def __call__(self, hu: Tensor) -> Tensor:
        """Return logits (classes, z, y, x) of HU (z, y, x), both on the student's grid."""


class OnnxTeacher:
    """A teacher from an ONNX file, run at the shape of the patch.

    OpenVINO takes a network of a fixed window at another shape; where it is not installed,
    onnxruntime runs, and the patch must have the shape of the teacher's window. The teacher sees
    the student's grid: its spacing should be near its own (zoom covers a few percent).
    """

    def __init__(
        self, path: Path, facts: ModelConfig, shape: tuple[int, int, int], threads: int = 1
    ) -> None:
        """Load the network.

        Raises:
            ValueError: OpenVINO is not installed and the patch has not the teacher's shape.
        """
        self.facts = facts
        try:
            self._run = _openvino(path, shape, threads)
        except ImportError:
            if shape != tuple(facts.window):
                raise ValueError(
                    f"patch {shape} differs from the window {tuple(facts.window)} of {path}: "
                    "set patch to it, or pip install openvino"
                ) from None
            self._run = _onnxruntime(path, threads)

    def __call__(self, hu: Tensor) -> Tensor:
        """Return logits (classes, z, y, x) of HU (z, y, x)."""
        facts = self.facts
        window = (hu.clamp(*facts.hu_range) - facts.hu_mean) / facts.hu_sd
        return torch.from_numpy(self._run(window[None, None].numpy().astype(np.float32)))[0]


def _openvino(path: Path, shape: tuple[int, int, int], threads: int) -> Run:
    import openvino

    core = openvino.Core()
    model = core.read_model(path)
    model.reshape([1, 1, *shape])
    settings = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_NUM_THREADS": threads}
    network = core.compile_model(model, "CPU", settings)
    return lambda window: network(window)[0].copy()


def _onnxruntime(path: Path, threads: int) -> Run:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    return lambda window: session.run(None, {name: window})[0]


class TorchTeacher:
    """A network that training made: the teacher of the teacher stage, or a first student."""

    def __init__(
        self, network: nn.Module, view: View, autocast: Callable[[], AbstractContextManager[None]]
    ) -> None:
        """Take a network, which is on its device.

        Args:
            network: A training.networks.features.Network.
            view: How HU become its input.
            autocast: Makes the context it runs in.
        """
        self._network = network.eval().requires_grad_(False)
        self._view, self._autocast = view, autocast

    @property
    def encoder_channels(self) -> tuple[int, ...]:
        """Of the encoder levels, the bottleneck last."""
        return tuple(self._network.encoder_channels)  # type: ignore[arg-type]

    @torch.no_grad()
    def look(self, scenes: Tensor, levels: int = 2) -> tuple[Tensor, tuple[Tensor, ...]]:
        """Return logits (n, classes, z, y, x) and the lowest encoder levels, the bottleneck last.

        Args:
            scenes: HU, (n, z, y, x), on the device of the network.
            levels: How many encoder levels.
        """
        with self._autocast():
            features: Features = self._network.features(self._view.normalized(scenes)[:, None])  # type: ignore[operator]
            logits = self._network.classify(features.decoder[0])  # type: ignore[operator]
        if logits.shape[2:] != scenes.shape[1:]:
            logits = functional.interpolate(logits, scenes.shape[1:], mode="trilinear")
        return logits.float(), tuple(level.float() for level in features.encoder[-levels:])
