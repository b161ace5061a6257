import numpy as np
import pytest

from FlareSegLib.base.errors import ModelError
from FlareSegLib.base.model_file import read_model_config
from FlareSegLib.inference.network import OnnxNetwork
from FlareSegLib.inference.runtimes import load_network, pick
from FlareSegLib.pipeline import default_model
from Testing.tiny_model import identity_model, write_model

WINDOW = (8, 12, 10)


@pytest.fixture
def folder(tmp_path):
    return write_model(tmp_path / "model", identity_model(WINDOW))


@pytest.mark.parametrize("runtime", ["onnxruntime", "openvino"])
def test_a_window_goes_through_a_real_session(folder, runtime):
    if runtime == "openvino":
        pytest.importorskip("openvino", reason="extra openvino is not installed")
    network = load_network(folder, read_model_config(folder), 1, runtime)
    window = np.random.default_rng(0).normal(size=WINDOW).astype(np.float32)
    logits = network(window)
    assert logits.shape == (14, *WINDOW)
    assert np.allclose(logits[3], window + 3, atol=0.03)  # OpenVINO may use bfloat16


def test_auto_takes_openvino_only_where_it_is_installed_and_faster(monkeypatch):
    config = read_model_config(default_model())
    fast = config.at_speed("fast")
    monkeypatch.setattr("FlareSegLib.inference.runtimes.find_spec", lambda name: None)
    assert pick("auto", config) == "onnxruntime"
    monkeypatch.setattr("FlareSegLib.inference.runtimes.find_spec", lambda name: object())
    assert pick("auto", config) == "openvino"
    assert pick("onnxruntime", config) == "onnxruntime"
    assert pick("auto", fast) == "onnxruntime"
    assert pick("openvino", fast) == "openvino"


def test_a_changed_file_is_refused(folder):
    config = read_model_config(folder)
    path = folder / "model.onnx"
    path.write_bytes(path.read_bytes()[:-1] + b"?")
    with pytest.raises(ModelError, match="sha256"):
        OnnxNetwork(folder, config, 1)


def test_a_missing_file_is_said_so(folder):
    (folder / "model.onnx").unlink()
    with pytest.raises(ModelError, match=r"model\.onnx cannot be read"):
        OnnxNetwork(folder, read_model_config(folder), 1)


def test_a_file_that_is_no_network_is_refused(folder):
    import hashlib
    from dataclasses import replace

    content = b"not a network"
    (folder / "model.onnx").write_bytes(content)
    config = replace(read_model_config(folder), sha256=hashlib.sha256(content).hexdigest())
    with pytest.raises(ModelError, match="not a network that onnxruntime can run"):
        OnnxNetwork(folder, config, 1)


def test_a_window_of_another_shape_than_model_json_says_is_refused(tmp_path):
    folder = write_model(tmp_path / "model", identity_model(WINDOW), window=(8, 12, 12))
    with pytest.raises(ModelError, match="do not mix models"):
        OnnxNetwork(folder, read_model_config(folder), 1)
