"""A lesion at once, with Slicer's own markups nodes and the process and network that ship."""

import numpy as np
import pytest

from Testing.slicer.conftest import wait_until
from Testing.slicer.lesions import (
    BALL_ML,
    CENTRE_RAS,
    SHAPE,
    ml,
    roi,
    segment,
)


@pytest.mark.slow
def test_a_box_becomes_a_segment_and_done_keeps_it(section, ball):
    import vtk

    roi(section)
    section.ask()
    found, array = ml(section, ball)
    assert found == pytest.approx(BALL_ML, rel=0.15)
    middle = np.argwhere(array).mean(0)
    np.testing.assert_allclose(middle, (np.array(SHAPE)) / 2, atol=1.5)
    node, key = segment(section)
    assert "ml" in section.status.text
    tag = vtk.reference("")
    kept = node.GetSegmentation().GetSegment(key)
    assert kept.GetTag(kept.GetTerminologyEntryTagName(), tag)
    assert "52988006" in tag.get()
    section.onDone()
    assert section._nodes == {}
    assert section._thing is None
    assert node.GetSegmentation().GetSegment(key) is not None


@pytest.mark.slow
def test_an_answer_does_not_wait_for_its_line(section, ball):
    section.client._onLine = lambda line: None
    roi(section)
    section.ask()
    wait_until(lambda: section._history.now.answer is not None)
    assert section._history.now.answer["ml"] > 0
    assert not list(section.client._folder.glob("answer_*")), "it was taken away"


@pytest.mark.slow
def test_clicks_change_it_and_undo_brings_it_back(section, ball):
    import vtk

    roi(section)
    section.ask()
    _, before = ml(section, ball)
    answers = []
    tell = section.client._onAnswer
    section.client._onAnswer = lambda answer: (tell(answer), answers.append(answer))
    section.place("outside")
    section._nodes["outside"].AddControlPoint(vtk.vtkVector3d(*CENTRE_RAS))
    wait_until(lambda: len(answers) == 1)
    _, after = ml(section, ball)
    at = tuple(np.array(SHAPE) // 2)
    assert (before[at], after[at]) == (1, 0)
    section.onUndo()
    np.testing.assert_array_equal(ml(section, ball)[1], before)


@pytest.mark.slow
def test_a_box_under_a_transform_finds_what_is_there(section, ball, scene):
    import slicer
    import vtk

    matrix = vtk.vtkMatrix4x4()
    for row, shift in enumerate((50, -20, 10)):
        matrix.SetElement(row, 3, shift)
    moved = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLinearTransformNode")
    moved.SetMatrixTransformToParent(matrix)
    ball.SetAndObserveTransformNodeID(moved.GetID())
    roi(section, CENTRE_RAS + np.array((50, -20, 10)))
    section.ask()
    assert ml(section, ball)[0] == pytest.approx(BALL_ML, rel=0.15)


@pytest.mark.slow
def test_other_segments_keep_their_voxels_and_discard_removes_its_own(section, ball):
    import slicer

    roi(section)
    section.ask()
    _, first = ml(section, ball)
    node, key = segment(section)
    section.onDone()
    roi(section, CENTRE_RAS + np.array((5, 0, 0)))
    section.ask()
    other, second = segment(section)
    assert other is node
    assert second != key
    np.testing.assert_array_equal(
        slicer.util.arrayFromSegmentBinaryLabelmap(node, key, ball), first
    )
    section.onDiscard()
    assert node.GetSegmentation().GetNumberOfSegments() == 1


@pytest.mark.slow
def test_closing_the_scene_ends_the_process(section, ball):
    import slicer

    roi(section)
    assert section.client.isRunning
    slicer.mrmlScene.Clear()
    assert not section.client.isRunning


def test_without_a_volume_it_says_so(panel):
    panel.prompts.place("box")
    assert "Choose a CT" in panel.prompts.status.text
    assert not panel.prompts.client.isRunning
