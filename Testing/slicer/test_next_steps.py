"""What follows a run, or starts one elsewhere: edit, statistics, export, sequences, right-click."""

import json
import shutil
import types
from pathlib import Path

import numpy as np
import pytest

from Testing.slicer.conftest import ROOT, to_node, wait_until
from Testing.slicer.test_runs import prepare, start


@pytest.fixture
def done(panel, ct, model):
    """The panel after a run on the phantom."""
    panel.parameters = start(panel, ct, model)
    wait_until(lambda: not panel.job.isRunning)
    assert panel.parameters.outputSegmentation is not None, panel.ui.statusLabel.text
    return panel


@pytest.fixture
def opened(monkeypatch):
    """The modules that were opened, and what was put into their panels."""
    import slicer

    seen = []
    editor = types.SimpleNamespace(
        setSegmentationNode=lambda node: seen.append(("segmentation", node)),
        setSourceVolumeNode=lambda node: seen.append(("volume", node)),
    )
    chooser = lambda name: types.SimpleNamespace(  # noqa: E731
        setCurrentNode=lambda node: seen.append((name, node))
    )
    statistics = types.SimpleNamespace(
        segmentationSelector=chooser("segmentation"), scalarSelector=chooser("volume")
    )
    panels = {
        "segmenteditor": types.SimpleNamespace(editor=editor),
        "segmentstatistics": statistics,
    }
    for name, one in panels.items():
        shown = types.SimpleNamespace(self=lambda one=one: one)
        module = types.SimpleNamespace(widgetRepresentation=lambda shown=shown: shown)
        monkeypatch.setattr(slicer.modules, name, module, raising=False)
    monkeypatch.setattr(slicer.util, "selectModule", seen.append)
    return seen


@pytest.mark.parametrize(
    ("button", "name"), [("editButton", "SegmentEditor"), ("statisticsButton", "SegmentStatistics")]
)
def test_a_module_of_slicer_opens_on_the_organs_and_their_ct(done, ct, opened, button, name):
    getattr(done.ui, button).click()
    node = done.parameters.outputSegmentation
    assert opened == [name, ("segmentation", node), ("volume", ct)]


def test_the_buttons_wait_for_a_result(panel, ct):
    names = ("editButton", "statisticsButton", "exportButton")
    assert not any(getattr(panel.ui, name).enabled for name in names)


@pytest.mark.parametrize("form", ["STL", "OBJ", "glTF", "nii.gz", "nrrd", "seg.nrrd"])
def test_each_format_is_written_and_holds_the_organs(done, ct, tmp_path, form):
    from FlareSegUI import Export

    node = done.parameters.outputSegmentation
    Export.export(node, ct, form, tmp_path / "ž")
    files = [path for path in (tmp_path / "ž").iterdir() if path.stat().st_size]
    names = {path.name for path in files}
    if form == "STL":
        assert {"CT organs_liver.stl", "CT organs_spleen.stl"} <= names
    elif form in ("nii.gz", "nrrd", "seg.nrrd"):
        from FlareSegLib.images.reading import read_labelmap

        (path,) = [path for path in files if path.name.endswith(form)]
        found = read_labelmap(path)
        assert len(np.unique(found.array)) == node.GetSegmentation().GetNumberOfSegments() + 1
    else:
        assert any(name.lower().endswith(form.lower()) for name in names), names
        text = next(p for p in files if p.name.lower().endswith(form.lower())).read_text("utf-8")
        assert len(text) > 10000


def test_surfaces_that_are_missing_are_made_for_an_export_organ_by_organ(done, ct, tmp_path):
    from FlareSegUI import Export, Nodes

    node = done.parameters.outputSegmentation
    inside = node.GetSegmentation()
    count = inside.GetNumberOfSegments()
    inside.RemoveRepresentation("Closed surface")
    made = []
    Nodes.makeSurfaces(node, made.append)
    assert len(made) == count
    inside.RemoveRepresentation("Closed surface")
    Export.export(node, ct, "STL", tmp_path)
    assert len(list(tmp_path.glob("*.stl"))) == count


def test_the_export_button_asks_for_format_and_folder(done, tmp_path):
    from Testing.slicer.rig import qt

    qt.ANSWERS |= {"getItem": "NRRD", "getExistingDirectory": str(tmp_path)}
    done.ui.exportButton.click()
    qt.ANSWERS |= {"getItem": "", "getExistingDirectory": ""}
    wait_until(lambda: not done.job.isRunning)
    assert done.ui.statusLabel.text == "Written", done.ui.logText.toPlainText()
    assert list(tmp_path.glob("*.nrrd"))


def test_surfaces_of_the_worker_have_the_volume_of_the_voxels(done):
    """Closed, and within 4 % for large organs: smoothing keeps the volume."""
    import vtk
    from FlareSegUI import Nodes

    inside = done.parameters.outputSegmentation.GetSegmentation()
    rows = {row["key"]: row for row in Nodes.reportOf(done.parameters.outputSegmentation)["organs"]}
    for key in ("liver", "spleen", "stomach"):
        mass = vtk.vtkMassProperties()
        triangles = vtk.vtkTriangleFilter()
        triangles.SetInputData(inside.GetSegment(key).GetRepresentation("Closed surface"))
        mass.SetInputConnection(triangles.GetOutputPort())
        mass.Update()
        assert mass.GetVolume() / 1000 == pytest.approx(rows[key]["volume_ml"], rel=0.04), key


@pytest.fixture
def series(scene, phantom):
    """A sequence of two frames, the second one without its upper half; the node that shows it."""
    import slicer

    volume = phantom[0]
    cut = volume.array.copy()
    cut[:, :, cut.shape[2] // 2 :] = -1000
    frames = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSequenceNode", "CT series")
    for value, array in (("0", volume.array), ("10", cut)):
        node = to_node(type(volume)(array, volume.grid), "frame")
        frames.SetDataNodeAtValue(node, value)
        slicer.mrmlScene.RemoveNode(node)
    browser = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSequenceBrowserNode", "browser")
    browser.SetAndObserveMasterSequenceNodeID(frames.GetID())
    slicer.modules.sequences.logic().UpdateProxyNodesFromSequences(browser)
    return browser, browser.GetProxyNode(frames)


def test_all_frames_give_a_sequence_of_segmentations(panel, series, model):
    browser, proxy = series
    parameters = prepare(panel, proxy, model)
    assert panel.ui.framesCheckBox.visible or not panel.ui.framesCheckBox.isHidden()
    parameters.allFrames = True
    shares, steps = [], []
    tell = panel.runs.onProgress
    panel.runs.onProgress = lambda step, share: (
        shares.append(share),
        steps.append(step),
        tell(step, share),
    )
    panel.ui.applyButton.click()
    wait_until(lambda: not panel.job.isRunning)
    shown = parameters.outputSegmentation
    assert shown is not None, panel.ui.statusLabel.text
    found = browser.GetSequenceNode(shown)
    assert found.GetNumberOfDataNodes() == 2
    assert [found.GetNthIndexValue(i) for i in range(2)] == ["0", "10"]
    volumes = [all_organs_of(found.GetNthDataNode(i)) for i in range(2)]
    assert 0 < volumes[1] < 0.75 * volumes[0]
    assert shares == sorted(shares)
    assert any(step.startswith("Frame 2 of 2: ") for step in steps)


def all_organs_of(node):
    from FlareSegUI import Nodes

    return sum(row["volume_ml"] for row in Nodes.reportOf(node)["organs"])


def test_a_cancelled_sequence_leaves_nothing(panel, series, slow_model):
    import slicer

    _, proxy = series
    parameters = prepare(panel, proxy, slow_model)
    parameters.allFrames = True
    panel.ui.applyButton.click()
    wait_until(lambda: panel.ui.statusLabel.text.startswith("Frame 1 of 2: Finding"))
    panel.ui.applyButton.click()
    wait_until(lambda: not panel.job.isRunning, seconds=20)
    assert panel.ui.statusLabel.text == "Cancelled; nothing was changed"
    assert slicer.mrmlScene.GetNumberOfNodesByClass("vtkMRMLSegmentationNode") == 0
    assert slicer.mrmlScene.GetNumberOfNodesByClass("vtkMRMLSequenceNode") == 1


def test_a_plain_volume_is_no_frame(logic, ct):
    with pytest.raises(ValueError, match="no frame of a sequence"):
        logic.processFrames(ct)


@pytest.fixture
def plugin(module, scene, monkeypatch):
    """The plugin of the subject hierarchy, registered as at the start of Slicer."""
    import slicer

    module.registerPlugin()
    handler = slicer.qSlicerSubjectHierarchyPluginHandler.instance()
    return handler, handler.plugins["FlareSeg"].script


def item_of(node):
    import slicer

    kind = slicer.vtkMRMLSubjectHierarchyNode
    return kind.GetSubjectHierarchyNode(slicer.mrmlScene).GetItemByDataNode(node)


def test_a_right_click_on_a_volume_offers_flareseg_and_on_a_labelmap_not(plugin, ct):
    import slicer

    _, script = plugin
    labels = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLabelMapVolumeNode", "labels")
    (action,) = script.itemContextMenuActions()
    for node, is_offered in ((ct, True), (labels, False)):
        script.showContextMenuActionsForItem(item_of(node))
        assert action.visible == is_offered
    script.showContextMenuActionsForItem(0)
    assert not action.visible


def test_the_right_click_opens_the_panel_on_the_volume(plugin, panel, phantom, monkeypatch):
    import slicer

    handler, script = plugin
    other = to_node(phantom[0], "other")
    seen = []
    monkeypatch.setattr(slicer.util, "selectModule", seen.append)
    monkeypatch.setattr(slicer.util, "getModuleLogic", lambda _: panel.logic)
    handler.item = item_of(other)
    script.action.trigger()
    assert seen == ["FlareSeg"]
    assert panel._parameterNode.inputVolume is other


def test_an_imported_model_can_be_removed_and_the_one_that_ships_not(panel, ct, model, tmp_path):
    archive = shutil.make_archive(str(tmp_path / "model"), "zip", model.parent, model.name)
    assert not panel.ui.removeModelButton.enabled
    assert panel.ui.cardButton.enabled  # the card of the model that ships
    assert "13 organs" in panel.ui.modelLabel.text
    panel.models.importFrom(Path(archive))
    folder = Path(panel._parameterNode.modelFolder)
    assert panel.ui.removeModelButton.enabled
    panel.ui.removeModelButton.click()
    assert not folder.exists()
    assert panel._parameterNode.modelFolder == ""
    assert panel.ui.modelComboBox.currentText == "the one that ships"


def test_whose_an_imported_model_is_stands_below_its_name(panel, ct):
    assert "Licence" not in panel.ui.modelLabel.text  # that of the model that ships is in its card
    panel.models.importFrom(ROOT / "Testing" / "nnunet" / "converted" / "aniso")
    said = panel.ui.modelLabel.text.splitlines()
    panel.ui.removeModelButton.click()
    assert said[1].startswith("Not a model of FlareSeg. Source: nnU-Net v2, Dataset")
    assert said[2:] == ["Licence: CC0: phantoms", "Cite: phantoms of FlareSeg, aniso"]


def test_a_model_without_licence_says_so(panel, ct, model, tmp_path):
    panel.models.importFrom(model)
    said = panel.ui.modelLabel.text.splitlines()
    panel.ui.removeModelButton.click()
    assert said[1:] == ["Not a model of FlareSeg. Source: unknown", "Licence: not said"]


def test_organs_take_slicers_colors_and_their_own_again(done, module, tmp_path):
    """Slicer's terminology is not in the rig: a file of its kind, with another color for all."""
    import slicer
    from FlareSegUI import Colors

    from Testing.slicer.make_resources import terminology

    facts = terminology()
    facts["SegmentationCategoryTypeContextName"] = Colors.MASTER_LIST
    for category in facts["SegmentationCodes"]["Category"]:
        for kind in category["Type"]:
            kind["recommendedDisplayRGBValue"] = [51, 102, 153]
    (tmp_path / "master.term.json").write_text(json.dumps(facts), encoding="utf-8")
    logic = slicer.modules.terminologies.logic()
    assert logic.LoadTerminologyFromFile(str(tmp_path / "master.term.json"))
    inside = done.parameters.outputSegmentation.GetSegmentation()
    own = inside.GetSegment("liver").GetColor()
    done.ui.colorsComboBox.setCurrentText("Slicer")
    assert inside.GetSegment("liver").GetColor() == pytest.approx((0.2, 0.4, 0.6))
    done.ui.colorsComboBox.setCurrentText("FlareSeg")
    assert inside.GetSegment("liver").GetColor() == own
