"""From torch to an ONNX file that says nothing of its maker."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from FlareSegLib.models.nnunet import stripped

OPSET = 18
"""What onnxruntime 1.17 reads."""
LARGE = 1024
"""Numbers of a weight that is kept in fewer bits."""

Weights = NDArray[np.float32]


def traced(
    model: nn.Module, inputs: Mapping[str, Tensor], path: Path, outputs: Sequence[str] = ("logits",)
) -> onnx.ModelProto:
    """Return a network as ONNX.

    Args:
        model: As it is to be used: in evaluation.
        inputs: Examples by name, in order.
        path: Is written over on the way.
        outputs: Names, in order.
    """
    torch.onnx.export(
        model, tuple(inputs.values()), path, opset_version=OPSET, input_names=list(inputs),
        output_names=list(outputs), external_data=False, dynamo=True, verbose=False,
    )  # fmt: skip
    return stripped(path)


def halved(proto: onnx.ModelProto) -> onnx.ModelProto:
    """Return a network whose large weights are kept in half precision; it computes as before."""
    to = onnx.TensorProto.FLOAT

    def kept(name: str, values: Weights) -> tuple[list[onnx.TensorProto], list[onnx.NodeProto]]:
        stored = onnx.numpy_helper.from_array(values.astype(np.float16), f"{name}_half")
        return [stored], [onnx.helper.make_node("Cast", [stored.name], [name], to=to)]

    return _kept(proto, kept)


def in_bytes(proto: onnx.ModelProto) -> onnx.ModelProto:
    """Return a network whose large weights are kept in bytes, with a scale for each channel.

    It computes in single precision, as before: onnxruntime multiplies once, when it opens it.
    """
    to = onnx.TensorProto.FLOAT

    def kept(name: str, values: Weights) -> tuple[list[onnx.TensorProto], list[onnx.NodeProto]]:
        scale = np.abs(values).max(tuple(range(1, values.ndim)), keepdims=True).clip(1e-12) / 127
        levels = np.rint(values / scale).astype(np.int8)
        parts = [(levels, f"{name}_bytes"), (scale.astype(np.float32), f"{name}_scale")]
        cast = onnx.helper.make_node("Cast", [parts[0][1]], [f"{name}_levels"], to=to)
        product = onnx.helper.make_node("Mul", [f"{name}_levels", parts[1][1]], [name])
        return [onnx.numpy_helper.from_array(*part) for part in parts], [cast, product]

    return _kept(proto, kept)


def _kept(
    proto: onnx.ModelProto,
    kept: Callable[[str, Weights], tuple[list[onnx.TensorProto], list[onnx.NodeProto]]],
) -> onnx.ModelProto:
    """Return a network whose large weights are made by nodes of what kept() keeps of them."""
    graph, first = proto.graph, []
    for weight in list(graph.initializer):
        values = onnx.numpy_helper.to_array(weight)
        if values.dtype != np.float32 or values.size <= LARGE:
            continue
        graph.initializer.remove(weight)
        stored, made = kept(weight.name, values)
        graph.initializer.extend(stored)
        first.extend(made)
    nodes = [*first, *graph.node]
    del graph.node[:]
    graph.node.extend(nodes)
    return proto


def write(proto: onnx.ModelProto, path: Path) -> None:
    """Check a network and write it."""
    onnx.checker.check_model(proto)
    onnx.save(proto, path)
