"""The tiny networks do what the tests that use them take for granted."""

import numpy as np
import pytest

from FlareSegLib.base.model_file import read_model_config
from FlareSegLib.inference.network import OnnxNetwork
from FlareSegLib.preprocessing.intensity import normalize
from Testing.phantoms import abdomen
from Testing.tiny_model import (
    Failing,
    constant_model,
    endless_model,
    identity_model,
    threshold_model,
    write_model,
)

WINDOW = (16, 20, 24)


def network(folder, model):
    config = read_model_config(write_model(folder, model))
    return OnnxNetwork(folder, config, threads=1), config


@pytest.mark.parametrize("stride", [1, 2])
def test_threshold_model_finds_the_organs_of_the_phantom(tmp_path, stride):
    hu, truth = abdomen(WINDOW, (20.0, 15.0, 15.8))
    run, config = network(tmp_path, threshold_model(WINDOW, stride))
    labels = run(normalize(hu, config).array).argmax(axis=0)
    assert config.logits_stride == stride
    if stride == 1:
        np.testing.assert_array_equal(labels, truth.array)
    assert labels.shape == tuple(n // stride for n in WINDOW)


def test_threshold_model_has_its_limits_half_way(tmp_path):
    hu = np.full(WINDOW, -1000.0, np.float32)
    hu[0, 0, :8] = [55, 57, 77, 79, 209, 211, 332, 334]
    run, config = network(tmp_path, threshold_model(WINDOW))
    logits = run((hu - config.hu_mean).astype(np.float32) / np.float32(config.hu_sd))
    assert logits.argmax(axis=0)[0, 0, :8].tolist() == [0, 1, 1, 2, 12, 13, 13, 0]


def test_identity_model_averages_cells_and_adds_the_class(tmp_path):
    window = np.arange(np.prod(WINDOW), dtype=np.float32).reshape(WINDOW) / 1000
    run, _ = network(tmp_path, identity_model(WINDOW, stride=2))
    logits = run(window)
    assert logits.shape == (14, 8, 10, 12)
    np.testing.assert_allclose(logits[3, 1, 2, 0], window[2:4, 4:6, 0:2].mean() + 3, rtol=1e-6)


def test_constant_model_sees_one_class(tmp_path):
    run, _ = network(tmp_path, constant_model(WINDOW, value=5))
    assert np.unique(run(np.ones(WINDOW, np.float32)).argmax(axis=0)).tolist() == [5]


def test_endless_model_spends_its_time_and_sees_liver(tmp_path):
    model = endless_model(WINDOW, products=3, side=8)
    assert [node.op_type for node in model.graph.node].count("MatMul") == 3
    run, _ = network(tmp_path, model)
    assert np.unique(run(np.ones(WINDOW, np.float32)).argmax(axis=0)).tolist() == [1]


def test_failing_network_fails_on_its_third_call():
    run = Failing()
    window = np.zeros(WINDOW, np.float32)
    assert run(window).argmax(axis=0).max() == 0
    run(window)
    with pytest.raises(RuntimeError, match="on purpose"):
        run(window)
