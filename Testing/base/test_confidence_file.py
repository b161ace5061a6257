"""confidence.json: read, checked, and bound to its weights."""

import json

import pytest

from FlareSegLib.base.confidence_file import read_confidence
from FlareSegLib.base.errors import ModelError
from FlareSegLib.base.model_file import read_model_config
from FlareSegLib.pipeline import default_model

SHA = "ab" * 32
TREE = {"feature": [0], "threshold": [0.5], "missing": [1], "leaf": [0.1, 0.2]}
FACTS = {
    "schema_version": 1, "sha256": SHA, "organs": ["liver"], "features": ["chance"], "base": 0.5,
    "doubtful_below": 0.6, "absent_below": 0.6, "good": {"liver": {"chance": [0.9, 0.1]}},
    "trees": [TREE],
}  # fmt: skip


def written(folder, facts):
    text = facts if isinstance(facts, str) else json.dumps(facts)
    (folder / "confidence.json").write_text(text, encoding="utf-8")
    return folder


def test_a_model_without_one_has_no_confidence(tmp_path):
    assert read_confidence(tmp_path, SHA) is None


def test_a_good_one_is_read(tmp_path):
    assert read_confidence(written(tmp_path, FACTS), SHA) == FACTS


def test_that_of_other_weights_says_nothing_of_these(tmp_path):
    assert read_confidence(written(tmp_path, FACTS), "cd" * 32) is None


@pytest.mark.parametrize(
    "change",
    [
        {"schema_version": 2},
        {"base": None},
        {"base": float("nan")},
        {"trees": [{**TREE, "feature": [1]}]},
        {"trees": [{**TREE, "feature": [-1]}]},
        {"trees": [{**TREE, "feature": [0.0]}]},
        {"trees": [{**TREE, "leaf": [0.1]}]},
        {"trees": [{**TREE, "leaf": [0.1, float("inf")]}]},
        {"trees": [{**TREE, "feature": [0, 0], "threshold": [1, 1], "missing": [0, 0]}]},
        {"trees": [TREE] * 1001},
        {"good": {"liver": {"chance": [0.9]}}},
        {"features": [3]},
        {"trees": 7},
    ],
)
def test_a_damaged_one_is_refused(tmp_path, change):
    with pytest.raises(ModelError, match="remove or restore"):
        read_confidence(written(tmp_path, {**FACTS, **change}), SHA)


@pytest.mark.parametrize("text", ["", "[]", "7", "{", "[" * 100_000, " " * 2_000_000])
def test_what_is_no_json_object_is_refused(tmp_path, text):
    with pytest.raises(ModelError, match="remove or restore"):
        read_confidence(written(tmp_path, text), SHA)


def test_the_model_that_ships_has_one_for_its_own_weights():
    config = read_model_config(default_model())
    assert config.confidence is not None
    assert set(config.confidence["organs"]) == set(config.labels)
    figures = config.confidence["figures"]["found"]
    assert figures["spearman"] >= 0.6
    assert figures["auroc_poor"] >= 0.85
    assert figures["good_flagged"] <= 0.1
