"""Doubt over the slices: found by a run, shown as a layer of Slicer's views, and off again."""

import numpy as np
import pytest

from FlareSegLib.base.job import Job
from FlareSegLib.base.run_options import RunOptions
from FlareSegLib.images.reading import read_labelmap
from FlareSegLib.pipeline import segment_file
from Testing.slicer.conftest import wait_until
from Testing.slicer.test_runs import prepare


@pytest.fixture
def views(scene):
    """Two slice views; one shows another volume over the CT."""
    import slicer

    other = scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "PET")
    made = []
    for name, volume, opacity in (("Red", other.GetID(), 0.3), ("Green", None, 0.0)):
        node = slicer.vtkMRMLSliceCompositeNode()
        node.SetLayoutName(name)
        node = scene.AddNode(node)
        node.SetForegroundVolumeID(volume)
        node.SetForegroundOpacity(opacity)
        made.append(node)
    return made


def shown(views):
    return [(one.GetForegroundVolumeID(), one.GetForegroundOpacity()) for one in views]


def run(panel, ct, model, *, doubt):
    parameters = prepare(panel, ct, model)
    parameters.showDoubt = doubt
    panel.ui.applyButton.click()
    wait_until(lambda: not panel.job.isRunning)
    assert panel.ui.statusLabel.text.startswith("Done in"), panel.ui.statusLabel.text
    return parameters.outputSegmentation


def test_a_run_with_the_switch_on_shows_the_cores_doubt(panel, ct, model, views, tmp_path):
    import slicer
    from FlareSegUI import Doubt, Nodes

    segmentation = run(panel, ct, model, doubt=True)
    node = Doubt.nodeOf(segmentation)
    Nodes.writeVolume(ct, tmp_path / "ct.nrrd")
    job = Job(tmp_path / "ct.nrrd", tmp_path / "o.nrrd", uncertainty=tmp_path / "d.nii.gz")
    segment_file(job, model, RunOptions(threads=1, runtime="onnxruntime"))
    expected = read_labelmap(tmp_path / "d.nii.gz").array
    found = slicer.util.arrayFromVolume(node)
    np.testing.assert_array_equal(found, expected)
    assert found.any()
    grids = [Nodes.gridOf(one) for one in (node, ct)]
    np.testing.assert_allclose(grids[0].origin, grids[1].origin)
    np.testing.assert_allclose(grids[0].direction, grids[1].direction)
    assert grids[0].spacing_mm == grids[1].spacing_mm
    display = node.GetDisplayNode()
    assert (display.GetApplyThreshold(), display.GetLowerThreshold()) == (1, 5)
    assert display.GetColorNode().GetName() == "Warm1"
    assert shown(views) == [(node.GetID(), 0.6)] * 2


def test_off_again_leaves_the_views_as_they_were(panel, ct, model, views):
    before = shown(views)
    run(panel, ct, model, doubt=True)
    assert shown(views) != before
    panel.ui.doubtCheckBox.click()
    assert shown(views) == before
    panel.ui.doubtCheckBox.click()
    views[1].SetForegroundVolumeID(before[0][0])  # a user has chosen since
    panel.ui.doubtCheckBox.click()
    assert shown(views)[0] == before[0]
    assert shown(views)[1][0] == before[0][0]


def test_a_run_without_it_takes_the_old_doubt_away(panel, ct, model, views):
    import slicer
    from FlareSegUI import Doubt

    before = shown(views)
    segmentation = run(panel, ct, model, doubt=True)
    again = run(panel, ct, model, doubt=False)
    assert again is segmentation
    assert Doubt.nodeOf(again) is None
    assert shown(views) == before
    assert slicer.mrmlScene.GetFirstNodeByName(f"{again.GetName()} doubt") is None
    panel.ui.doubtCheckBox.click()
    assert "Press Apply again" in panel.ui.statusLabel.text
    assert shown(views) == before


def test_closing_the_panel_takes_the_layer_away(panel, ct, model, views):
    before = shown(views)
    run(panel, ct, model, doubt=True)
    panel.cleanup()
    panel.isClosed = True
    assert shown(views) == before


def test_a_model_that_does_not_tell_its_doubt_has_no_switch(panel, ct, model, monkeypatch):
    from FlareSegUI import Models

    panel._parameterNode.showDoubt = True
    monkeypatch.setattr(Models, "tellsDoubt", lambda folder: "tiny" not in str(folder))
    prepare(panel, ct, model)
    assert not panel.ui.doubtCheckBox.enabled
    assert "does not tell" in panel.ui.doubtCheckBox.toolTip
    assert not panel._parameterNode.options().doubt


def test_closing_the_scene_hides_it_and_leaves_no_node_and_no_observer(panel, ct, model, views):
    """Slicer keeps its views when a scene is closed: they are singletons, and are emptied."""
    import slicer
    from FlareSegUI import Doubt

    for view in views:
        view.SetSingletonTag(view.GetLayoutName())
    before = shown(views)
    found = run(panel, ct, model, doubt=True)
    gone = []
    for name, node in (("organs", found), ("doubt", Doubt.nodeOf(found))):
        node.AddObserver("DeleteEvent", lambda *_, name=name: gone.append(name))
    assert shown(views) == [(Doubt.nodeOf(found).GetID(), 0.6)] * 2
    del found, node
    seen = []
    tag = slicer.mrmlScene.AddObserver(
        slicer.mrmlScene.StartCloseEvent, lambda *_: seen.append(shown(views))
    )  # after that of the panel
    slicer.mrmlScene.Clear(0)
    slicer.mrmlScene.RemoveObserver(tag)
    assert seen == [before]
    assert shown(views) == [(None, 0.0)] * 2
    assert sorted(gone) == ["doubt", "organs"]
    for kind in ("ScalarVolume", "ScalarVolumeDisplay", "Segmentation"):
        assert slicer.mrmlScene.GetNumberOfNodesByClass(f"vtkMRML{kind}Node") == 0
    assert panel.runs.result._doubt._before == {}
    assert panel.runs.result._doubt._shown is None
    watched = {observed for observed, *_ in panel.Observations}
    assert watched == {slicer.mrmlScene, panel._parameterNode.parameterNode}
