"""A model of a stranger: nothing but a checked ONNX file and JSON is loaded, or it is refused."""

import ast
import hashlib
import json
import shutil
import stat
import zipfile
from pathlib import Path
from random import Random

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from onnx import TensorProto, external_data_helper, helper, numpy_helper

from FlareSegLib.base.errors import ModelError
from FlareSegLib.base.model_file import read_model_config
from FlareSegLib.inference.model_import import import_model
from FlareSegLib.inference.onnx_file import check_onnx
from FlareSegLib.inference.runtimes import check_model, load_network
from FlareSegLib.pipeline import default_model
from Testing.fuzz.mutate import mutated
from Testing.many_organs import write_flat_model
from Testing.tiny_model import identity_model, write_model

WINDOW = (8, 12, 10)
ROOT = Path(__file__).parents[2]
RUNTIMES = ["onnxruntime", "openvino"]


@pytest.fixture
def model():
    return identity_model(WINDOW)


@pytest.fixture
def folder(tmp_path, model):
    return write_model(tmp_path / "model", model)


def refused(folder, words, runtime="onnxruntime"):
    """Check that both doors refuse a model: before a run, and when the network is loaded."""
    with pytest.raises(ModelError, match=words):
        check_model(folder, runtime)
    with pytest.raises(ModelError, match=words):
        load_network(folder, read_model_config(folder), 1, runtime)


# the network


def test_the_model_that_ships_and_the_tiny_ones_pass(model):
    path = default_model() / "model.onnx"
    check_onnx(path.read_bytes(), path)
    check_onnx(model.SerializeToString(), path)


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_custom_operators_are_refused(tmp_path, model, runtime):
    pytest.importorskip(runtime)
    model.graph.node[1].domain = "com.example"
    model.opset_import.append(helper.make_opsetid("com.example", 1))
    refused(write_model(tmp_path / "m", model), r"operators of b'com\.example'", runtime)


def test_custom_operators_are_found_inside_a_branch_and_a_function(model):
    inner = helper.make_graph([helper.make_node("Evil", [], ["a"], domain="x.y")], "g", [], [])
    model.graph.node[0].attribute.append(helper.make_attribute("then_branch", inner))
    with pytest.raises(ModelError, match=r"x\.y"):
        check_onnx(model.SerializeToString(), Path("m.onnx"))
    other = identity_model(WINDOW)
    other.functions.append(
        helper.make_function("x.y", "F", [], ["a"], [], [helper.make_opsetid("", 17)])
    )
    with pytest.raises(ModelError, match=r"x\.y"):
        check_onnx(other.SerializeToString(), Path("m.onnx"))


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_weights_in_another_file_are_refused(tmp_path, model, runtime):
    pytest.importorskip(runtime)
    tensor = model.graph.initializer[0]
    external_data_helper.set_external_data(tensor, location="../../etc/passwd")
    tensor.data_location = TensorProto.EXTERNAL
    refused(write_model(tmp_path / "m", model), "weights in other files", runtime)


def test_weights_in_another_file_are_found_in_a_constant_node(model):
    tensor = numpy_helper.from_array(np.zeros(3, np.float32), "t")
    external_data_helper.set_external_data(tensor, location="x")
    node = helper.make_node("Constant", [], ["c"], value=tensor)
    model.graph.node.append(node)
    with pytest.raises(ModelError, match="weights in other files"):
        check_onnx(model.SerializeToString(), Path("m.onnx"))


def test_what_runs_is_what_was_checked_not_what_lies_there_later(folder, monkeypatch):
    pytest.importorskip("openvino")
    from FlareSegLib.inference import network_openvino

    real = network_openvino.read_checked

    def swapped(path, sha256):
        content = real(path, sha256)
        path.write_bytes(b"something else")
        return content

    monkeypatch.setattr(network_openvino, "read_checked", swapped)
    network = load_network(folder, read_model_config(folder), 1, "openvino")
    assert network(np.zeros(WINDOW, np.float32)).shape == (14, *WINDOW)


def test_any_damage_to_a_network_is_refused_or_harmless(model, tmp_path):
    """With a checksum that fits: whoever made the file made model.json too."""
    content, rng = model.SerializeToString(), Random(0)
    for _ in range(150):
        damaged = mutated(content, rng)
        folder = write_model(tmp_path / "m", model, sha256=hashlib.sha256(damaged).hexdigest())
        (folder / "model.onnx").write_bytes(damaged)
        try:
            load_network(folder, read_model_config(folder), 1, "onnxruntime")
        except ModelError:
            continue


# model.json


def write_facts(folder, **changed):
    facts = json.loads((folder / "model.json").read_text("utf-8")) | changed
    (folder / "model.json").write_text(json.dumps(facts), "utf-8")


def test_a_model_of_a_newer_schema_is_refused_with_a_cure(folder):
    write_facts(folder, schema_version=2, new_key="x")
    with pytest.raises(ModelError, match=r"schema version 2, FlareSeg .* reads 1: update FlareSeg"):
        read_model_config(folder)


@pytest.mark.parametrize(
    "changed",
    [
        {"name": "../../elsewhere"},
        {"name": "a/b"},
        {"name": ""},
        {"name": "C:\\x"},
        {"version": ".."},
        {"version": 1},
        {"onnx": "../model.onnx"},
        {"onnx": "/etc/passwd"},
        {"sha256": "abc"},
        {"labels": ["liver", "heart"]},
        {"labels": 5},
        {"window": [64, 64]},
        {"window": [8, 12, "x"]},
        {"spacing_mm": [1, 1, float("nan")]},
        {"hu_range": [100, -100]},
        {"logits_stride": 0},
        {"hu_sd": None},
    ],
)
def test_facts_out_of_bounds_are_refused(folder, changed):
    write_facts(folder, **changed)
    with pytest.raises(ModelError, match=r"model\.json"):
        read_model_config(folder)


@pytest.mark.parametrize("text", ["[]", "5", "null", "", "[" * 100_000, '{"a": ' * 9999, "\0"])
def test_any_text_that_is_no_object_is_refused(folder, text):
    (folder / "model.json").write_text(text, "utf-8")
    with pytest.raises(ModelError):
        read_model_config(folder)


def test_a_huge_model_json_is_not_read(folder):
    with (folder / "model.json").open("r+b") as file:
        file.truncate(1 << 40)  # sparse
    with pytest.raises(ModelError, match="at most 1 MiB"):
        read_model_config(folder)


JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=6,
)


@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_any_value_of_any_key_is_taken_or_refused(folder, data):
    facts = json.loads((folder / "model.json").read_text("utf-8"))
    changed = {data.draw(st.sampled_from(sorted(facts))): data.draw(JSON)}
    text = json.dumps(facts | changed)
    place = folder / "other"
    place.mkdir(exist_ok=True)
    (place / "model.json").write_text(text, "utf-8")
    try:
        read_model_config(place)
    except ModelError:
        return


# a zip file


def zipped(path, folder, **more):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for one in folder.iterdir():
            archive.write(one, f"m/{one.name}")
        for name, content in more.items():
            archive.writestr(name, content)
    return path


def test_a_model_comes_out_of_a_zip_or_folder_whole(tmp_path, folder):
    for source in (folder, zipped(tmp_path / "m.zip", folder)):
        target = import_model(source, tmp_path / "models")
        assert target.parent == tmp_path / "models"
        assert target.name.startswith("tiny-0-")
        assert (target / "model.onnx").read_bytes() == (folder / "model.onnx").read_bytes()
        check_model(target, "onnxruntime")


def refused_zip(path, tmp_path, words):
    into = tmp_path / "models"
    before = {p for p in tmp_path.rglob("*") if p != into}
    with pytest.raises(ModelError, match=words) as caught:
        import_model(path, into)
    assert "\n" not in str(caught.value)
    assert {p for p in tmp_path.rglob("*") if p != into} == before  # nothing new, anywhere


def test_organs_of_a_model_come_along_and_wrong_ones_are_refused(tmp_path):
    source = write_flat_model(tmp_path / "m", 3)
    archive = Path(shutil.make_archive(str(tmp_path / "m"), "zip", tmp_path, "m"))
    for place in (source, archive):
        taken = import_model(place, tmp_path / "models")
        assert read_model_config(taken).label_set.keys == ("part_1", "part_2", "part_3")
    (source / "labels.json").write_text('{"organs": [{"key": "part_1", "value": 300}]}')
    with pytest.raises(ModelError, match="value 300"):
        import_model(source, tmp_path / "others")
    assert not list((tmp_path / "others").iterdir())


@pytest.mark.parametrize(
    "name", ["../evil", "/evil", "m/../../evil", "..\\evil", "C:\\evil", "\\\\s\\e"]
)
def test_a_path_that_leads_out_of_the_zip_is_refused(tmp_path, folder, name):
    refused_zip(zipped(tmp_path / "m.zip", folder, **{name: "x"}), tmp_path, "do not trust")


def test_a_link_in_a_zip_is_refused(tmp_path, folder):
    path = zipped(tmp_path / "m.zip", folder)
    link = zipfile.ZipInfo("m/MODEL_CARD.md")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr(link, "/etc/passwd")
    refused_zip(path, tmp_path, "link")


def test_a_bomb_in_a_zip_is_refused_before_it_is_unpacked(tmp_path, folder):
    (folder / "model.onnx").write_bytes(bytes(200 << 20))
    refused_zip(zipped(tmp_path / "m.zip", folder), tmp_path, "would unpack from")


def test_too_many_files_in_a_zip_are_refused(tmp_path, folder):
    more = {f"f{n}": "" for n in range(1001)}
    refused_zip(zipped(tmp_path / "m.zip", folder, **more), tmp_path, "100[0-9] files")


def test_two_models_in_a_zip_are_refused(tmp_path, folder):
    more = {"other/model.json": "{}"}
    refused_zip(zipped(tmp_path / "m.zip", folder, **more), tmp_path, "2 files model.json")


def test_a_wrong_checksum_in_a_zip_is_refused(tmp_path, folder):
    write_facts(folder, sha256="0" * 64)
    refused_zip(zipped(tmp_path / "m.zip", folder), tmp_path, "sha256")


def test_a_name_that_leads_elsewhere_is_refused(tmp_path, folder):
    write_facts(folder, name="../../elsewhere")
    refused_zip(zipped(tmp_path / "m.zip", folder), tmp_path, "only letters")


def test_any_damage_to_a_zip_is_refused_or_harmless(tmp_path, folder):
    content, rng = zipped(tmp_path / "m.zip", folder).read_bytes(), Random(1)
    path, into = tmp_path / "damaged.zip", tmp_path / "models"
    for _ in range(300):
        path.write_bytes(mutated(content, rng))
        try:
            target = import_model(path, into)
        except ModelError:
            continue
        check_model(target, "onnxruntime")
    assert {p.name for p in tmp_path.iterdir()} == {"m.zip", "model", "damaged.zip", "models"}


# no other loader


@pytest.mark.parametrize("package", ["FlareSegLib", "FlareSeg"])
def test_nothing_that_runs_code_of_a_file_is_imported_for_inference(package):
    unsafe = {"pickle", "cPickle", "dill", "joblib", "shelve", "marshal", "cloudpickle"}
    for path in (ROOT / package).rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Import | ast.ImportFrom):
                names = {alias.name for alias in node.names} | {getattr(node, "module", "")}
                assert not unsafe & {str(name).partition(".")[0] for name in names}, path
            if isinstance(node, ast.Call):
                called = ast.unparse(node.func)
                assert called not in {"eval", "exec"}, path
                if called == "torch.load":
                    assert path.name == "nnunet.py", path
                    assert "weights_only=True" in ast.unparse(node), path
                assert not any(one.arg == "allow_pickle" for one in node.keywords), path


def test_training_loads_checkpoints_as_weights_only():
    calls = [
        node
        for path in (ROOT / "training").rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "torch.load"
    ]
    assert calls
    for call in calls:
        given = {one.arg: ast.unparse(one.value) for one in call.keywords}
        assert given.get("weights_only") == "True", ast.unparse(call)
