"""Which organs are learned: FLARE's, or those of a labels.json."""

import json

import pytest

from FlareSegLib.base.errors import FlareSegError
from Testing.flare import FLARE
from training.sections.data import Data


def labels_json(folder, *rows):
    path = folder / "labels.json"
    path.write_text(json.dumps({"organs": list(rows)}), encoding="utf-8")
    return path


def test_organs_are_those_of_flare_unless_a_file_is_named(tmp_path):
    assert (Data().keys, Data().classes) == (FLARE.keys, 14)
    path = labels_json(tmp_path, {"key": "left_lung"}, {"key": "heart"})
    other = Data(labels=path, partial={"a": ("heart",)})
    assert (other.keys, other.classes) == (("left_lung", "heart"), 3)


def test_lesion_comes_after_the_organs(tmp_path):
    data = Data(labels=labels_json(tmp_path, {"key": "heart"}), lesion=True)
    assert data.keys == ("heart", "lesion")
    assert data.label_set.by_key["lesion"].value == 2
    assert data.organs.keys == ("heart",)


def test_values_with_a_gap_are_refused(tmp_path):
    path = labels_json(tmp_path, {"key": "heart"}, {"key": "lung", "value": 5})
    with pytest.raises((FlareSegError, ValueError), match=r"data.labels.*\[1, 5\]"):
        Data(labels=path)
