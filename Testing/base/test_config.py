import json

import pytest

from FlareSegLib.base.errors import ModelError
from FlareSegLib.base.model_file import read_model_config
from FlareSegLib.base.recipe import Recipe
from FlareSegLib.base.run_options import RunOptions
from Testing.model_facts import a_config


def write(folder, **changes):
    config = a_config()
    facts = {name: getattr(config, name) for name in config.__dataclass_fields__}
    for told_elsewhere in ("label_set", "is_foreign", "is_exact", "onnx_bytes"):
        del facts[told_elsewhere]
    facts |= changes
    facts = {key: value for key, value in facts.items() if value is not None}
    (folder / "model.json").write_text(json.dumps(facts), encoding="utf-8")
    return folder


def test_facts_come_back_as_written(tmp_path):
    assert read_model_config(write(tmp_path)) == a_config()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"color": "red"}, "unknown keys"),
        ({"window": None}, "lacks a key"),
        ({"hu_sd": 0.0}, "must be > 0"),
        ({"spacing_mm": [1.0, -1.0, 1.0]}, "must be > 0"),
        ({"coarse_overlap": 0.9}, "coarse <= fine"),
        ({"flips": [[3]]}, "flips are lists of axes"),
        ({"flips": 1}, "wrong type"),
    ],
)
def test_a_broken_model_json_is_said_so(tmp_path, changes, message):
    with pytest.raises(ModelError, match=message):
        read_model_config(write(tmp_path, **changes))


def test_a_missing_model_json_says_what_to_give(tmp_path):
    with pytest.raises(ModelError, match="--model"):
        read_model_config(tmp_path)


def test_a_file_that_is_not_json_is_said_so(tmp_path):
    (tmp_path / "model.json").write_text("{", encoding="utf-8")
    with pytest.raises(ModelError, match="cannot be read"):
        read_model_config(tmp_path)


def test_padding_is_clipped_and_normalized_like_a_voxel():
    config = a_config(hu_range=(-100.0, 100.0), hu_mean=20.0, hu_sd=10.0, pad_hu=-1024.0)
    assert config.pad_value == pytest.approx(-12.0)


@pytest.mark.parametrize("options", [{"speed": "quick"}, {"runtime": "cuda"}, {"threads": -1}])
def test_options_out_of_range_are_refused(options):
    with pytest.raises(ValueError, match=next(iter(options))):
        RunOptions(**options)


def test_a_large_network_with_folds_and_mirrored_looks_may_take_its_time():
    folds = (("b.onnx", "0" * 64),)
    config = a_config(recipe=Recipe(), flips=((0,), (1,), (2,)), more_onnx=folds)
    found = [config.patience(speed) for speed in ("fast", "balanced", "accurate")]
    assert found == [10, 20, 80]
    assert a_config().patience("accurate") == 1


def test_speeds_have_their_own_networks_where_the_model_has_them():
    config = a_config(accurate_onnx="large.onnx", accurate_sha256="1" * 64)
    assert config.at_speed("accurate").onnx == "large.onnx"
    assert config.at_speed("accurate").sha256 == "1" * 64
    assert config.at_speed("fast") == config.at_speed("balanced") == config
    assert config.files == {config.onnx: config.sha256, "large.onnx": "1" * 64}
    assert not config.at_speed("accurate").is_int8


def test_a_network_of_a_speed_cannot_lie_elsewhere(tmp_path):
    with pytest.raises(ModelError, match=r"\.\./large\.onnx"):
        read_model_config(write(tmp_path, accurate_onnx="../large.onnx"))
