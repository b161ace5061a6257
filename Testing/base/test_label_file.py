"""labels.json: what it may say, what is plain where it is silent, and what is refused."""

import json
from dataclasses import replace

import pytest

from FlareSegLib.base.errors import ModelError
from FlareSegLib.base.label_file import default_labels, read_labels, write_labels
from FlareSegLib.base.labels import LabelSet, Organ, palette
from FlareSegLib.base.model_file import read_model_config
from Testing.many_organs import write_flat_model
from Testing.model_facts import a_config


def labels_of(folder, *rows, **top):
    facts = {"organs": list(rows)} | top
    (folder / "labels.json").write_text(json.dumps(facts), encoding="utf-8")
    return read_labels(folder)


def test_a_key_is_enough_and_the_rest_is_plain(tmp_path):
    (organ, other) = labels_of(tmp_path, {"key": "left_lung"}, {"key": "heart"}).organs
    assert (organ.value, organ.key, organ.name) == (1, "left_lung", "left lung")
    assert (other.value, other.name) == (2, "heart")
    assert (organ.plausible_ml, organ.keep, organ.fill_holes) == (None, "all", False)
    assert (organ.side, organ.is_tube, organ.tolerance_mm) == (None, False, 2.0)
    assert (organ.snomed, organ.snomed_meaning) == ("123037004", "Anatomical Structure")
    assert organ.color == palette(1) != other.color


def test_what_the_file_says_is_taken_and_values_sort(tmp_path):
    rows = (
        {"key": "b", "value": 200, "color": [1, 2, 3], "is_tube": True, "name": "the b"},
        {"key": "a", "value": 7, "snomed": "39607008", "side": "left", "plausible_ml": [1, 2.5]},
    )
    found = labels_of(tmp_path, *rows, name="two", schema_version=1)
    assert found.keys == ("a", "b")
    assert found.by_value[200] == Organ(200, "b", "the b", (1, 2, 3), is_tube=True)
    assert found.tubes == (found.by_key["b"],)
    a = found.by_key["a"]
    assert (a.snomed, a.snomed_meaning, a.side, a.plausible_ml) == (
        "39607008",
        "a",
        "left",
        (1, 2.5),
    )


def test_what_is_written_comes_back(tmp_path):
    write_labels(default_labels(), tmp_path)
    assert read_labels(tmp_path) == default_labels()


def test_without_the_file_organs_are_those_of_flare(tmp_path):
    assert read_labels(tmp_path) is default_labels()


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ({}, "has no key"),
        ({"key": "a,b"}, "has key"),
        ({"key": "all"}, "and not all"),
        ({"key": 3}, "has key 3"),
        ({"key": "a", "value": 256}, "value 256: give a whole number from 1 to 255"),
        ({"key": "a", "value": 0}, "value 0"),
        ({"key": "a", "value": True}, "value true"),
        ({"key": "a", "value": 1.0}, "value 1.0"),
        ({"key": "a", "name": ""}, "has name"),
        ({"key": "a", "name": "a\nb"}, "has name"),
        ({"key": "a", "name": "x" * 65}, "has name"),
        ({"key": "a", "snomed_meaning": "a^b"}, "has snomed_meaning"),
        ({"key": "a", "snomed": 39607008}, "the digits of a SNOMED CT concept as text"),
        ({"key": "a", "color": [0, 0, 256]}, "red, green and blue"),
        ({"key": "a", "color": "red"}, "red, green and blue"),
        ({"key": "a", "side": "both"}, "left, right or null"),
        ({"key": "a", "tolerance_mm": 0}, "a number of mm above 0"),
        ({"key": "a", "plausible_ml": [5, 1]}, "low < high"),
        ({"key": "a", "keep": "smallest"}, "all, largest or near"),
        ({"key": "a", "least_island_ml": -1}, "a number from 0 on"),
        ({"key": "a", "reach_mm": "far"}, "a number from 0 on"),
        ({"key": "a", "fill_holes": 1}, "true or false"),
        ({"key": "a", "colour": [0, 0, 0]}, "unknown"),
    ],
)
def test_a_wrong_entry_is_said_with_the_organ_and_what_to_give(tmp_path, row, said):
    with pytest.raises(ModelError) as told:
        labels_of(tmp_path, {"key": "fine", "value": 9}, row)
    assert said in str(told.value)
    assert "labels.json: organ" in str(told.value)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "cannot be read"),
        ("[]", 'no list "organs"'),
        ('{"organs": []}', 'no list "organs"'),
        ('{"organs": [3]}', 'no list "organs"'),
        ('{"organs": [{"key": "a"}], "schema_version": 2}', "update FlareSeg"),
        ('{"organs": [{"key": "a"}], "colors": 1}', "update FlareSeg"),
        ('{"organs": [{"key": "a"}, {"key": "a"}]}', "the key 'a' twice"),
        ('{"organs": [{"key": "a", "value": 2}, {"key": "b"}]}', "the value 2 twice"),
        (json.dumps({"organs": [{"key": f"k{i}"} for i in range(256)]}), "256 organs: a labelmap"),
        (" " * 2**20 + "{}", "at most 1 MiB"),
    ],
)
def test_a_wrong_file_is_said_so(tmp_path, text, said):
    (tmp_path / "labels.json").write_text(text, encoding="utf-8")
    with pytest.raises(ModelError) as told:
        read_labels(tmp_path)
    assert said in str(told.value)


def test_255_organs_are_not_too_many(tmp_path):
    assert len(labels_of(tmp_path, *({"key": f"k{i}"} for i in range(255))).organs) == 255


def test_a_label_of_which_the_file_says_nothing_is_refused(tmp_path):
    folder = write_flat_model(tmp_path, 3, [{"key": "part_1"}, {"key": "part_2"}])
    with pytest.raises(ModelError, match=r"part_3.*labels.json"):
        read_model_config(folder)
    (folder / "labels.json").unlink()
    with pytest.raises(ModelError, match=r"part_1.*labels.json"):
        read_model_config(folder)


def test_a_model_has_the_organs_of_its_labels_alone_and_values_of_the_file():
    config = a_config(labels=("spleen", "liver", "aorta"))
    assert config.label_set.keys == ("liver", "spleen", "aorta")
    assert config.values == (0, 3, 1, 5)
    assert config.tube_classes == (3,)


def test_a_label_twice_is_refused():
    with pytest.raises(ModelError, match="twice"):
        a_config(labels=("liver", "liver"))


def test_neighbours_in_the_palette_are_told_apart():
    colors = [palette(value) for value in range(1, 256)]
    assert len(set(colors)) > 250
    for step in (1, 2, 3, 4):
        pairs = zip(colors, colors[step:], strict=False)
        assert min(max(abs(a - b) for a, b in zip(*pair, strict=True)) for pair in pairs) > 35


def test_pairs_are_organs_that_say_their_side_and_differ_in_it_alone():
    assert default_labels().pairs == (
        ("right_kidney", "left_kidney"),
        ("right_adrenal_gland", "left_adrenal_gland"),
    )
    one = Organ(1, "kidney_right", "k", (0, 0, 0), side="right")
    two = Organ(2, "kidney_left", "k", (0, 0, 0), side="left")
    assert LabelSet((one, two)).pairs == (("kidney_right", "kidney_left"),)
    assert LabelSet((one, replace(two, side=None))).pairs == ()


def test_unknown_keys_are_named_with_those_that_are_known():
    with pytest.raises(ValueError, match=r"unknown organs lung: choose from liver, "):
        default_labels().chosen(("liver", "lung"))
    assert [organ.key for organ in default_labels().chosen(("spleen", "liver"))] == [
        "liver",
        "spleen",
    ]
