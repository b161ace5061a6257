"""A convolution of joined maps becomes a sum of convolutions with the same result."""

import numpy as np
import pytest

from FlareSegLib.inference.network import run_once
from FlareSegLib.models.unjoined import unjoin

onnx = pytest.importorskip("onnx")


def network(*, axis=1, extra_use=False):
    """Return an onnx.ModelProto: up, joined with what came in, convolved with a bias."""
    from onnx import helper, numpy_helper

    random = np.random.default_rng(0)
    kernels = {"up": (2, 3, 2, 2, 2), "kernel": (4, 5 if axis == 1 else 3, 3, 3, 3), "bias": (4,)}
    values = {k: random.normal(size=shape).astype(np.float32) for k, shape in kernels.items()}
    joined = "larger" if axis != 1 else "finer"
    nodes = [
        helper.make_node("MaxPool", ["window2"], ["low"], kernel_shape=[2] * 3, strides=[2] * 3),
        helper.make_node("ConvTranspose", ["low", "up"], ["larger"], strides=[2] * 3),
        helper.make_node("Concat", ["larger", joined], ["both"], axis=axis),
        helper.make_node("Conv", ["both", "kernel", "bias"], ["logits"], pads=[1] * 6),
    ]
    nodes.insert(0, helper.make_node("Concat", ["window", "window"], ["window2"], axis=1))
    nodes.insert(1, helper.make_node("Relu", ["window2"], ["finer"]))
    outputs = ["logits", "both"] if extra_use else ["logits"]
    if extra_use:
        nodes.append(helper.make_node("Relu", ["both"], ["other"]))
    kind = onnx.TensorProto.FLOAT
    graph = helper.make_graph(
        nodes, "two maps",
        [helper.make_tensor_value_info("window", kind, [1, 1, 6, 8, 10])],
        [helper.make_tensor_value_info(name, kind, [None] * 5) for name in outputs],
        [numpy_helper.from_array(value, name) for name, value in values.items()],
    )  # fmt: skip
    opset = [helper.make_opsetid("", 18)]
    return helper.make_model(graph, opset_imports=opset, ir_version=9)


def result(model, path):
    onnx.checker.check_model(model)
    onnx.save(model, path)
    window = np.random.default_rng(1).normal(size=(1, 1, 6, 8, 10)).astype(np.float32)
    return run_once(path, window)


def test_a_sum_of_convolutions_gives_what_the_joined_maps_gave(tmp_path):
    model = network()
    wanted = result(model, tmp_path / "joined.onnx")
    assert unjoin(model.graph) == 1
    kinds = [node.op_type for node in model.graph.node]
    assert kinds.count("Concat") == 1  # that before the network
    assert kinds.count("Conv") == 2
    found = result(model, tmp_path / "summed.onnx")
    assert np.abs(found - wanted).max() < 2e-6 * np.abs(wanted).max()


@pytest.mark.parametrize("kept", [{"extra_use": True}, {"axis": 2}])
def test_maps_that_others_need_or_that_are_joined_along_another_axis_stay(kept, tmp_path):
    model = network(**kept)
    before = [node.op_type for node in model.graph.node]
    assert unjoin(model.graph) == 0
    assert [node.op_type for node in model.graph.node] == before
