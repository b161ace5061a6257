"""Markups as 3D Slicer 5 saves them."""

import json

import numpy as np
import pytest

from FlareSegLib.base.errors import InputError
from FlareSegLib.prompting.markups import read_markups
from FlareSegLib.prompting.prompts import BoxPrompt, ClickPrompt, LinePrompt


def saved(folder, *markups, **head):
    path = folder / "m.mrk.json"
    path.write_text(
        json.dumps({"@schema": "markups-schema-v1.0.3.json", "markups": markups, **head})
    )
    return path


def roi(system="LPS", **more):
    center = [10.0, 20.0, 30.0]
    turn = [1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0]
    facts = {"type": "ROI", "coordinateSystem": system, "coordinateUnits": "mm", "roiType": "Box"}
    return {**facts, "center": center, "orientation": turn, "size": [4.0, 6.0, 8.0], **more}


def point(position, status="defined", **more):
    return {"position": position, "positionStatus": status, **more}


def test_a_roi_in_lps_and_one_in_ras_are_both_read(tmp_path):
    (box,) = read_markups(saved(tmp_path, roi()))
    assert (box.centre, box.size_mm) == ((-10.0, -20.0, 30.0), (4.0, 6.0, 8.0))
    (box,) = read_markups(saved(tmp_path, roi("RAS")))
    assert box.centre == (10.0, 20.0, 30.0)


def test_axes_of_a_turned_roi_are_the_columns_of_its_orientation(tmp_path):
    turn = [0.8, -0.6, 0.0, 0.6, 0.8, 0.0, 0.0, 0.0, 1.0]
    (box,) = read_markups(saved(tmp_path, roi(orientation=turn)))
    np.testing.assert_allclose(box.axes[0], (-0.8, -0.6, 0.0))


def test_a_line_and_points_come_in_order_and_undefined_points_are_left_out(tmp_path):
    points = {"type": "Fiducial", "coordinateSystem": "RAS", "controlPoints": [
        point([1, 2, 3], label="F-1"), point([4, 5, 6], label="- vessel"),
        point([7, 8, 9], status="undefined")]}  # fmt: skip
    ends = [point([0, 0, 0]), point([0, 30, 0])]
    line = {"type": "Line", "coordinateSystem": "RAS", "controlPoints": ends}
    found = read_markups(saved(tmp_path, points, line))
    assert found == (
        LinePrompt((0.0, 0.0, 0.0), (0.0, 30.0, 0.0)),
        ClickPrompt((1.0, 2.0, 3.0), inside=True),
        ClickPrompt((4.0, 5.0, 6.0), inside=False),
    )


@pytest.mark.parametrize(
    ("markups", "said"),
    [
        ([], "no placed point"),
        ([roi(), roi()], "2 boxes and lines"),
        ([roi(coordinateSystem="IJK")], "IJK"),
        ([roi(size=[1, 2])], "broken ROI"),
        ([{"type": "Curve", "controlPoints": []}], "Curve"),
        ([{"type": "Line", "controlPoints": [point([0, 0, 0])]}], "one end"),
        ([{"type": "Fiducial", "controlPoints": [{"position": None}]}], "broken"),
    ],
)
def test_what_cannot_be_is_told_in_one_line(tmp_path, markups, said):
    with pytest.raises(InputError, match=said) as caught:
        read_markups(saved(tmp_path, *markups))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"markups": 3}', "\x00"])
def test_other_files_are_told_apart(tmp_path, text):
    path = tmp_path / "a.json"
    path.write_text(text)
    with pytest.raises(InputError, match="no markups file"):
        read_markups(path)


def test_a_missing_file_is_told(tmp_path):
    with pytest.raises(InputError, match="cannot be read"):
        read_markups(tmp_path / "none.mrk.json")


def test_boxes_are_box_prompts(tmp_path):
    assert isinstance(read_markups(saved(tmp_path, roi()))[0], BoxPrompt)
