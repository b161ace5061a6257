"""flareseg segment, from a file to files."""

import json
import subprocess

import numpy as np
import pytest
import SimpleITK as sitk

from Testing.command.conftest import COMMAND, ENVIRONMENT, LEAN, SHAPE
from Testing.dicom_series import write_series
from Testing.flare import ORGANS


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("out")


@pytest.fixture(scope="module")
def done(flareseg, ct, model, folder):
    """A run with everything, without rules that may lose voxels: the truth is known exactly."""
    pytest.importorskip("matplotlib", reason="the picture needs flareseg[preview]")
    words = ["segment", ct, "-o", folder / "organs.nii.gz", "--model", model, "--csv", "--preview"]
    return flareseg(*words, "--no-cleanup", "--no-centre-first", *LEAN)


def test_run_ends_well(done):
    assert done.returncode == 0, done.stderr


def test_all_files_stand_beside_the_labelmap_and_nothing_else(done, folder):
    names = {path.name for path in folder.iterdir()}
    assert names == {"organs.nii.gz", "organs.report.json", "organs.csv", "organs.png"}


def test_labelmap_is_the_truth_on_the_grid_of_the_input(done, folder, ct, phantom):
    found, image = sitk.ReadImage(str(folder / "organs.nii.gz")), sitk.ReadImage(str(ct))
    np.testing.assert_array_equal(sitk.GetArrayFromImage(found), phantom[1].array)
    np.testing.assert_allclose(found.GetOrigin(), image.GetOrigin(), atol=1e-3)
    assert found.GetSpacing() == image.GetSpacing()
    assert found.GetDirection() == image.GetDirection()


def test_report_has_a_row_per_organ(done, folder):
    report = json.loads((folder / "organs.report.json").read_text(encoding="utf-8"))
    assert [row["key"] for row in report["organs"]] == [organ.key for organ in ORGANS]
    assert report["run"]["model"]["name"] == "tiny"
    assert len((folder / "organs.csv").read_text(encoding="utf-8").splitlines()) == 14


def test_picture_is_a_png(done, folder):
    assert (folder / "organs.png").read_bytes().startswith(b"\x89PNG")


def test_table_and_places_are_printed(done, folder):
    assert all(organ.name in done.stdout for organ in ORGANS)
    assert [line.split()[-1] for line in done.stdout.splitlines()[-4:]] == [
        str(folder / name)
        for name in ("organs.nii.gz", "organs.report.json", "organs.csv", "organs.png")
    ]


def test_each_step_is_one_line_where_stderr_is_no_terminal(done):
    names = [line.split(" s  ")[1] for line in done.stderr.splitlines()]
    assert len(names) == len(set(names))
    assert {"read", "network", "write"} <= set(names)


def test_quiet_run_with_strange_paths_and_one_organ(flareseg, ct, model, tmp_path):
    source = tmp_path / "Bäuche und Nieren" / "肝 臓.nii.gz"
    source.parent.mkdir()
    source.write_bytes(ct.read_bytes())
    out = tmp_path / "Ergebnis é" / "Leber 1.2.nrrd"
    done = flareseg(
        "segment", source, "-o", out, "--model", model, "--organs", "liver", "--quiet", *LEAN
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert {path.name for path in out.parent.iterdir()} == {
        "Leber 1.2.nrrd",
        "Leber 1.2.report.json",
    }
    found = sitk.GetArrayFromImage(sitk.ReadImage(str(out)))
    assert found.shape == SHAPE
    assert np.unique(found).tolist() == [0, 1]


def test_scan_without_organs_is_written_but_flagged_loudly(flareseg, phantom, model, tmp_path):
    fat = np.where(phantom[1].array > 0, -100, phantom[0].array).astype(np.int16)
    image = sitk.GetImageFromArray(fat)
    image.SetSpacing((8.0, 8.0, 8.0))
    sitk.WriteImage(image, str(tmp_path / "ct.nrrd"))
    done = flareseg("segment", "ct.nrrd", "-o", "o.seg.nrrd", "--model", model, *LEAN, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "! NO ORGAN WAS FOUND" in done.stdout
    assert (tmp_path / "o.seg.nrrd").exists()
    assert (tmp_path / "o.report.json").exists()


def test_a_dicom_series_gets_a_dicom_seg(flareseg, phantom, model, tmp_path):
    pydicom = pytest.importorskip("pydicom", reason="extra dicom is not installed")
    pytest.importorskip("highdicom", reason="extra dicom is not installed")
    tags = {"PixelSpacing": [8, 8], "SliceThickness": 8}
    write_series(tmp_path / "ct", array=phantom[0].array, step_mm=8.0, **tags)
    words = ("segment", "ct", "-o", "seg.dcm", "--model", model, "--no-cleanup")
    done = flareseg(*words, "--no-centre-first", *LEAN, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    ds = pydicom.dcmread(tmp_path / "seg.dcm")
    found = [one.SegmentLabel for one in ds.SegmentSequence]
    assert found == ["Background", *(organ.name for organ in ORGANS)]
    assert np.count_nonzero(ds.pixel_array) == np.count_nonzero(phantom[1].array)
    assert (tmp_path / "seg.report.json").exists()


def test_a_dicom_seg_of_a_file_is_refused_before_the_work(flareseg, ct, model, tmp_path):
    done = flareseg("segment", ct, "-o", tmp_path / "seg.dcm", "--model", model, *LEAN)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].endswith(
        "which ct.nii.gz is not: use one of .nii.gz, .nii, .seg.nrrd, .nrrd, .mha"
    )
    assert list(tmp_path.iterdir()) == []


def test_the_report_alone_goes_to_stdout_as_json(flareseg, ct, model, tmp_path):
    words = ("segment", ct, "-o", tmp_path / "o.nii.gz", "--model", model, *LEAN)
    done = flareseg(*words, "--json", "-")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == json.loads((tmp_path / "o.report.json").read_text("utf-8"))


def test_one_file_may_go_to_stdout(ct, model, tmp_path):
    words = ["segment", ct, "-o", "-", "--model", model, "--quiet", *LEAN]
    done = subprocess.run(
        [*COMMAND, *map(str, words)], capture_output=True, env=ENVIRONMENT, timeout=120
    )
    assert (done.returncode, done.stderr) == (0, b"")
    (tmp_path / "o.nii.gz").write_bytes(done.stdout)
    assert sitk.ReadImage(str(tmp_path / "o.nii.gz")).GetSize() == sitk.ReadImage(str(ct)).GetSize()


@pytest.mark.parametrize("more", [("--csv", "-"), ("--csv",), ("--mesh", "stl"), ("--json",)])
def test_stdout_holds_one_file(flareseg, ct, model, more):
    done = flareseg("segment", ct, "-o", "-", "--model", model, *more)
    assert done.returncode == 2
    assert "stdout" in done.stderr.splitlines()[-1]


def test_uncertainty_is_written_beside_on_the_grid_of_the_ct(flareseg, ct, model, tmp_path):
    words = ("segment", ct, "-o", "organs.nii.gz", "--uncertainty", "unc.nii.gz")
    done = flareseg(*words, "--model", model, *LEAN, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    image, found = (sitk.ReadImage(str(path)) for path in (ct, tmp_path / "unc.nii.gz"))
    assert found.GetSize() == image.GetSize()
    assert found.GetPixelID() == sitk.sitkUInt8
    assert 0 <= sitk.GetArrayFromImage(found).max() <= 100
    report = json.loads((tmp_path / "organs.report.json").read_text(encoding="utf-8"))
    assert "unc.nii.gz" in report["run"]["files"]
