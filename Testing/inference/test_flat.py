"""Flat networks on windows of any size, against the same arithmetic written plainly."""

import hashlib

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from FlareSegLib.base.errors import ModelError
from FlareSegLib.base.model_file import read_model_config
from FlareSegLib.inference.flat import to_cells, with_rows
from FlareSegLib.inference.network import FlatOnnxNetwork
from FlareSegLib.inference.runtimes import load_network
from Testing.tiny_model import identity_model, write_model

MADE_FOR = 32
WEIGHTS = np.random.default_rng(3).normal(size=(14, 8, 3, 1)).astype(np.float32)


def along_z_model(height):
    """Return a flat network of one convolution along z, for windows of a height."""
    rows = height // 2
    node = helper.make_node(
        "Conv", ["cells", "w"], ["logits"],
        kernel_shape=[3, 1], dilations=[rows, 1], pads=[rows, 0, rows, 0],
    )  # fmt: skip
    graph = helper.make_graph(
        [node], "flat",
        [helper.make_tensor_value_info("cells", TensorProto.FLOAT, (1, 8, "rows", "columns"))],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, (1, 14, "rows", "columns"))],
        [numpy_helper.from_array(WEIGHTS, "w")],
    )  # fmt: skip
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def attribute_of(model, name):
    return next(found for found in model.graph.node[0].attribute if found.name == name)


@pytest.fixture
def folder(tmp_path):
    """Return a folder with the flat network, written for windows of MADE_FOR rows."""
    folder = write_model(
        tmp_path / "model", identity_model((8, MADE_FOR, 16), 2), is_flat=True, logits_stride=2
    )
    content = along_z_model(MADE_FOR).SerializeToString()
    (folder / "model.onnx").write_bytes(content)
    text = (folder / "model.json").read_text(encoding="utf-8")
    old = read_model_config(folder).sha256
    found = text.replace(old, hashlib.sha256(content).hexdigest())
    (folder / "model.json").write_text(found, encoding="utf-8")
    return folder


def plainly(window):
    """Return the logits by the sum over three slices of cells, zeros beyond the ends."""
    z, y, x = (n // 2 for n in window.shape)
    cells = window.reshape(z, 2, y, 2, x, 2).transpose(1, 3, 5, 0, 2, 4).reshape(8, z, y, x)
    padded = np.pad(cells, ((0, 0), (1, 1), (0, 0), (0, 0)))
    return sum(
        np.einsum("oc,czyx->ozyx", WEIGHTS[:, :, tap, 0], padded[:, tap : tap + z])
        for tap in range(3)
    )


@pytest.mark.parametrize("runtime", ["onnxruntime", "openvino"])
def test_one_file_serves_windows_of_any_height(folder, runtime):
    if runtime == "openvino":
        pytest.importorskip("openvino", reason="extra openvino is not installed")
    network = load_network(folder, read_model_config(folder), 1, runtime)
    for shape in ((8, 32, 16), (6, 48, 32), (10, 16, 48), (8, 32, 16)):
        window = np.random.default_rng(0).normal(size=shape).astype(np.float32)
        tolerance = 1e-4 if runtime == "onnxruntime" else 0.1  # OpenVINO may use bfloat16
        np.testing.assert_allclose(network(window), plainly(window), atol=tolerance)


@pytest.mark.parametrize("height", [16, 64, 400])
def test_a_rewritten_file_is_the_one_made_for_that_height(height):
    rewritten = with_rows(along_z_model(MADE_FOR).SerializeToString(), MADE_FOR, height)
    found = onnx.load_from_string(rewritten)
    onnx.checker.check_model(found, full_check=True)
    assert found == along_z_model(height)


def test_packed_numbers_are_read_too():
    model = along_z_model(MADE_FOR)
    unpacked = attribute_of(model, "dilations").SerializeToString()
    assert b"\x40\x10\x40\x01" in unpacked  # field 8, 16, field 8, 1
    packed = unpacked.replace(b"\x40\x10\x40\x01", b"\x42\x02\x10\x01")
    content = model.SerializeToString().replace(unpacked, packed)
    assert content != model.SerializeToString()
    assert onnx.load_from_string(with_rows(content, 32, 64)) == along_z_model(64)


def test_convolutions_in_the_plane_stay_as_they_are():
    content = along_z_model(MADE_FOR).SerializeToString()
    plane = along_z_model(MADE_FOR)
    attribute_of(plane, "dilations").ints[:] = [1, 1]
    attribute_of(plane, "pads").ints[:] = [2, 0, 2, 0]
    assert with_rows(plane.SerializeToString(), 32, 64) == plane.SerializeToString()
    assert with_rows(content, 32, 64) != content


def test_eight_channels_are_the_corners_of_a_cell():
    window = np.arange(64, dtype=np.float32).reshape(4, 4, 4)
    cells = to_cells(window)
    assert cells.shape == (1, 8, 4, 2)
    # first cell: voxels 0, 1 along x, 4 further along y, 16 further along z
    assert cells[0, :, 0, 0].tolist() == [0, 1, 4, 5, 16, 17, 20, 21]
    assert cells[0, 0, :, 0].tolist() == [0, 8, 32, 40]


def test_what_is_no_flat_network_is_refused(tmp_path):
    folder = write_model(tmp_path / "model", identity_model((8, 32, 16), 2), is_flat=True)
    with pytest.raises(ModelError, match="do not mix models"):
        FlatOnnxNetwork(folder, read_model_config(folder), 1)


def test_labels_do_not_depend_on_threads(folder):
    config = read_model_config(folder)
    window = np.random.default_rng(1).normal(size=(16, 96, 96)).astype(np.float32)
    one, two = (FlatOnnxNetwork(folder, config, n)(window) for n in (1, 3))
    np.testing.assert_array_equal(one, two)
