"""Words of the viewer: sides and place of a slice, and the list of organs."""

import json

import numpy as np
import pytest

from FlareSegLib.base.atomic import digest
from FlareSegLib.images.writing import write_labelmap
from FlareSegLib.reporting.view_words import lines, sides
from Testing.flare import ORGANS
from Testing.phantoms import abdomen


def matrix(right, up, normal, origin):
    columns = [*(np.array(one, float) for one in (right, up, normal)), np.array(origin, float)]
    return np.vstack([np.column_stack(columns), [0, 0, 0, 1]])


@pytest.mark.parametrize(
    ("columns", "expected"),
    [
        # as 3D Slicer shows them: axial from below, coronal from the front, sagittal from the left
        (((-1, 0, 0), (0, 1, 0), (0, 0, 1), (9, 9, -12.34)), ("R", "L", "A", "P", "I 12.3 mm")),
        (((-1, 0, 0), (0, 0, 1), (0, 1, 0), (9, 7, 9)), ("R", "L", "S", "I", "A 7.0 mm")),
        (((0, -1, 0), (0, 0, 1), (1, 0, 0), (-3, 9, 9)), ("A", "P", "S", "I", "L 3.0 mm")),
    ],
)
def test_sides_and_place_are_as_3d_slicer_lays_slices(columns, expected):
    found = sides(matrix(*columns))
    assert tuple(found[key] for key in ("left", "right", "top", "bottom", "place")) == expected


def test_a_tilted_slice_is_called_oblique_and_its_place_is_along_its_normal():
    """Normal (0, 0.6, 0.8), origin (0, 10, 10): 6 + 8 = 14 mm."""
    found = sides(matrix((-1, 0, 0), (0, 0.8, -0.6), (0, 0.6, 0.8), (0, 10, 10)))
    assert found["place"] == "S 14.0 mm, oblique"
    assert (found["top"], found["bottom"]) == ("A", "P")


@pytest.fixture
def case(tmp_path):
    labelmap = abdomen((20, 19, 24), (16.0, 16.0, 16.0))[1]
    path = tmp_path / "organs.nii.gz"
    write_labelmap(labelmap, path)
    flags = {"liver": {"several_components": "is in 3 pieces"}, "aorta": {"touches_border": "-"}}
    organs = [{"key": one.key, "flags": flags.get(one.key, {})} for one in ORGANS]
    report = {"run": {"files": {path.name: digest(path)}}, "organs": organs}
    (tmp_path / "organs.report.json").write_text(json.dumps(report), encoding="utf-8")
    return labelmap, path


def test_the_list_has_volume_of_the_labelmap_and_flags_of_the_report(case):
    labelmap, path = case
    found = {line.key: line for line in lines(ORGANS, labelmap, path)}
    ml = np.count_nonzero(labelmap.array == 1) * 16**3 / 1000
    assert found["liver"].ml == f"{ml:.0f} ml"
    assert found["liver"].flags == "several components"
    assert found["aorta"].flags == "cut"
    assert found["spleen"].flags == ""
    assert set(found) == {one.key for one in ORGANS if (labelmap.array == one.value).any()}


def test_flags_of_a_labelmap_that_was_edited_since_are_not_told(case):
    labelmap, path = case
    labelmap.array[labelmap.array == 1] = 0
    write_labelmap(labelmap, path)
    found = {line.key: line for line in lines(ORGANS, labelmap, path)}
    assert "liver" not in found
    assert {line.flags for line in found.values()} == {""}


@pytest.mark.parametrize("text", ["[]", "no json", '{"run": {"files": 3}}'])
def test_a_report_that_is_none_gives_a_list_without_flags(case, text):
    labelmap, path = case
    path.with_name("organs.report.json").write_text(text, encoding="utf-8")
    assert {line.flags for line in lines(ORGANS, labelmap, path)} == {""}
