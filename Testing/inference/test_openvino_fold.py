"""Folding a transposed convolution into what follows changes the network, but not its logits."""

import numpy as np
import pytest

from FlareSegLib.inference.openvino_fold import composed, fold

openvino = pytest.importorskip("openvino")
TWO, THREE = (2, 2, 2), (3, 3, 3)


def network(up, then, *, bias=True, shape=(9, 10, 11), channels=(4, 3, 5), dilation=1):
    """Return an openvino.Model of a transposed convolution and a convolution after it."""
    from openvino import opset13 as ops

    random = np.random.default_rng(0)
    ins, between, outs = channels

    def values(*extents):
        return ops.constant(random.normal(size=extents).astype(np.float32))

    window = ops.parameter([1, ins, *shape], np.float32)
    larger = ops.convolution_backprop_data(
        window, values(ins, between, *up), list(up), None, [0] * 3, [0] * 3, [1] * 3
    )
    larger = ops.add(larger, values(1, between, 1, 1, 1)) if bias else larger
    around = [dilation * (n // 2) for n in then]
    logits = ops.convolution(
        larger, values(outs, between, *then), [1] * 3, around, around, [dilation] * 3
    )
    return openvino.Model([logits], [window])


def logits_of(model):
    shape = tuple(model.input(0).get_shape())
    window = np.random.default_rng(1).normal(size=shape).astype(np.float32)
    return openvino.compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})(window)[0]


def kinds(model):
    return [node.get_type_name() for node in model.get_ordered_ops()]


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize(
    ("up", "then"), [(TWO, THREE), ((1, 2, 2), THREE), ((1, 2, 2), (1, 3, 3)), (TWO, (5, 3, 1))]
)
def test_a_folded_network_gives_the_same_logits_up_to_its_borders(up, then, bias):
    model = network(up, then, bias=bias)
    wanted = logits_of(model)
    assert fold(model) == 1
    assert "Convolution" not in kinds(model)
    found = logits_of(model)
    assert found.shape == wanted.shape
    assert np.abs(found - wanted).max() < 2e-6 * np.abs(wanted).max()


@pytest.mark.parametrize(
    "model",
    [
        network(TWO, THREE, dilation=2),
        network(TWO, (2, 3, 3)),
        network(TWO, THREE, shape=(2, 2, 2)),  # a kernel larger than the map
    ],
)
def test_what_would_not_be_the_same_or_not_pay_is_left_as_it_is(model):
    wanted = logits_of(model)
    assert fold(model) == 0
    assert "Convolution" in kinds(model)
    assert np.array_equal(logits_of(model), wanted)


def test_two_kernels_of_one_axis_compose_to_their_convolution():
    # up 1 2; then 3 4 5 correlates: turned 5 4 3; 1 2 * 5 4 3 = 5 14 11 6
    up = np.array([1, 2], np.float32).reshape(1, 1, 2)
    then = np.array([3, 4, 5], np.float32).reshape(1, 1, 3)
    assert composed(up, then).ravel().tolist() == [5.0, 14.0, 11.0, 6.0]
