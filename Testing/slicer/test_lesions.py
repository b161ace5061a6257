"""Undo and redo of a lesion, exact in voxels and markups; and its row in the table of results."""

import numpy as np
import pytest

from FlareSegLib.base.geometry import Grid, Volume
from Testing.slicer.conftest import to_node
from Testing.slicer.lesions import (
    CENTRE_RAS,
    RADIUS,
    answered,
    box_of,
    click,
    clicks_of,
    ml,
    move_box,
    roi,
)


@pytest.mark.slow
def test_undo_and_redo_bring_back_voxels_and_markups_of_each_step(section, ball):
    steps = []

    def remember():
        array = ml(section, ball)[1].copy()
        inside = clicks_of(section, "inside") if "inside" in section._nodes else None
        steps.append((array, box_of(section), inside, section.status.text, set(section._nodes)))

    for change in (
        lambda: roi(section),
        lambda: move_box(section),
        lambda: click(section, "inside", CENTRE_RAS),
        lambda: click(section, "inside", CENTRE_RAS + np.array((6, 0, 0))),
        lambda: click(section, "outside", CENTRE_RAS - np.array((0, 12, 0))),
    ):
        answered(section, change)
        remember()
    seen = [step[0] for step in steps]
    assert not all(np.array_equal(one, seen[0]) for one in seen[1:])
    taken = []
    for way, order in ((section.onUndo, (3, 2, 1, 0)), (section.onRedo, (1, 2, 3, 4))):
        for number in order:
            way()
            wanted = steps[number]
            np.testing.assert_array_equal(ml(section, ball)[1], wanted[0])
            now, points = box_of(section)
            np.testing.assert_allclose(now, wanted[1][0], atol=1e-9)
            assert points == wanted[1][1]
            if wanted[2] is not None:
                assert clicks_of(section, "inside") == wanted[2]
            assert (section.status.text, set(section._nodes)) == wanted[3:]
            taken.append(number)
    assert taken == [3, 2, 1, 0, 1, 2, 3, 4]
    assert not section.buttons["redo"].enabled


@pytest.mark.slow
def test_undo_of_the_first_box_leaves_nothing_and_redo_brings_the_lesion_back(section, ball):
    answered(section, lambda: roi(section))
    first = ml(section, ball)[1].copy()
    node, _ = section._thing.segment
    section.onUndo()
    assert node.GetSegmentation().GetNumberOfSegments() == 0
    assert section._nodes == {}
    assert [section.buttons[key].enabled for key in ("undo", "redo")] == [False, True]
    section.onRedo()
    np.testing.assert_array_equal(ml(section, ball)[1], first)
    assert node.GetSegmentation().GetNthSegment(0).GetName() == "lesion 1"


@pytest.mark.slow
def test_a_new_step_after_undo_forgets_what_was_taken_back(section, ball):
    answered(section, lambda: roi(section))
    answered(section, lambda: move_box(section))
    section.onUndo()
    answered(section, lambda: click(section, "inside", CENTRE_RAS))
    assert not section.buttons["redo"].enabled
    section.onUndo()
    assert set(section._nodes) == {"box"}


@pytest.mark.slow
def test_undo_of_a_box_that_was_only_begun_gives_the_one_before_back(section, ball):
    answered(section, lambda: roi(section))
    before, array = box_of(section), ml(section, ball)[1].copy()
    section.place("box")
    assert section._nodes["box"].GetNumberOfControlPoints() == 0
    section.onUndo()
    np.testing.assert_allclose(box_of(section)[0], before[0])
    np.testing.assert_array_equal(ml(section, ball)[1], array)
    assert section._history.now.prompts


@pytest.mark.slow
def test_each_lesion_is_a_row_of_the_table_as_long_as_its_segment_is_there(section, ball, panel):
    table = panel.ui.resultTable
    answered(section, lambda: roi(section))
    found = section._history.now.answer
    shown = [table.item(0, column).text() for column in range(4)]
    diameters = f"{found['longest_mm']:.1f} x {found['across_mm']:.1f} mm"
    assert shown[0] == "lesion 1"
    assert shown[1].startswith(diameters)
    assert shown[2:] == [f"{found['ml']:.1f}", f"{found['hu_mean']:.0f}"]
    assert found["longest_mm"] == pytest.approx(2 * RADIUS, abs=5)
    assert panel.ui.resultLabel.text == "Lesions of CT"
    section.onDone()
    answered(section, lambda: roi(section, CENTRE_RAS + np.array((5, 0, 0))))
    assert {table.item(row, 0).text() for row in range(table.rowCount)} == {"lesion 1", "lesion 2"}
    section.onDiscard()
    assert table.rowCount == 1


def test_rows_of_lesions_come_back_with_a_saved_scene(scene, tmp_path):
    import slicer
    from FlareSegUI import Lesions

    array = np.zeros((20, 20, 20), np.int16)
    volume = to_node(Volume(array, Grid(array.shape, (1.0, 1.0, 1.0))), "CT")
    node = Lesions.segmentationFor(volume)
    key = Lesions.newSegment(node)
    Lesions.writeMask(node, key, volume, [2, 3, 4], np.ones((2, 2, 2), np.uint8))
    facts = {"ml": 1.25, "hu_mean": -3.0, "longest_mm": 14.2, "across_mm": 9.1}
    Lesions.keepFacts(node, key, facts | {"flags": {"touches_box": "a sentence | with: marks"}})
    before = Lesions.rowsOf(volume)
    assert (before[0]["size"], before[0]["volume_ml"]) == ("14.2 x 9.1 mm", 1.25)
    for one in (volume, node):
        one.AddDefaultStorageNode()
        ending = ".seg.nrrd" if one is node else ".nrrd"
        one.GetStorageNode().SetFileName(str(tmp_path / f"{one.GetID()}{ending}"))
        assert one.GetStorageNode().WriteData(one)
    slicer.mrmlScene.SetURL(str(tmp_path / "scene.mrml"))
    assert slicer.mrmlScene.Commit()
    slicer.mrmlScene.Clear()
    assert slicer.mrmlScene.Connect()
    again = slicer.mrmlScene.GetFirstNodeByClass("vtkMRMLScalarVolumeNode")
    assert Lesions.rowsOf(again) == before
    assert Lesions.rowsOf(None) == []


def test_a_segment_that_is_removed_by_hand_takes_its_row_along(scene):
    from FlareSegUI import Lesions

    array = np.zeros((20, 20, 20), np.int16)
    volume = to_node(Volume(array, Grid(array.shape, (1.0, 1.0, 1.0))), "CT")
    node = Lesions.segmentationFor(volume)
    keys = [Lesions.newSegment(node) for _ in range(2)]
    facts = {"ml": 1.0, "hu_mean": None, "longest_mm": 0.0, "across_mm": 0.0, "flags": {}}
    for key in keys:
        Lesions.keepFacts(node, key, facts)
    assert [row["size"] for row in Lesions.rowsOf(volume)] == ["", ""]
    node.GetSegmentation().RemoveSegment(keys[0])
    assert [row["name"] for row in Lesions.rowsOf(volume)] == ["lesion 2"]
