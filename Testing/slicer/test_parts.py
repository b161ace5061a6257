"""The parts behind the panel: geometry, terminology, models, packages, samples, scripts."""

import json
import shutil
import subprocess
import zipfile
from pathlib import Path

import numpy as np
import pytest

from FlareSegLib.base.errors import ModelError
from FlareSegLib.images.reading import read_volume
from Testing.flare import ORGANS
from Testing.phantoms import abdomen
from Testing.slicer.conftest import MODULE, SHAPE, SPACING_MM, grids_agree, to_node, wait_until

TURNED = ((0.0, 0.6, 0.8), (0.0, 0.8, -0.6), (1.0, 0.0, 0.0))
FLIPPED = ((0.0, 0.0, -1.0), (0.0, 1.0, 0.0), (-1.0, 0.0, 0.0))


@pytest.fixture
def options(module, model):
    from FlareSegUI.Parameter import Options

    return Options(model=model, runtime="onnxruntime", threads=1)


@pytest.mark.parametrize("direction", [None, TURNED, FLIPPED])
def test_the_worker_reads_the_grid_that_the_node_has(scene, tmp_path, direction):
    from FlareSegUI import Nodes

    volume = abdomen((20, 30, 40), (9.0, 7.0, 8.0), direction=direction)[0]
    node = to_node(volume)
    Nodes.writeVolume(node, tmp_path / "ct.nrrd")
    read = read_volume(tmp_path / "ct.nrrd")
    assert grids_agree(Nodes.gridOf(node), volume.grid)
    assert grids_agree(read.grid, volume.grid)
    assert np.array_equal(read.array, volume.array)


def test_an_oblique_volume_under_a_transform_has_its_organs_in_place(logic, options):
    """The centre of the liver in the world: that of the truth, moved by the transform."""
    import slicer
    import vtk

    volume, truth = abdomen(SHAPE, SPACING_MM, direction=TURNED)
    node = to_node(volume)
    matrix = vtk.vtkMatrix4x4()
    matrix.SetElement(0, 3, 50.0)
    transform = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLinearTransformNode")
    transform.SetMatrixTransformToParent(matrix)
    node.SetAndObserveTransformNodeID(transform.GetID())
    segmentation = logic.process(node, organs=("liver",), options=options)
    assert segmentation.GetParentTransformNode() is transform
    points = np.argwhere(truth.array == 1).mean(axis=0)
    left, posterior, superior = volume.grid.to_world(tuple(points))
    found = np.array(segmentation.GetSegmentCenter("liver"))  # before the transform
    assert np.abs(found - (-left, -posterior, superior)).max() < 12.0  # box centre, 8 mm voxels
    moved = np.array(segmentation.GetSegmentCenterRAS("liver")) - found
    assert np.allclose(moved, (50, 0, 0), atol=1e-3)


def test_process_refuses_what_the_panel_refuses(logic):
    with pytest.raises(ValueError, match="Choose a CT volume"):
        logic.process(None)


def test_process_can_return_at_once_and_fill_the_node_later(logic, ct, options):
    import slicer

    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode", "mine")
    organs = ("aorta",)
    assert logic.process(ct, node, organs=organs, waitForCompletion=False, options=options) is None
    assert logic.isRunning
    with pytest.raises(RuntimeError, match="running already"):
        logic.process(ct, node, options=options)
    wait_until(lambda: not logic.isRunning)
    assert list(node.GetSegmentation().GetSegmentIDs()) == ["aorta"]


def test_process_tells_why_a_run_failed(logic, ct, options, tmp_path):
    from dataclasses import replace

    broken = shutil.copytree(options.model, tmp_path / "broken")
    (broken / "model.onnx").write_bytes(b"not a network")
    with pytest.raises(RuntimeError, match="sha256"):
        logic.process(ct, options=replace(options, model=broken))


def test_the_terminology_holds_every_organ(module, scene):
    import slicer
    from FlareSegUI import Nodes

    from Testing.slicer.make_resources import TERMINOLOGY, terminology

    assert json.loads(TERMINOLOGY.read_text("utf-8")) == terminology()
    module.onStartupCompleted()
    known = types_in(slicer.modules.terminologies.logic())
    for organ in ORGANS:
        side = {None: None, "left": "Left", "right": "Right"}[organ.side]
        assert (organ.snomed, organ.snomed_meaning, side) in known
        assert f"{organ.snomed}^{organ.snomed_meaning}" in Nodes.terminologyEntry(organ)
    assert len(known) == len(ORGANS)


def types_in(logic):
    """Return code, meaning and side of all that FlareSeg's context holds."""
    import slicer
    from FlareSegUI import Nodes

    category = slicer.vtkSlicerTerminologyCategory()
    assert logic.GetNthCategoryInTerminology(Nodes.CONTEXT, 0, category)
    found = set()
    for i in range(logic.GetNumberOfTypesInTerminologyCategory(Nodes.CONTEXT, category)):
        kind, side = slicer.vtkSlicerTerminologyType(), slicer.vtkSlicerTerminologyType()
        assert logic.GetNthTypeInTerminologyCategory(Nodes.CONTEXT, category, i, kind)
        count = logic.GetNumberOfTypeModifiersInTerminologyType(Nodes.CONTEXT, category, kind)
        name = (kind.GetCodeValue(), kind.GetCodeMeaning())
        found |= set() if count else {(*name, None)}
        for j in range(count):
            arguments = (Nodes.CONTEXT, category, kind, j, side)
            assert logic.GetNthTypeModifierInTerminologyType(*arguments)
            found.add((*name, side.GetCodeMeaning()))
    return found


def test_the_sample_is_registered_with_thumbnail_and_checksum(module, scene):
    import SampleData

    module.onStartupCompleted()
    source = SampleData.sources["FlareSegSampleCT"]
    assert source["category"] == "FlareSeg"
    assert source["checksums"].startswith("SHA256:")
    assert Path(source["thumbnailFileName"]).is_file()
    assert callable(source["customDownloader"])


def test_a_model_is_imported_from_a_zip_and_chosen(panel, ct, model, tmp_path):
    archive = shutil.make_archive(str(tmp_path / "model"), "zip", model.parent, model.name)
    panel._parameterNode.inputVolume = ct
    panel.models.importFrom(Path(archive))
    chosen = Path(panel._parameterNode.modelFolder)
    assert (chosen / "model.onnx").read_bytes() == (model / "model.onnx").read_bytes()
    assert panel.ui.modelComboBox.currentText == chosen.name
    assert "sha256" in panel.ui.modelLabel.text
    assert panel.ui.applyButton.enabled, panel.ui.statusLabel.text


@pytest.mark.parametrize("damage", ["checksum", "missing", "elsewhere", "no zip"])
def test_a_damaged_model_is_refused_and_leaves_nothing(module, model, tmp_path, damage):
    from FlareSegUI import Models

    facts = json.loads((model / "model.json").read_text("utf-8"))
    before = Models.importedModels()
    path = tmp_path / "model.zip"
    with zipfile.ZipFile(path, "w") as archive:
        if damage == "elsewhere":
            facts["onnx"] = "../../evil.onnx"
        archive.writestr("m/model.json", json.dumps(facts))
        if damage != "missing":
            archive.writestr("m/model.onnx", b"changed")
    if damage == "no zip":
        path.write_bytes(b"text")
    with pytest.raises(ModelError):
        Models.importModel(path)
    assert Models.importedModels() == before
    assert [p for p in Models.importedFolder().iterdir() if p not in before] == []


def requirements():
    return MODULE.parent / "Resources" / "requirements.txt"


def test_onnxruntime_alone_is_asked_for_through_slicer(module):
    import slicer.packaging
    from FlareSegUI.Dependencies import ensureDependencies

    slicer.packaging.asked.clear()
    ensureDependencies(requirements())
    assert slicer.packaging.asked == [(["onnxruntime>=1.17"], "FlareSeg")]


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (RuntimeError("declined by user"), "cannot do this without onnxruntime"),
        (subprocess.CalledProcessError(1, "pip"), "could not be installed"),
    ],
)
def test_refusal_and_failed_install_leave_a_message_and_a_working_panel(
    panel, ct, model, error, said
):
    import slicer.packaging

    from Testing.slicer.rig import ctk

    panel._parameterNode.inputVolume = ct
    slicer.packaging.error.append(error)
    with pytest.raises(RuntimeError, match=said):
        panel.onApplyButton()
    assert said in panel.ui.statusLabel.text
    assert not panel.logic.isRunning
    assert panel.ui.applyButton.text == "Apply"
    assert panel.ui.applyButton.enabled
    assert not ctk.asked or said in ctk.asked[-1]


@pytest.fixture
def slicer510(module, monkeypatch):
    """A Slicer without slicer.packaging and blocking=False: what is asked and installed."""
    import sys

    import slicer

    monkeypatch.setitem(sys.modules, "slicer.packaging", None)
    monkeypatch.delattr(slicer, "packaging", raising=False)
    monkeypatch.setattr(slicer.util, "launchConsoleProcess", lambda args, cwd=None: None)
    done = {"asked": [], "installed": []}
    monkeypatch.setattr(
        slicer.util, "confirmOkCancelDisplay", lambda text, **_: done["asked"].append(text) or True
    )
    monkeypatch.setattr(slicer.util, "pip_install", done["installed"].append, raising=False)
    return done


def test_slicer_510_asks_only_for_what_is_missing(slicer510, tmp_path):
    from FlareSegUI.Dependencies import ensureDependencies

    ensureDependencies(requirements())
    assert slicer510 == {"asked": [], "installed": []}
    wanted = tmp_path / "requirements.txt"
    wanted.write_text("no-such-package>=1\nonnxruntime>=1.17\n", encoding="utf-8")
    ensureDependencies(wanted)
    assert "no-such-package>=1" in slicer510["asked"][0]
    assert slicer510["installed"] == [["no-such-package>=1"]]


def test_slicer_510_runs(slicer510, logic, ct, options):
    segmentation = logic.process(ct, organs=("spleen",), options=options)
    assert list(segmentation.GetSegmentation().GetSegmentIDs()) == ["spleen"]
