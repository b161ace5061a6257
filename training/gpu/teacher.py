"""The teacher's ONNX file as a torch network that is fast on a GPU, with its inside on show.

A depthwise convolution and the pointwise one behind it are one dense convolution: more arithmetic,
but arithmetic that tensor cores do, and nothing written in between.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from onnx import numpy_helper
from torch import Tensor, nn
from torch.nn import functional

from training.patches.teachers import Said, with_openvino

HU_RANGE, HU_MEAN, HU_SD = (-971.0, 291.0), 83.778564, 144.838928
"""How the teacher of flare25_winner.onnx wants HU."""


class OnnxNet(nn.Module):
    """A chain of convolutions, norms and skips, as nnU-Net exports it."""

    def __init__(self, path: Path, shown: Sequence[str]) -> None:
        """Read the file.

        Args:
            path: ONNX file.
            shown: Names of tensors to give beside the logits.

        Raises:
            ValueError: It holds an operator that is not known here.
        """
        super().__init__()
        graph = onnx.load(path).graph
        weights = {w.name: torch.from_numpy(numpy_helper.to_array(w).copy())
                   for w in graph.initializer}  # fmt: skip
        self._input, self._output, self._shown = graph.input[0].name, graph.output[0].name, shown
        self._steps: list[tuple[str, list[str], str, dict[str, Any]]] = []
        self.tensors = nn.ParameterDict()
        pending: dict[str, tuple[str, Tensor, Tensor, dict[str, Any]]] = {}
        for node in graph.node:
            facts = {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute}
            own = [weights[name] for name in node.input if name in weights]
            if node.op_type == "Conv" and own[0].shape[1] == 1 and _is_depthwise(node, graph):
                pending[node.output[0]] = (node.input[0], own[0], own[1], facts)
                continue
            source = [name for name in node.input if name not in weights]
            if source[0] in pending:
                source[0], own, facts = _joined(pending.pop(source[0]), own)
            self._add(node.op_type, source, node.output[0], own, facts)

    def _add(
        self, kind: str, source: list[str], target: str, own: list[Tensor], facts: dict[str, Any]
    ) -> None:
        if kind not in OPERATORS:
            raise ValueError(f"{kind} is no operator of a teacher that is known here")
        for i, tensor in enumerate(own):
            self.tensors[f"{len(self._steps)}_{i}"] = nn.Parameter(tensor, requires_grad=False)
        self._steps.append((kind, source, target, facts))

    def forward(self, volume: Tensor) -> tuple[Tensor, ...]:
        """Return logits (n, classes, z, y, x) and the shown tensors of (n, 1, z, y, x)."""
        last = {name: i for i, (_, source, _, _) in enumerate(self._steps) for name in source}
        values = {self._input: volume}
        for i, (kind, source, target, facts) in enumerate(self._steps):
            own = [self.tensors[f"{i}_{j}"] for j in range(2) if f"{i}_{j}" in self.tensors]
            values[target] = OPERATORS[kind]([values[name] for name in source], own, facts)
            for name in source:  # what nobody reads any more makes room
                if last[name] == i and name not in self._shown:
                    values.pop(name, None)
        return (values[self._output], *(values[name] for name in self._shown))


def _is_depthwise(node: onnx.NodeProto, graph: onnx.GraphProto) -> bool:
    """Return whether a convolution of one input per output is followed by a pointwise one."""
    readers = [n for n in graph.node if node.output[0] in n.input]
    return len(readers) == 1 and readers[0].op_type == "Conv"


def _joined(
    first: tuple[str, Tensor, Tensor, dict[str, Any]], own: list[Tensor]
) -> tuple[str, list[Tensor], dict[str, Any]]:
    """Return a depthwise and a pointwise one as one: w[o, i, k] = point[o, i] depth[i, k]."""
    source, depth, bias, facts = first
    point = own[0].flatten(1)
    dense = point[:, :, None, None, None] * depth[None, :, 0]
    return source, [dense, own[1] + point @ bias], facts


def _convolved(source: list[Tensor], own: list[Tensor], facts: dict[str, Any]) -> Tensor:
    return functional.conv3d(
        source[0], own[0], own[1], tuple(facts["strides"]), tuple(facts["pads"][:3])
    )


def _transposed(source: list[Tensor], own: list[Tensor], facts: dict[str, Any]) -> Tensor:
    return functional.conv_transpose3d(source[0], own[0], own[1], tuple(facts["strides"]))


def _normed(source: list[Tensor], own: list[Tensor], facts: dict[str, Any]) -> Tensor:
    volume = source[0].float()
    variance, mean = torch.var_mean(volume, dim=(2, 3, 4), keepdim=True, correction=0)
    shape = (1, -1, 1, 1, 1)
    scale = own[0].float().view(shape) * torch.rsqrt(variance + facts["epsilon"])
    normed = torch.addcmul(own[1].float().view(shape), volume - mean, scale)
    return normed.to(source[0].dtype)


OPERATORS: dict[str, Callable[[list[Tensor], list[Tensor], dict[str, Any]], Tensor]] = {
    "Conv": _convolved,
    "ConvTranspose": _transposed,
    "InstanceNormalization": _normed,
    "LeakyRelu": lambda s, _, facts: functional.leaky_relu(s[0], facts["alpha"], inplace=True),
    "Concat": lambda s, _, facts: torch.cat(s, facts["axis"]),
}


class GpuTeacher:
    """Says of a batch of patches what the ONNX file says."""

    def __init__(self, path: Path, shown: Sequence[str], device: torch.device) -> None:
        """Read the file; on a GPU it runs in float16."""
        self._type = torch.float16 if device.type == "cuda" else torch.float32
        net = OnnxNet(path, shown)
        self.net = net.to(device, self._type, memory_format=torch.channels_last_3d).eval()

    @torch.no_grad()
    def __call__(self, hu: Tensor) -> Said:
        """Return logits and features, each (n, c, z, y, x), of HU (n, z, y, x)."""
        window = ((hu.clamp(*HU_RANGE) - HU_MEAN) / HU_SD)[:, None].to(self._type)
        logits, *shown = self.net(window.contiguous(memory_format=torch.channels_last_3d))
        return Said(logits, tuple(shown))


class CpuTeacher:
    """Says the same through OpenVINO, patch by patch: ten times faster than torch on a CPU."""

    def __init__(self, path: Path, shown: Sequence[str], patch: tuple[int, int, int]) -> None:
        """Read the file for patches of a shape (z, y, x)."""
        self._run = with_openvino(path, patch, tuple(shown), torch.get_num_threads())

    def __call__(self, hu: Tensor) -> Said:
        """Return logits and features, each (n, c, z, y, x), of HU (n, z, y, x)."""
        windows = ((hu.clamp(*HU_RANGE) - HU_MEAN) / HU_SD)[:, None, None].numpy()
        said = zip(*(self._run(window) for window in windows), strict=True)
        logits, *shown = (torch.from_numpy(np.concatenate(each)) for each in said)
        return Said(logits, tuple(shown))


def difference(path: Path, teacher: GpuTeacher | CpuTeacher, hu: Tensor) -> float:
    """Return the largest difference of logits from onnxruntime's on one window, of their range."""
    import onnxruntime

    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    wanted = session.get_inputs()[0].shape[2:]
    missing = [n - m for n, m in zip(wanted, hu.shape, strict=True)]
    hu = functional.pad(hu, [v for n in missing[::-1] for v in (0, n)], value=-1024.0)
    window = ((hu.clamp(*HU_RANGE) - HU_MEAN) / HU_SD).cpu().numpy().astype(np.float32)
    expected = session.run(None, {session.get_inputs()[0].name: window[None, None]})[0]
    found = teacher(hu[None]).logits.float().cpu().numpy()
    return float(np.abs(found - expected).max() / np.ptp(expected))
