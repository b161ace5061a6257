"""Live teachers: a published ONNX file on the CPU, or a network that the teacher stage trained."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from FlareSegLib.base.config import ModelConfig
from training.networks.features import Features
from training.patches.data import View

Array = NDArray[np.float32]
Run = Callable[[Array], list[Array]]
"""Window (1, 1, z, y, x) to logits (1, classes, z, y, x) and features."""


@dataclass(frozen=True)
class Said:
    """What a teacher says of a patch."""

    logits: Tensor
    """(classes, z, y, x)."""
    features: tuple[Tensor, ...] = ()
    """Of its lowest encoder levels, (c, z', y', x'), the bottleneck last; then of its decoder."""


class LiveTeacher(Protocol):
    """Who is asked about a patch."""

    def __call__(self, hu: Tensor) -> Said:
        """Return what it says of HU (z, y, x) on the student's grid."""


class OnnxTeacher:
    """A teacher from an ONNX file, run at the shape of the patch.

    OpenVINO takes a network of a fixed window at another shape; where it is not installed,
    onnxruntime runs, and the patch must have the shape of the teacher's window. The teacher sees
    the student's grid: its spacing should be near its own (zoom covers a few percent).
    """

    def __init__(
        self,
        path: Path,
        facts: ModelConfig,
        shape: tuple[int, int, int],
        features: tuple[str, ...] = (),
        threads: int = 1,
    ) -> None:
        """Load the network.

        Args:
            path: ONNX file.
            facts: Of the network.
            shape: Of the patch (z, y, x).
            features: Names of tensors that it shows beside the logits.
            threads: That it may take.

        Raises:
            ValueError: OpenVINO is not installed and the patch has not the teacher's shape.
        """
        self.facts = facts
        try:
            self._run = with_openvino(path, shape, features, threads)
        except ImportError:
            if shape != tuple(facts.window):
                raise ValueError(
                    f"patch {shape} differs from the window {tuple(facts.window)} of {path}: "
                    "set patch to it, or pip install openvino"
                ) from None
            self._run = _onnxruntime(path, features, threads)

    def __call__(self, hu: Tensor) -> Said:
        """Return what it says of HU (z, y, x)."""
        facts = self.facts
        window = (hu.clamp(*facts.hu_range) - facts.hu_mean) / facts.hu_sd
        logits, *features = self._run(window[None, None].numpy().astype(np.float32))
        return Said(torch.from_numpy(logits)[0], tuple(torch.from_numpy(f)[0] for f in features))


def channels_of(path: Path, features: tuple[str, ...]) -> tuple[int, ...]:
    """Return the channels of tensors in an ONNX file.

    Raises:
        ValueError: It has no tensor of that name.
    """
    import onnx

    graph = onnx.shape_inference.infer_shapes(onnx.load(path)).graph
    shapes = {value.name: value.type.tensor_type.shape.dim for value in graph.value_info}
    if unknown := [name for name in features if name not in shapes]:
        raise ValueError(f"teacher.features {unknown} are no tensors of {path}")
    return tuple(shapes[name][1].dim_value for name in features)


def with_openvino(
    path: Path, shape: tuple[int, int, int], features: tuple[str, ...], threads: int
) -> Run:
    """Return an ONNX file as a function of windows of a shape, whatever shape it was written for.

    Raises:
        ImportError: OpenVINO is not installed.
    """
    import openvino

    core = openvino.Core()
    model = core.read_model(path)
    model.add_outputs(list(features))
    model.reshape([1, 1, *shape])
    settings = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_NUM_THREADS": threads}
    network = core.compile_model(model, "CPU", settings)

    def run(window: Array) -> list[Array]:
        found = network(window)
        return [found[i].copy() for i in range(1 + len(features))]

    return run


def _onnxruntime(path: Path, features: tuple[str, ...], threads: int) -> Run:
    import onnx
    import onnxruntime

    model = onnx.load(path)
    logits = model.graph.output[0].name
    model.graph.output.extend(onnx.ValueInfoProto(name=name) for name in features)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    name = session.get_inputs()[0].name
    return lambda window: session.run([logits, *features], {name: window})


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
    def look(self, scenes: Tensor, levels: int = 2) -> list[Said]:
        """Return what it says of scenes.

        Args:
            scenes: HU, (n, z, y, x), on the device of the network.
            levels: How many of the lowest encoder levels it shows.
        """
        with self._autocast():
            features: Features = self._network.features(self._view.normalized(scenes)[:, None])  # type: ignore[operator]
            logits = self._network.classify(features.decoder[0])  # type: ignore[operator]
        if logits.shape[2:] != scenes.shape[1:]:
            logits = functional.interpolate(logits, scenes.shape[1:], mode="trilinear")
        lowest = [level.float().cpu() for level in features.encoder[-levels:]]
        return [
            Said(one, tuple(level[i] for level in lowest))
            for i, one in enumerate(logits.float().cpu())
        ]
