"""The panel at rest: defaults, reasons on the disabled button, and the state in the scene."""

import numpy as np
import pytest

from Testing.flare import ORGANS
from Testing.many_organs import write_flat_model
from Testing.phantoms import abdomen
from Testing.slicer.conftest import SHAPE, SPACING_MM, to_node, wait_until
from Testing.slicer.test_runs import prepare


def reason(panel):
    if panel.ui.applyButton.enabled:
        assert panel.ui.statusLabel.text == "Ready"
        return ""
    assert panel.ui.applyButton.toolTip == panel.ui.statusLabel.text
    return panel.ui.statusLabel.text


def test_the_panel_opens_with_defaults(panel):
    parameters = panel._parameterNode
    assert (parameters.speed, parameters.organs, parameters.threads) == ("balanced", "all", 0)
    assert parameters.show3D
    assert parameters.cleanUp
    assert panel.ui.outputSelector.currentText == "Create new on Apply"
    assert panel.ui.resultTable.rowCount == 0
    assert not panel.ui.resultTable.visible
    assert not panel.ui.copyButton.enabled
    assert not panel.ui.progressBar.isVisible()
    assert panel.ui.organList.count == len(ORGANS)


def test_the_list_of_organs_follows_the_model(panel, tmp_path):
    parameters = panel._parameterNode
    parameters.organs = "liver,spleen"
    parameters.modelFolder = str(write_flat_model(tmp_path / "model", 117))
    assert panel.ui.organList.count == 117
    assert panel.ui.organList.item(116).text() == "part 117"
    assert parameters.organs == "all"
    panel.organs.choose("part_2")
    assert parameters.organs == "part_2"
    parameters.modelFolder = ""
    assert panel.ui.organList.count == len(ORGANS)
    assert parameters.organs == "all"


def test_apply_waits_for_a_volume_and_takes_the_first(panel, phantom):
    assert reason(panel) == "Choose a CT volume"
    panel._parameterNode.inputVolume = to_node(phantom[0])
    assert panel.ui.applyButton.enabled
    assert panel.ui.statusLabel.text == "Ready"


def test_a_volume_that_is_there_is_chosen_when_the_panel_opens(module, ct):
    from Testing.slicer.rig import boot

    widget = module.FlareSegWidget(boot.newParent())
    widget.setup()
    assert widget._parameterNode.inputVolume is ct
    assert widget.ui.inputSelector.currentNode() is ct
    widget.cleanup()


def test_each_unfit_volume_has_its_reason(panel, phantom):
    import slicer
    from FlareSegUI.Checks import whyNot

    volume = phantom[0]
    parameters = panel._parameterNode

    def reason_for(array=volume.array, spacing=SPACING_MM[::-1]):
        node = to_node(volume)
        slicer.util.updateVolumeFromArray(node, np.ascontiguousarray(array))
        node.SetSpacing(spacing)
        parameters.inputVolume = node
        return reason(panel)

    assert reason_for() == ""
    assert "16 along each axis" in reason_for(volume.array[:8])
    assert "spacing 800 x 8 x 8" in reason_for(spacing=(800, 8, 8))
    assert "Does not look like a CT" in reason_for(np.abs(volume.array % 255))
    assert "add -1024 to its voxels" in reason_for(volume.array + 1024)
    colored = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLVectorVolumeNode")
    slicer.util.updateVolumeFromArray(colored, np.repeat(volume.array[..., None], 3, axis=3))
    assert "3 values per voxel" in whyNot(colored)
    empty = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "empty")
    parameters.inputVolume = empty
    assert "no image" in reason(panel)


def test_too_little_memory_is_told_before_the_start(panel, ct, monkeypatch):
    from FlareSegLib.base import resources

    monkeypatch.setattr(resources, "free_mib", lambda: 100.0)
    panel._parameterNode.inputVolume = ct
    assert "100 MiB are free" in reason(panel)
    monkeypatch.setattr(resources, "free_mib", lambda: 1e6)
    wait_until(lambda: panel.ui.applyButton.enabled, seconds=20)  # nobody touched anything
    assert reason(panel) == ""


def test_voxels_that_change_are_looked_at_again(panel, ct):
    import slicer

    panel._parameterNode.inputVolume = ct
    assert reason(panel) == ""
    slicer.util.updateVolumeFromArray(ct, np.zeros(SHAPE, np.int16))
    panel.runs.updateButtons()
    assert "Does not look like a CT" in reason(panel)


def test_organs_are_ticked_by_hand_all_or_none(panel, ct):
    from Testing.slicer.rig import qt

    parameters = panel._parameterNode
    parameters.inputVolume = ct
    panel.ui.noneButton.click()
    assert parameters.organs == ""
    assert reason(panel) == "Tick at least one organ"
    panel.ui.organList.item(2).setCheckState(qt.Qt.Checked)
    panel.ui.organList.item(0).setCheckState(qt.Qt.Checked)
    assert parameters.organs == "liver,spleen"
    panel.ui.allButton.click()
    assert parameters.organs == "all"


def test_the_table_is_that_of_the_last_run_into_the_same_segmentation(panel, ct, model):
    for organs, rows in (("liver,spleen", 2), ("liver", 1)):
        prepare(panel, ct, model).organs = organs
        panel.ui.applyButton.click()
        wait_until(lambda: not panel.job.isRunning)
        assert panel.ui.resultTable.rowCount == rows


def test_the_state_goes_from_widgets_to_the_scene_and_back(module, panel, ct):
    panel.ui.speedComboBox.setCurrentText("fast")
    panel.ui.threadsSpinBox.setValue(3)
    panel.ui.cleanUpCheckBox.setChecked(False)
    panel.ui.batchInputPath.currentPath = "/tmp/in ž"
    panel.organs.choose("aorta")
    parameters = panel.logic.getParameterNode()
    assert (parameters.speed, parameters.threads, parameters.cleanUp) == ("fast", 3, False)
    assert parameters.options().toArguments()[:4] == ["--speed", "fast", "--organs", "aorta"]
    panel.exit()
    from Testing.slicer.rig import boot

    other = module.FlareSegWidget(boot.newParent())
    other.setup()
    assert other.ui.speedComboBox.currentText == "fast"
    assert other.ui.threadsSpinBox.value == 3
    assert other.ui.batchInputPath.currentPath == "/tmp/in ž"
    assert other.organs.text == "aorta"
    other.cleanup()


def test_a_closed_scene_brings_the_defaults_back(panel, ct):
    import slicer

    panel._parameterNode.inputVolume = ct
    panel.ui.speedComboBox.setCurrentText("fast")
    slicer.mrmlScene.Clear()
    assert panel._parameterNode.inputVolume is None
    assert panel.ui.speedComboBox.currentText == "balanced"
    assert reason(panel) == "Choose a CT volume"


def test_batch_needs_two_folders(panel, tmp_path):
    assert "folder with CTs" in panel.ui.batchButton.toolTip
    panel.ui.batchInputPath.currentPath = str(tmp_path)
    assert "folder for the results" in panel.ui.batchButton.toolTip
    panel.ui.batchOutputPath.currentPath = str(tmp_path)
    assert "another folder" in panel.ui.batchButton.toolTip
    panel.ui.batchOutputPath.currentPath = str(tmp_path / "out")
    assert panel.ui.batchButton.enabled


def test_labelmaps_are_no_ct(module, scene):
    import slicer
    from FlareSegUI.Checks import whyNot

    assert "labelmap" in whyNot(slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLabelMapVolumeNode"))


@pytest.mark.parametrize("seconds", [0.0, 90.0])
def test_time_left_is_in_seconds_or_minutes(module, seconds):
    from FlareSegUI.TimeLeft import TimeLeft

    now = [0.0]
    clock = TimeLeft(lambda: now[0])
    now[0] = 10.0 + seconds
    assert clock.text(0.01) == ""
    assert clock.text(0.25) == ("5 min left" if seconds else "30 s left")


def test_an_oblique_phantom_is_accepted(panel):
    turned = ((0.0, 0.6, 0.8), (0.0, 0.8, -0.6), (1.0, 0.0, 0.0))
    panel._parameterNode.inputVolume = to_node(abdomen(SHAPE, SPACING_MM, direction=turned)[0])
    assert reason(panel) == ""


def test_reload_forgets_the_packages_too(panel, monkeypatch):
    import sys

    import slicer

    reloaded = []
    monkeypatch.setattr(slicer.util, "reloadScriptedModule", reloaded.append)

    kept = {name: each for name, each in sys.modules.items() if name.startswith("FlareSeg")}
    try:
        panel.onReload()
        assert "FlareSegUI.Widget" not in sys.modules
        assert "FlareSegLib.base.labels" not in sys.modules
        assert reloaded == ["FlareSeg"]
    finally:
        sys.modules |= kept
