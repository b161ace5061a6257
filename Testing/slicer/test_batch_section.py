"""The section Batch of the panel, and the batch script that Slicer runs without a window."""

import json

import numpy as np
import pytest

from Testing.flare import FLARE
from Testing.slicer.conftest import MODULE, wait_until

CASES = 12
"""So many that a batch still runs when its first result is there."""


def test_a_batch_from_the_panel_writes_results_and_a_summary(panel, ct, model, tmp_path):
    from FlareSegUI import BatchSection, Nodes

    folder, output = tmp_path / "cts", tmp_path / "out"
    folder.mkdir()
    Nodes.writeVolume(ct, folder / "good.nrrd")
    (folder / "bad.nrrd").write_bytes(b"no image")
    panel._parameterNode.modelFolder = str(model)
    panel.ui.batchInputPath.currentPath = str(folder)
    panel.ui.batchOutputPath.currentPath = str(output)
    steps = []
    tell = panel.runs.onProgress
    panel.runs.onProgress = lambda step, share: (steps.append(step), tell(step, share))
    panel.ui.batchButton.click()
    assert panel.ui.batchButton.text == "Cancel"
    wait_until(lambda: not panel.job.isRunning)
    assert panel.ui.statusLabel.text == "Batch done; some cases failed: 1 failed, 1 done", (
        panel.ui.logText.toPlainText()
    )
    table = panel.ui.batchTable
    cells = [[table.item(row, column).text() for column in range(3)] for row in range(2)]
    assert [cell[:2] for cell in cells] == [["bad", "failed"], ["good", "done"]]
    assert "bad.nrrd" in cells[0][2]
    flags = "liver:touches_border;left_kidney:implausible_volume;fewer_organs"
    assert BatchSection.noteOf(flags, FLARE) == "left kidney unusual volume; fewer organs"
    assert panel.ui.batchFolderButton.enabled
    assert any(step.startswith("2/2 good: ") for step in steps), steps
    names = {path.name for path in output.iterdir()}
    assert {"summary.csv", "good_organs.seg.nrrd", "good_organs.report.json"} <= names


def test_a_batch_goes_on_when_the_scene_is_closed_and_says_how_it_ended(panel, ct, model, tmp_path):
    import slicer
    from FlareSegUI import Nodes

    folder, output = tmp_path / "cts", tmp_path / "out"
    folder.mkdir()
    for number in range(1, CASES + 1):
        Nodes.writeVolume(ct, folder / f"scan_{number}.nrrd")
    panel._parameterNode.modelFolder = str(model)
    panel.ui.batchInputPath.currentPath = str(folder)
    panel.ui.batchOutputPath.currentPath = str(output)
    panel.ui.batchButton.click()
    wait_until(lambda: any(output.glob("scan_*_organs.seg.nrrd")))
    slicer.mrmlScene.Clear()
    assert panel.job.isRunning
    assert panel.ui.batchButton.text == "Cancel"
    assert not panel.ui.batchInputPath.enabled
    wait_until(lambda: not panel.job.isRunning)
    done = f"Batch done: {CASES} done"
    assert panel.ui.statusLabel.text == done, panel.ui.logText.toPlainText()
    assert len(list(output.glob("*_organs.seg.nrrd"))) == CASES
    assert panel.ui.batchButton.text == "Run batch"


def test_a_batch_from_the_panel_writes_dicom_seg_for_dicom(panel, phantom, model, tmp_path):
    """As many voxels of each organ in the file as in the report; it refers to the series."""
    import pydicom
    from highdicom.seg import segread

    from Testing.dicom_series import write_series

    folder, output = tmp_path / "cts", tmp_path / "out ž"
    array = phantom[0].array
    positions = [(-150.0, -150.0, 8.0 * i) for i in range(len(array))]
    tags = {"PixelSpacing": [8.0, 8.0], "SliceThickness": 8.0}
    write_series(folder / "one", positions, array=array, step_mm=8.0, **tags)
    panel._parameterNode.modelFolder = str(model)
    panel._parameterNode.runtime = "onnxruntime"
    panel.ui.batchFormatComboBox.setCurrentText("DICOM SEG (.dcm)")
    panel.ui.batchInputPath.currentPath = str(folder)
    panel.ui.batchOutputPath.currentPath = str(output)
    panel.ui.batchButton.click()
    wait_until(lambda: not panel.job.isRunning)
    assert panel.ui.statusLabel.text == "Batch done: 1 done", panel.ui.logText.toPlainText()
    (path,) = output.glob("*.dcm")
    found = segread(path)
    series = {pydicom.dcmread(one).SeriesInstanceUID for one in (folder / "one").iterdir()}
    assert {found.ReferencedSeriesSequence[0].SeriesInstanceUID} == series
    (report,) = output.glob("*.report.json")
    organs = json.loads(report.read_text("utf-8"))["organs"]
    volumes = {organ["name"]: organ["volume_ml"] for organ in organs if organ["volume_ml"]}
    assert len(volumes) > 8
    voxels = found.get_volume(combine_segments=True).array
    for number in found.segment_numbers:
        name = found.get_segment_description(number).segment_label
        assert np.sum(voxels == number) * 0.512 == pytest.approx(volumes.pop(name), abs=0.01)
    assert not volumes


def test_dicom_seg_is_refused_where_slicer_has_an_older_pydicom(panel, tmp_path, monkeypatch):
    """Slicer 5.10 brings 2.4.4: to replace it would break Slicer's own modules."""
    from FlareSegUI import Packages

    found = Packages._version
    old = lambda name, path=None: "2.4.4" if name == "pydicom" else found(name, path)  # noqa: E731
    monkeypatch.setattr(Packages, "_version", old)
    (tmp_path / "in").mkdir()
    panel.ui.batchFormatComboBox.setCurrentText("DICOM SEG (.dcm)")
    panel.ui.batchInputPath.currentPath = str(tmp_path / "in")
    panel.ui.batchOutputPath.currentPath = str(tmp_path / "out")
    with pytest.raises(Packages.PackageError):
        panel.runs.onBatchButton()
    said = panel.ui.statusLabel.text
    assert "needs pydicom 3.0 or later, which Slicer 5.12 brings; this Slicer has 2.4.4" in said
    assert not panel.job.isRunning
    assert panel.ui.batchButton.text == "Run batch"


def test_the_highdicom_that_slicer_brings_is_enough(module, monkeypatch):
    """5.12 has 0.27.0 and pydicom 3: nothing of it is replaced."""
    from FlareSegUI import Packages

    versions = {"highdicom": "0.27.0", "pydicom": "3.0.1"}
    monkeypatch.setattr(Packages, "_version", lambda name, path=None: versions.get(name))
    assert Packages.whyNotDicom() is None
    assert "dicom" not in " ".join(one.name for one in Packages.wantedFor("openvino"))


def test_a_batch_can_be_cancelled_and_keeps_what_is_finished(panel, ct, slow_model, tmp_path):
    from FlareSegUI import Nodes

    folder = tmp_path / "cts"
    folder.mkdir()
    (folder / "a bad one.nrrd").write_bytes(b"no image")
    Nodes.writeVolume(ct, folder / "slow.nrrd")
    panel._parameterNode.modelFolder = str(slow_model)
    panel._parameterNode.runtime = "onnxruntime"
    panel.ui.batchInputPath.currentPath = str(folder)
    panel.ui.batchOutputPath.currentPath = str(tmp_path / "out")
    panel.ui.batchButton.click()
    wait_until(lambda: "slow: Finding the organs" in panel.ui.statusLabel.text)
    panel.ui.batchButton.click()
    wait_until(lambda: not panel.job.isRunning, seconds=20)
    assert panel.ui.statusLabel.text == "Cancelled; the cases that are finished stay"
    summary = (tmp_path / "out" / "summary.csv").read_text("utf-8")
    assert "failed" in summary
    assert panel.ui.batchTable.item(0, 0).text() == "a_bad_one"
    assert not list((tmp_path / "out").glob("*.nrrd"))


@pytest.mark.parametrize("extension", [".nii.gz", ".nrrd", ".seg.nrrd"])
def test_the_batch_script_in_slicer_gives_what_the_command_gives(
    scene, ct, model, tmp_path, monkeypatch, extension
):
    import runpy

    from FlareSegUI import Nodes

    from FlareSegLib.command.main import main

    folder = tmp_path / "cts"
    folder.mkdir()
    Nodes.writeVolume(ct, folder / "one.nrrd")
    more = ["--model", str(model), "--runtime", "onnxruntime", "--format", extension, "--quiet"]
    folders = ["--input", str(folder), "--output", str(tmp_path / "a")]
    monkeypatch.setattr("sys.argv", ["flareseg_batch.py", *folders, *more])
    with pytest.raises(SystemExit) as ended:
        runpy.run_path(str(MODULE.parent / "Scripts" / "flareseg_batch.py"), run_name="__main__")
    assert ended.value.code == 0
    assert main(["batch", str(folder), str(tmp_path / "b"), *more]) == 0
    name = f"one_organs{extension}"
    assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()
