"""From torch to an ONNX file that says nothing of its maker."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import onnx
import torch
from torch import Tensor, nn

from FlareSegLib.models.nnunet import stripped

OPSET = 18
"""What onnxruntime 1.17 reads."""
LARGE = 1024
"""Numbers of a weight that is kept in half precision."""


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
    graph, casts = proto.graph, []
    for weight in list(graph.initializer):
        values = onnx.numpy_helper.to_array(weight)
        if values.dtype != np.float32 or values.size <= LARGE:
            continue
        graph.initializer.remove(weight)
        stored = f"{weight.name}_half"
        graph.initializer.append(onnx.numpy_helper.from_array(values.astype(np.float16), stored))
        to = onnx.TensorProto.FLOAT
        casts.append(onnx.helper.make_node("Cast", [stored], [weight.name], to=to))
    nodes = [*casts, *graph.node]
    del graph.node[:]
    graph.node.extend(nodes)
    return proto


def write(proto: onnx.ModelProto, path: Path) -> None:
    """Check a network and write it."""
    onnx.checker.check_model(proto)
    onnx.save(proto, path)
