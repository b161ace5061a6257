"""Networks built in memory, so that everything is tested without weights.

threshold_model  labels known in closed form from HU
identity_model   logits are the input
constant_model   one class everywhere
endless_model    the same, and takes its time for each window
Failing          breaks on one of its calls

    folder = write_model(tmp_path / "model", threshold_model((32, 32, 32)), spacing_mm=(5, 3, 3))
"""

from __future__ import annotations

import hashlib
import itertools
import json
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from FlareSegLib.base.geometry import Zyx
from Testing.flare import ORGANS
from Testing.phantoms import AIR, BONE, FAT, LUNG, TABLE, TISSUE, organ_hu

CLASSES = len(ORGANS) + 1
HU_MEAN, HU_SD = 60.0, 12.0
"""organ_hu(value) = 60 + 12 * value, so a normalized phantom voxel of an organ *is* its value."""
HU_RANGE = (-1024.0, 600.0)
"""Largest logit: ((600 + 1024) / 12) ** 2 = 18,316, which a float16 holds (65,504)."""
ZERO = numpy_helper.from_array(np.zeros((1, 1, 1, 1, 1), np.float32), "zero")
BACKGROUND_HU = (AIR, FAT, TISSUE, LUNG, BONE, TABLE)


def threshold_model(window: Zyx, stride: int = 1) -> onnx.ModelProto:
    """Return a network that gives each voxel the class whose HU in the phantom is nearest.

    Logits are -(v - c) ** 2 for organ c, and for the background the largest over its tissues. So
    an organ c from 2 to 12 is where 54 + 12 c < HU < 66 + 12 c; the liver begins at 56 HU, half-way
    from tissue (40), and the left kidney ends at 333 HU, half-way to bone (450).

    Args:
        window: Input shape (z, y, x).
        stride: Voxels per logit; each cell is averaged first.
    """
    assert [organ_hu(value) for value in (1, 13)] == [HU_MEAN + HU_SD, HU_MEAN + 13 * HU_SD]
    background = [(hu - HU_MEAN) / HU_SD for hu in BACKGROUND_HU]
    centres = _channels([*background, *range(1, CLASSES)])
    sizes = numpy_helper.from_array(np.array([len(background), CLASSES - 1]), "sizes")
    nodes = [
        helper.make_node("Sub", ["cells", "centres"], ["distance"]),
        helper.make_node("Mul", ["distance", "distance"], ["square"]),
        helper.make_node("Neg", ["square"], ["all"]),
        helper.make_node("Split", ["all", "sizes"], ["tissues", "organs"], axis=1),
        helper.make_node("ReduceMax", ["tissues"], ["background"], axes=[1], keepdims=1),
        helper.make_node("Concat", ["background", "organs"], ["logits"], axis=1),
    ]
    return _model(window, stride, nodes, [numpy_helper.from_array(centres, "centres"), sizes])


def identity_model(window: Zyx, stride: int = 1) -> onnx.ModelProto:
    """Return a network whose logit of class c is the (averaged) input plus c."""
    offsets = numpy_helper.from_array(_channels(list(range(CLASSES))), "offsets")
    return _model(
        window, stride, [helper.make_node("Add", ["cells", "offsets"], ["logits"])], [offsets]
    )


def constant_model(window: Zyx, value: int = 0, stride: int = 1) -> onnx.ModelProto:
    """Return a network that sees one class everywhere: 10 for it, 0 for the others."""
    wanted = _channels([10.0 if i == value else 0.0 for i in range(CLASSES)])
    nodes = [
        helper.make_node("Mul", ["cells", "zero"], ["nothing"]),
        helper.make_node("Add", ["nothing", "wanted"], ["logits"]),
    ]
    return _model(window, stride, nodes, [ZERO, numpy_helper.from_array(wanted, "wanted")])


def endless_model(window: Zyx, products: int = 16, side: int = 1024) -> onnx.ModelProto:
    """Return a network that sees liver everywhere, for runs that are to be stopped in their middle.

    Each window costs `products` products of square matrices of zeros, 2 * side ** 3 operations
    each: 34 G by default, half a second, so windows of a thousand voxels make a minute of a small
    phantom, on any machine. Liver, as windows beside background are skipped.
    """
    wanted = _channels([0.0, 10.0] + [0.0] * (CLASSES - 2))
    flat = numpy_helper.from_array(np.array([1, 1, 1, side, side]), "flat")
    names = [f"matrix_{i}" for i in range(products + 1)]
    nodes = [
        helper.make_node("Mul", ["cells", "zero"], ["nothing"]),
        helper.make_node("ReduceMax", ["nothing"], ["one"], axes=[2, 3, 4], keepdims=1),
        helper.make_node("Expand", ["one", "flat"], names[:1]),
        *(helper.make_node("MatMul", [a, a], [b]) for a, b in itertools.pairwise(names)),
        helper.make_node("ReduceMax", names[-1:], ["spent"], axes=[2, 3, 4], keepdims=1),
        helper.make_node("Add", ["nothing", "spent"], ["still_nothing"]),
        helper.make_node("Add", ["still_nothing", "wanted"], ["logits"]),
    ]
    constants = [ZERO, flat, numpy_helper.from_array(wanted, "wanted")]
    return _model(window, 1, nodes, constants)


class Failing:
    """A Network that gives background, and raises on one of its calls."""

    def __init__(self, error: Exception | None = None, on_call: int = 3, stride: int = 1) -> None:
        self.error = error or RuntimeError("this network fails on purpose")
        self.on_call, self.stride, self.calls = on_call, stride, 0

    def __call__(self, window: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return logits (classes, z/s, y/s, x/s) that say background."""
        self.calls += 1
        if self.calls == self.on_call:
            raise self.error
        logits = np.zeros((CLASSES, *(n // self.stride for n in window.shape)), np.float32)
        logits[0] = 10.0
        return logits


def write_model(folder: Path, model: onnx.ModelProto, **facts: object) -> Path:
    """Write model.onnx and model.json; return the folder.

    Args:
        folder: Made if it is not there.
        model: Its input shape becomes `window`, the ratio to its output shape `logits_stride`.
        **facts: Keys of model.json that shall differ from what fits the phantom.
    """
    folder.mkdir(parents=True, exist_ok=True)
    content = model.SerializeToString()
    (folder / "model.onnx").write_bytes(content)
    window, logits = _shape(model.graph.input[0]), _shape(model.graph.output[0])
    known: dict[str, object] = {
        "name": "tiny",
        "version": "0",
        "sha256": hashlib.sha256(content).hexdigest(),
        "spacing_mm": (5.0, 5.0, 5.0),
        "window": window,
        "hu_range": HU_RANGE,
        "hu_mean": HU_MEAN,
        "hu_sd": HU_SD,
        "labels": [organ.key for organ in ORGANS],
        "logits_stride": window[0] // logits[0],
    }
    (folder / "model.json").write_text(json.dumps(known | facts), encoding="utf-8")
    return folder


def _model(
    window: Zyx, stride: int, nodes: list[onnx.NodeProto], constants: list[onnx.TensorProto]
) -> onnx.ModelProto:
    """Return a checked model: "window" in, averaged to "cells", nodes, "logits" out."""
    cells = tuple(n // stride for n in window)
    steps = {"kernel_shape": [stride] * 3, "strides": [stride] * 3}
    pool = helper.make_node("AveragePool", ["window"], ["cells"], **steps)
    graph = helper.make_graph(
        [pool, *nodes],
        "tiny",
        [helper.make_tensor_value_info("window", TensorProto.FLOAT, (1, 1, *window))],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, (1, CLASSES, *cells))],
        constants,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model, full_check=True)
    return model


def _channels(values: list[float]) -> NDArray[np.float32]:
    return np.array(values, np.float32).reshape(1, -1, 1, 1, 1)


def _shape(value: onnx.ValueInfoProto) -> tuple[int, ...]:
    return tuple(axis.dim_value for axis in value.type.tensor_type.shape.dim)[2:]
