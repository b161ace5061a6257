"""An organ of the scene corrected by clicks, with the process and network that ship."""

import json

import numpy as np
import pytest

from Testing.slicer.lesions import CENTRE_RAS, RADIUS, SHAPE, SPACING, answered, click, ml, roi

INSIDE = CENTRE_RAS + np.array((8, 0, 0))
"""In the half of the ball that the organ lacks."""


def balls():
    """Return the ball of the CT, and where R is above its middle, (k, j, i)."""
    half = np.array(SHAPE) * SPACING / 2
    z, y, x = (np.indices(SHAPE).T * np.array(SPACING)).T - half[:, None, None, None]
    return x**2 + y**2 + z**2 < RADIUS**2, x < 0


@pytest.fixture
def organs(section, ball):
    """A segmentation with half of the ball as gallbladder, and a block of liver."""
    import slicer
    from FlareSegUI import Lesions, Nodes

    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode", "CT organs")
    node.CreateDefaultDisplayNodes()
    Nodes.placeBeside(node, ball)
    is_ball, is_right = balls()
    block = np.zeros(SHAPE, bool)
    block[5:8, 20:40, 20:40] = True
    for key, mask in (("gallbladder", is_ball & ~is_right), ("liver", block)):
        node.GetSegmentation().AddEmptySegment(key, key, (1, 0, 0))
        Lesions.writeMask(node, key, ball, [0, 0, 0], mask.astype(np.uint8))
    row = {"value": 9, "name": "x", "volume_ml": 1.0, "mean_hu": 5.0, "is_lower_bound": False}
    flags = {"touches_border": "cut", "implausible_volume": "small"}
    rows = [{**row, "key": key, "flags": flags} for key in ("gallbladder", "liver")]
    report = {"organs": rows, "flags": {}, "run": {"input": "CT"}}
    node.SetAttribute(f"{Nodes.PREFIX}report", json.dumps(report))
    return node


def voxels(node, key, ct):
    import slicer

    return slicer.util.arrayFromSegmentBinaryLabelmap(node, key, ct).astype(bool)


@pytest.mark.slow
def test_a_click_adds_what_is_missing_and_undo_redo_and_discard_are_exact(section, organs, ball):
    from FlareSegUI import Nodes

    before, liver = (voxels(organs, key, ball) for key in ("gallbladder", "liver"))
    report = Nodes.reportOf(organs)
    section.correct(organs, "gallbladder")
    assert "gallbladder" in section.status.text
    assert section.buttons["done"].enabled
    answered(section, lambda: click(section, "inside", INSIDE))
    after = voxels(organs, "gallbladder", ball)
    truth = balls()[0]
    assert np.all(after[before])
    assert np.mean(truth[after & ~before]) > 0.9
    assert np.sum(after & ~before) > 0.5 * np.sum(truth & ~before)
    np.testing.assert_array_equal(voxels(organs, "liver", ball), liver)
    row = Nodes.reportOf(organs)["organs"][0]
    assert row["volume_ml"] == pytest.approx(np.sum(after) * np.prod(SPACING) / 1000)
    assert set(row["flags"]) >= {"corrected", "touches_border"}
    assert "implausible_volume" not in row["flags"]
    assert Nodes.reportOf(organs)["organs"][1] == report["organs"][1]
    section.onUndo()
    np.testing.assert_array_equal(voxels(organs, "gallbladder", ball), before)
    assert Nodes.reportOf(organs) == report
    section.onRedo()
    np.testing.assert_array_equal(voxels(organs, "gallbladder", ball), after)
    section.onDiscard()
    np.testing.assert_array_equal(voxels(organs, "gallbladder", ball), before)
    assert Nodes.reportOf(organs) == report
    assert section._thing is None


@pytest.mark.slow
def test_a_first_click_outside_removes_and_done_keeps_it(section, organs, ball):
    before = voxels(organs, "gallbladder", ball)
    section.correct(organs, "gallbladder")
    answered(section, lambda: click(section, "outside", CENTRE_RAS - np.array((8, 0, 0))))
    after = voxels(organs, "gallbladder", ball)
    assert np.sum(after) < np.sum(before)
    assert not np.any(after & ~before)
    section.onDone()
    np.testing.assert_array_equal(voxels(organs, "gallbladder", ball), after)
    assert section._nodes == {}


@pytest.mark.slow
def test_another_organ_keeps_its_voxels_and_a_click_into_it_says_so(section, organs, ball):
    from FlareSegUI import Lesions

    is_ball, is_right = balls()
    _, j, _ = np.indices(SHAPE)
    taken = is_ball & is_right & (j < SHAPE[1] // 2 - 2)
    Lesions.writeMask(organs, "liver", ball, [0, 0, 0], taken.astype(np.uint8))
    section.correct(organs, "gallbladder")
    answered(section, lambda: click(section, "inside", INSIDE))
    assert not np.any(voxels(organs, "gallbladder", ball) & taken)
    np.testing.assert_array_equal(voxels(organs, "liver", ball), taken)
    before = voxels(organs, "gallbladder", ball)
    answered(section, lambda: click(section, "inside", INSIDE + np.array((0, 8, 0))))
    assert "another organ" in section.status.text
    np.testing.assert_array_equal(voxels(organs, "liver", ball), taken)
    assert np.all(voxels(organs, "gallbladder", ball)[before])


@pytest.mark.slow
def test_a_surface_goes_with_the_first_click_and_is_made_anew_in_the_end(section, organs, ball):
    import slicer
    from FlareSegUI import Nodes

    closed = slicer.vtkSegmentationConverter.GetClosedSurfaceRepresentationName()

    def surface():
        return organs.GetSegmentation().GetSegment("gallbladder").GetRepresentation(closed)

    Nodes.show3D(organs, True, lambda name: None)
    before = surface().GetBounds()
    section.correct(organs, "gallbladder")
    answered(section, lambda: click(section, "inside", INSIDE))
    assert surface() is None
    section.onDone()
    after = surface().GetBounds()
    assert after[1] > before[1] + 3, "it reaches further to the right side of the patient"
    assert section.status.text.startswith("Making the surface of gallbladder")


@pytest.mark.slow
def test_a_box_after_it_begins_a_lesion_and_the_organ_stays(section, organs, ball):
    section.correct(organs, "gallbladder")
    answered(section, lambda: click(section, "inside", INSIDE))
    kept = voxels(organs, "gallbladder", ball)
    answered(section, lambda: roi(section))
    assert ml(section, ball)[0] > 5
    assert section._thing.segment[0] is not organs
    np.testing.assert_array_equal(voxels(organs, "gallbladder", ball), kept)


@pytest.mark.slow
def test_a_lesion_that_is_done_can_be_corrected_and_its_row_follows(section, ball, panel):
    from FlareSegUI import Lesions

    answered(section, lambda: roi(section))
    node, key = section._thing.segment
    section.onDone()
    before, (row,) = voxels(node, key, ball), Lesions.rowsOf(ball)
    section.correct(node, key)
    answered(section, lambda: click(section, "outside", CENTRE_RAS))
    assert np.sum(voxels(node, key, ball)) < np.sum(before)
    (now,) = Lesions.rowsOf(ball)
    assert now["volume_ml"] == section._history.now.answer["ml"] < row["volume_ml"]
    assert "corrected" in now["flags"]
    assert panel.ui.resultTable.item(0, 2).text() == f"{now['volume_ml']:.1f}"
    section.onDiscard()
    assert Lesions.rowsOf(ball) == [row]


def test_the_menu_lists_the_segments_of_the_ct(section, organs):
    section.fillMenu()
    assert [action.text for action in section.menu.actions()] == ["gallbladder", "liver"]


def test_without_segments_the_menu_says_so(section):
    section.fillMenu()
    (action,) = section.menu.actions()
    assert "no segments" in action.text
    assert not action.enabled


@pytest.mark.slow
def test_what_cannot_be_corrected_is_told_and_nothing_is_begun(section, organs, ball):
    import slicer

    organs.GetSegmentation().AddEmptySegment("empty", "spleen")
    section.correct(organs, "empty")
    assert "spleen is empty" in section.status.text
    assert section._thing is None
    moved = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLinearTransformNode")
    ball.SetAndObserveTransformNodeID(moved.GetID())
    section.correct(organs, "gallbladder")
    assert "different transforms" in section.status.text
    assert section._thing is None
