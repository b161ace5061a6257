"""A teacher's ONNX file of the operators that nnU-Net's have, with random weights."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

SHOWN = ("low", "deep", "fine", "mid")
"""Tensors that it shows: two encoder levels of 4 channels, two decoder levels."""
CHANNELS = ((4, 4), (4, 4))


class Maker:
    """Puts nodes and weights together."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.weights: list[onnx.TensorProto] = []
        self.rng = np.random.default_rng(0)

    def add(self, kind: str, source: list[str], target: str, shapes: list[tuple[int, ...]],
            **facts: object) -> str:  # fmt: skip
        """Add a node with random weights of these shapes; return the name of its output."""
        names = [f"{target}_w{i}" for i in range(len(shapes))]
        for name, shape in zip(names, shapes, strict=True):
            array = self.rng.normal(0, 0.5, shape).astype(np.float32)
            self.weights.append(numpy_helper.from_array(array, name))
        self.nodes.append(helper.make_node(kind, [*source, *names], [target], **facts))
        return target

    def block(self, source: str, target: str, inputs: int, stride: int) -> str:
        """Add a depthwise and a pointwise convolution, a norm, and a LeakyReLU."""
        depth = self.add("Conv", [source], f"{target}_d", [(inputs, 1, 3, 3, 3), (inputs,)],
                         kernel_shape=[3] * 3, pads=[1] * 6, strides=[stride] * 3,
                         dilations=[1] * 3, group=inputs)  # fmt: skip
        point = self.add("Conv", [depth], f"{target}_p", [(4, inputs, 1, 1, 1), (4,)],
                         kernel_shape=[1] * 3, pads=[0] * 6, strides=[1] * 3,
                         dilations=[1] * 3, group=1)  # fmt: skip
        normed = self.add("InstanceNormalization", [point], f"{target}_n", [(4,), (4,)],
                          epsilon=1e-5)  # fmt: skip
        return self.add("LeakyRelu", [normed], target, [], alpha=0.01)


def write_teacher(path: Path, shape: tuple[int, int, int], classes: int = 14) -> None:
    """Write one for windows of a shape (z, y, x)."""
    maker = Maker()
    wide = maker.block("input", "wide", 1, 1)
    fine_skip = maker.block(wide, "half", 4, 2)
    low = maker.block(fine_skip, "low", 4, 2)
    deep = maker.block(low, "deep", 4, 2)
    level, skips = deep, {"mid": low, "fine": fine_skip, "top": wide}
    for name, skip in skips.items():
        larger = maker.add("ConvTranspose", [level], f"{name}_up", [(4, 4, 2, 2, 2), (4,)],
                           kernel_shape=[2] * 3, pads=[0] * 6, strides=[2] * 3,
                           dilations=[1] * 3, group=1)  # fmt: skip
        joined = maker.add("Concat", [larger, skip], f"{name}_cat", [], axis=1)
        level = maker.block(joined, name, 8, 1)
    maker.add("Conv", [level], "output", [(classes, 4, 1, 1, 1), (classes,)],
              kernel_shape=[1] * 3, pads=[0] * 6, strides=[1] * 3, dilations=[1] * 3,
              group=1)  # fmt: skip
    given = helper.make_tensor_value_info("input", TensorProto.FLOAT, ["n", 1, *shape])
    found = helper.make_tensor_value_info("output", TensorProto.FLOAT, ["n", classes, *shape])
    graph = helper.make_graph(maker.nodes, "teacher", [given], [found], maker.weights)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 11)], ir_version=7)
    onnx.checker.check_model(model)
    onnx.save(model, path)
