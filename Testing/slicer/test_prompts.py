"""A lesion at once, with Slicer's own markups nodes and the process and network that ship."""

import numpy as np
import pytest
import vtk

from FlareSegLib.base.geometry import Grid, Volume
from Testing.slicer.conftest import to_node, wait_until

CENTRE_RAS, RADIUS = np.array((-30.0, 20.0, 40.0)), 18.0
SHAPE, SPACING = (40, 80, 90), (3.0, 2.0, 2.0)


@pytest.fixture
def ct(scene):
    """A body of tissue in fat, with a darker ball."""
    half = np.array(SHAPE) * SPACING / 2
    origin = CENTRE_RAS * (-1, -1, 1) - half[::-1]
    z, y, x = (np.indices(SHAPE).T * np.array(SPACING[::1])).T - half[:, None, None, None]
    apart = (x / 80) ** 2 + (y / 70) ** 2
    hu = np.select([apart < 0.7, apart < 1], [100, -90], -1000).astype(np.int16)
    hu[x**2 + y**2 + z**2 < RADIUS**2] = 40
    hu += np.random.default_rng(0).normal(0, 6, SHAPE).astype(np.int16)
    return to_node(Volume(hu, Grid(SHAPE, SPACING, tuple(map(float, origin)))))


@pytest.fixture
def section(panel, ct):
    panel._parameterNode.inputVolume = ct
    return panel.prompts


def roi(section, centre=CENTRE_RAS, size=2 * RADIUS + 4):
    section.place("box")
    node = section._nodes["box"]
    node.SetXYZ(*centre) if hasattr(node, "SetXYZ") else node.SetCenter(*centre)
    node.SetSize(size, size, size)
    if node.GetNumberOfControlPoints() < node.GetRequiredNumberOfControlPoints():
        node.AddControlPoint(vtk.vtkVector3d(*centre))
    return node


def segment(section):
    wait_until(lambda: section._segment is not None)
    return section._segment


def ml(section, ct):
    import slicer

    node, key = segment(section)
    array = slicer.util.arrayFromSegmentBinaryLabelmap(node, key, ct)
    return np.count_nonzero(array) * np.prod(SPACING) / 1000, array


BALL_ML = 4 / 3 * np.pi * RADIUS**3 / 1000


@pytest.mark.slow
def test_a_box_becomes_a_segment_and_done_keeps_it(section, ct):
    roi(section)
    section.ask()
    found, array = ml(section, ct)
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
    assert section._segment is None
    assert node.GetSegmentation().GetSegment(key) is not None


@pytest.mark.slow
def test_clicks_change_it_and_undo_brings_it_back(section, ct):
    roi(section)
    section.ask()
    _, before = ml(section, ct)
    answers = []
    tell = section.client._onAnswer
    section.client._onAnswer = lambda answer: (tell(answer), answers.append(answer))
    section.place("outside")
    section._nodes["outside"].AddControlPoint(vtk.vtkVector3d(*CENTRE_RAS))
    wait_until(lambda: len(answers) == 1)
    _, after = ml(section, ct)
    at = tuple(np.array(SHAPE) // 2)
    assert (before[at], after[at]) == (1, 0)
    section.onUndo()
    wait_until(lambda: len(answers) == 2)
    np.testing.assert_array_equal(ml(section, ct)[1], before)


@pytest.mark.slow
def test_a_box_under_a_transform_finds_what_is_there(section, ct, scene):
    import slicer

    matrix = vtk.vtkMatrix4x4()
    for row, shift in enumerate((50, -20, 10)):
        matrix.SetElement(row, 3, shift)
    moved = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLinearTransformNode")
    moved.SetMatrixTransformToParent(matrix)
    ct.SetAndObserveTransformNodeID(moved.GetID())
    roi(section, CENTRE_RAS + np.array((50, -20, 10)))
    section.ask()
    assert ml(section, ct)[0] == pytest.approx(BALL_ML, rel=0.15)


@pytest.mark.slow
def test_other_segments_keep_their_voxels_and_discard_removes_its_own(section, ct):
    import slicer

    roi(section)
    section.ask()
    _, first = ml(section, ct)
    node, key = segment(section)
    section.onDone()
    roi(section, CENTRE_RAS + np.array((5, 0, 0)))
    section.ask()
    other, second = segment(section)
    assert other is node
    assert second != key
    np.testing.assert_array_equal(slicer.util.arrayFromSegmentBinaryLabelmap(node, key, ct), first)
    section.onDiscard()
    assert node.GetSegmentation().GetNumberOfSegments() == 1


@pytest.mark.slow
def test_closing_the_scene_ends_the_process(section, ct):
    import slicer

    roi(section)
    assert section.client.isRunning
    slicer.mrmlScene.Clear()
    assert not section.client.isRunning


def test_without_a_volume_it_says_so(panel):
    panel.prompts.place("box")
    assert "Choose a CT" in panel.prompts.status.text
    assert not panel.prompts.client.isRunning
