"""FlareSeg from scripts, beside the panel: it must not meet the panel's buttons."""

import pytest

from Testing.slicer.conftest import to_node, wait_until
from Testing.slicer.test_runs import prepare


@pytest.fixture
def options(module, model):
    from FlareSegUI.Parameter import Options

    return Options(model=model, runtime="onnxruntime", threads=1, surfaces=False)


def test_a_script_with_the_panels_logic_leaves_the_panel_alone(panel, ct, options, model):
    """slicer.util.getModuleLogic gives the logic of the panel: the recipe of docs/slicer.md."""
    prepare(panel, ct, model)
    job = panel.logic.process(ct, waitForCompletion=False, options=options)
    assert job.isRunning
    assert not panel.job.isRunning
    assert panel.ui.applyButton.text == "Apply"
    panel.ui.applyButton.click()  # a run of the panel, at the same time
    assert panel.job.isRunning
    assert panel.ui.applyButton.text == "Cancel"
    wait_until(lambda: not job.isRunning and not panel.job.isRunning)
    assert panel.ui.applyButton.text == "Apply"
    assert panel.ui.applyButton.enabled


def test_scripts_run_one_after_the_other_and_refuse_to_run_at_once(logic, phantom, options):
    import slicer

    volumes = [to_node(phantom[0], name) for name in ("one", "two")]
    names = [logic.process(volume, options=options).GetName() for volume in volumes]
    assert names == ["one organs", "two organs"]
    job = logic.process(volumes[0], waitForCompletion=False, options=options)
    with pytest.raises(RuntimeError, match=r"process\(\) is running already"):
        logic.process(volumes[1], options=options)
    job.cancel(wait=True)
    assert slicer.mrmlScene.GetNumberOfNodesByClass("vtkMRMLSegmentationNode") == 2
    logic.process(volumes[1], options=options)


def test_options_are_kept_and_what_is_said_besides_goes_first(module):
    from FlareSegUI.Logic import _chosen
    from FlareSegUI.Parameter import Options

    options = Options(speed="fast", organs="liver")
    assert _chosen(options, None, None) == options
    assert _chosen(options, "accurate", None).speed == "accurate"
    assert _chosen(options, None, ("spleen", "aorta")).organs == "spleen,aorta"
    assert _chosen(options, None, ()).organs == "all"


def test_the_speed_and_organs_of_the_options_reach_the_run(logic, ct, options):
    from dataclasses import replace

    from FlareSegUI import Nodes

    node = logic.process(ct, options=replace(options, speed="fast", organs="aorta"))
    assert list(node.GetSegmentation().GetSegmentIDs()) == ["aorta"]
    assert Nodes.reportOf(node)["run"]["speed"] == "fast"


def test_the_self_test_of_the_module_passes(module, scene):
    """FlareSegTest, as `slicer.testing.runUnitTest` runs it: the weights that ship, no network."""
    said = []
    test = module.FlareSegTest()
    test.delayDisplay = said.append
    test.runTest()
    assert said[:2] == ["Segment a phantom", "Test passed"]
    assert said[2].startswith("Refused")


def test_the_self_test_says_that_it_is_skipped_without_onnxruntime(module, scene, monkeypatch):
    """Tests of Slicer install nothing."""
    from FlareSegUI import Packages

    monkeypatch.setattr(Packages, "missing", lambda runtime: [Packages.Wanted("onnxruntime>=1")])
    said = []
    test = module.FlareSegTest()
    test.delayDisplay = said.append
    test.test_APhantomGoesThroughTheWorkerToSegments()
    assert said == ["Skipped: onnxruntime is not installed, and tests install nothing"]
