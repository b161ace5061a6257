"""Export as DICOM SEG and RT structure set, of a CT that Slicer's DICOM database knows."""

import types

import numpy as np
import pydicom
import pytest

from FlareSegLib.images.dicom.series import series_paths
from FlareSegLib.images.reading import read_volume
from Testing.dicom_series import COLUMNS, ROWS, N, write_series
from Testing.slicer.conftest import to_node, wait_until

CT_BOX = (slice(4, 9), slice(6, 12), slice(7, 15))
"""Where the organ of the tests is, in the core's order of slices."""


@pytest.fixture
def loaded(scene, tmp_path, monkeypatch):
    """A CT as from the module DICOM, and its slices in order; the folder has a name like any."""
    import slicer

    folder = write_series(tmp_path / "ž series")
    slices = series_paths(folder, None)
    uids = [str(pydicom.dcmread(path).SOPInstanceUID) for path in slices]
    from Testing.slicer.rig.dicom import Database

    database = Database(dict(zip(uids, slices, strict=True)))
    monkeypatch.setattr(slicer, "dicomDatabase", database, raising=False)
    node = to_node(read_volume(folder))
    node.SetAttribute("DICOM.instanceUIDs", " ".join(uids))
    return node, slices


@pytest.fixture
def shown(panel, loaded):
    """The panel on a segmentation of one organ and one segment that a user has added."""
    import slicer
    from FlareSegUI import Models, Nodes

    node, _ = loaded
    segmentation = Nodes.newSegmentation(node)
    segmentation.CreateDefaultDisplayNodes()
    Nodes.placeBeside(segmentation, node)
    inside = segmentation.GetSegmentation()
    for key, box in (("right_kidney", CT_BOX), ("mine", (slice(0, 2), *CT_BOX[1:]))):
        inside.AddEmptySegment(key, key, (1, 0.5, 0))
        array = np.zeros((N, ROWS, COLUMNS), np.uint8)
        array[box] = 1
        slicer.util.updateSegmentBinaryLabelmapFromArray(array, segmentation, key, node)
    Nodes.nameSegment(
        inside.GetSegment("right_kidney"), Models.labelsOf(None).by_key["right_kidney"]
    )
    panel._parameterNode.inputVolume = node
    panel._parameterNode.outputSegmentation = segmentation
    return panel


def export(panel, form, folder):
    from Testing.slicer.rig import qt

    folder.mkdir(exist_ok=True)
    qt.ANSWERS |= {"getItem": form, "getExistingDirectory": str(folder)}
    panel.ui.exportButton.click()
    qt.ANSWERS |= {"getItem": "", "getExistingDirectory": ""}
    wait_until(lambda: not panel.job.isRunning)
    return panel.ui.statusLabel.text


def question(panel):
    from Testing.slicer.rig import qt

    panel.ui.exportButton.click()
    return qt.QInputDialog.asked


def frames_of(seg, number):
    """Return which voxels a segment has, in each slice that the SEG refers to."""
    found = {}
    for pixels, frame in zip(seg.pixel_array, seg.PerFrameFunctionalGroupsSequence, strict=True):
        if frame.SegmentIdentificationSequence[0].ReferencedSegmentNumber == number:
            source = frame.DerivationImageSequence[0].SourceImageSequence[0]
            found[source.ReferencedSOPInstanceUID] = pixels
    return found


@pytest.mark.parametrize("is_reversed", [False, True])
def test_a_dicom_seg_refers_to_the_files_of_the_ct(shown, loaded, tmp_path, is_reversed):
    node, slices = loaded
    if is_reversed:
        turn(shown, node)
    assert export(shown, "DICOM SEG (.dcm)", tmp_path / "ž out") == "Written"
    (path,) = (tmp_path / "ž out").iterdir()
    seg = pydicom.dcmread(path)
    assert seg.StudyInstanceUID == pydicom.dcmread(slices[0]).StudyInstanceUID
    kidney = seg.SegmentSequence[0]
    assert kidney.SegmentedPropertyTypeCodeSequence[0].CodeValue == "64033007"
    side = kidney.SegmentedPropertyTypeCodeSequence[0].SegmentedPropertyTypeModifierCodeSequence[0]
    assert side.CodeMeaning == "Right"
    assert [one.SegmentLabel for one in seg.SegmentSequence] == ["right kidney", "mine"]
    found = frames_of(seg, 1)
    for k, one in enumerate(slices):
        expected = np.zeros((ROWS, COLUMNS), np.uint8)
        if CT_BOX[0].start <= k < CT_BOX[0].stop:
            expected[CT_BOX[1:]] = 1
        uid = pydicom.dcmread(one).SOPInstanceUID
        np.testing.assert_array_equal(found.get(uid, 0 * expected), expected, err_msg=str(k))


def turn(panel, node):
    """Let the slices of the CT run the other way, as a volume of another reader does."""
    import slicer
    import vtk

    array = slicer.util.arrayFromVolume(node)[::-1].copy()
    matrix = vtk.vtkMatrix4x4()
    node.GetIJKToRASMatrix(matrix)
    for row in range(3):
        last = matrix.GetElement(row, 3) + (N - 1) * matrix.GetElement(row, 2)
        matrix.SetElement(row, 3, last)
        matrix.SetElement(row, 2, -matrix.GetElement(row, 2))
    slicer.util.updateVolumeFromArray(node, array)
    node.SetIJKToRASMatrix(matrix)
    uids = node.GetAttribute("DICOM.instanceUIDs").split()
    node.SetAttribute("DICOM.instanceUIDs", " ".join(reversed(uids)))


def test_a_structure_set_has_contours_in_the_slices_of_the_organ(shown, loaded, tmp_path):
    _, slices = loaded
    assert export(shown, "RT structure set (.dcm)", tmp_path / "out") == "Written"
    (path,) = (tmp_path / "out").iterdir()
    assert path.name.endswith(".rtstruct.dcm")
    found = pydicom.dcmread(path)
    assert [str(roi.ROIName) for roi in found.StructureSetROISequence] == ["right kidney", "mine"]
    used = {
        str(one.ContourImageSequence[0].ReferencedSOPInstanceUID)
        for one in found.ROIContourSequence[0].ContourSequence
    }
    assert used == {str(pydicom.dcmread(path).SOPInstanceUID) for path in slices[CT_BOX[0]]}


def test_dicom_is_offered_where_the_files_are_known(shown):
    text, choices = question(shown)
    assert {"DICOM SEG (.dcm)", "RT structure set (.dcm)"} <= set(choices)
    assert "Not as DICOM" not in text


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        ("no attribute", "was not loaded from Slicer's DICOM database"),
        ("no database", "database is not open"),
        ("closed", "database is not open"),
        ("lost file", "1 of 18 DICOM files of this CT are not there any more"),
        ("one file", "not one DICOM file for each slice"),
        ("moved", "lie under different transforms"),
    ],
)
def test_why_dicom_is_not_offered_is_said(shown, loaded, monkeypatch, damage, reason):
    import slicer

    node, slices = loaded
    uids = node.GetAttribute("DICOM.instanceUIDs").split()
    if damage == "no attribute":
        node.SetAttribute("DICOM.instanceUIDs", None)
    elif damage == "no database":
        monkeypatch.delattr(slicer, "dicomDatabase")
    elif damage == "closed":
        slicer.dicomDatabase.isOpen = False
    elif damage == "lost file":
        slices[3].unlink()
    elif damage == "one file":
        node.SetAttribute("DICOM.instanceUIDs", uids[0])
    else:
        moved = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLinearTransformNode")
        node.SetAndObserveTransformNodeID(moved.GetID())
    text, choices = question(shown)
    assert reason in text
    assert not any("dcm" in choice for choice in choices)
    assert "NRRD" in choices


def test_a_slicer_with_an_older_pydicom_does_not_offer_it(shown, monkeypatch):
    from FlareSegUI import Packages

    monkeypatch.setattr(Packages, "LEAST_DICOM", {"pydicom": "99.0"})
    text, choices = question(shown)
    assert "needs pydicom 99.0" in text
    assert "DICOM SEG (.dcm)" not in choices


def test_a_ct_that_is_not_as_its_files_is_refused_and_nothing_is_written(shown, loaded, tmp_path):
    node, _ = loaded
    origin = node.GetOrigin()
    node.SetOrigin(origin[0] + 3, *origin[1:])
    said = export(shown, "DICOM SEG (.dcm)", tmp_path / "out")
    assert said.startswith("Failed: slice 1 of the CT in the scene is not that of")
    assert list((tmp_path / "out").iterdir()) == []


def test_a_name_with_slashes_makes_a_file(shown, loaded, tmp_path):
    from FlareSegUI import Export

    node = types.SimpleNamespace(GetName=lambda: 'CT 3/5: "a"')
    assert Export.fileName(node, ".dcm") == "CT 3_5_ _a_.dcm"
    shown._parameterNode.outputSegmentation.SetName("CT 3/5 organs")
    assert export(shown, "DICOM SEG (.dcm)", tmp_path / "out") == "Written"
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["CT 3_5 organs.dcm"]


def test_a_run_that_goes_on_is_not_disturbed_by_an_export(shown, tmp_path, monkeypatch):
    from Testing.slicer.rig import ctk

    monkeypatch.setattr(type(shown.job), "isRunning", True)
    text, enabled = shown.ui.applyButton.text, shown.ui.batchButton.enabled
    from Testing.slicer.rig import qt

    qt.ANSWERS |= {"getItem": "DICOM SEG (.dcm)", "getExistingDirectory": str(tmp_path)}
    shown.ui.exportButton.click()
    qt.ANSWERS |= {"getItem": "", "getExistingDirectory": ""}
    assert "is running" in ctk.asked[-1]
    assert (shown.ui.applyButton.text, shown.ui.batchButton.enabled) == (text, enabled)
    monkeypatch.undo()
