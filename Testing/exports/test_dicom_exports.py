"""SR, secondary capture and PDF: read back by dcmqi, dcmtk and dciodvfy, others' programs."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from FlareSegLib.base.errors import OutputError
from FlareSegLib.base.geometry import Labelmap
from FlareSegLib.base.job import Job
from FlareSegLib.exports import run
from FlareSegLib.images.dicom.seg import Provenance
from FlareSegLib.images.reading import read_volume
from FlareSegLib.images.writing import write_labelmap
from FlareSegLib.measuring.measure import measure
from FlareSegLib.reporting import preview
from FlareSegLib.reporting.report import Report
from Testing.dicom_series import write_series
from Testing.flare import BY_KEY, FLARE

pydicom = pytest.importorskip("pydicom", reason="extra dicom is not installed")
pytest.importorskip("highdicom", reason="extra dicom is not installed")
pytest.importorskip("matplotlib", reason="extra preview is not installed")
ORGANS = (BY_KEY["liver"], BY_KEY["left_kidney"])
NAME = "山田^太郎"
STUDY = {"SpecificCharacterSet": "ISO_IR 192", "PatientName": NAME}
STUDY |= {"StudyID": "1", "StudyDate": "20260101", "StudyTime": "120000", "AccessionNumber": "7"}


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """All DICOM outputs of a made-up series; returns job and report."""
    folder = tmp_path_factory.mktemp("exports")
    source = write_series(folder / "ct", **STUDY)
    volume = read_volume(source)
    array = np.zeros(volume.grid.shape, np.uint8)
    array[2:9, 6:13, 6:15] = 1
    array[5:8, 12:14, 16:19] = 13
    labelmap = Labelmap(array, volume.grid)
    job = Job(source, folder / "out" / "organs.dcm", extras=("sr", "sc", "pdf"), seg="binary")
    made = Provenance(source, None, "flare13-test", "7", "binary")
    write_labelmap(labelmap, job.labelmap, made, FLARE)
    rows = [row for row in measure(labelmap, volume, FLARE).organs if row.components]
    report = Report(tuple(rows), {"model": {"name": "m", "version": "7"}, "speed": "fast"})

    def draw(path):
        preview.write_preview(volume, labelmap, ORGANS, path, preview.Caption("a case"))

    run.write(job, run.Made(labelmap, ORGANS, report, made, "a case", draw))
    return job, report


def program(name):
    found = shutil.which(name) or shutil.which(name, path=str(Path(sys.executable).parent))
    return found or pytest.skip(f"{name} is not installed")


@pytest.mark.parametrize("kind", ["sr", "sc", "pdf"])
def test_the_name_of_the_patient_stays_as_it_is(files, kind):
    (path,) = files[0].extra_paths[kind]
    assert pydicom.dcmread(path).PatientName == NAME


@pytest.mark.parametrize("kind", ["sr", "sc", "pdf"])
def test_dciodvfy_finds_no_error(files, kind):
    (path,) = files[0].extra_paths[kind]
    done = subprocess.run([program("dciodvfy"), path], capture_output=True, text=True, timeout=60)
    assert [line for line in done.stderr.splitlines() if line.startswith("Error")] == []


def test_dcmqi_reads_volumes_and_hu_of_each_segment(files, tmp_path):
    job, report = files
    words = [program("tid1500reader"), "--inputDICOM", job.extra_paths["sr"][0]]
    subprocess.run(
        [*words, "--outputMetadata", tmp_path / "sr.json"], check=True, capture_output=True
    )
    groups = json.loads((tmp_path / "sr.json").read_text())["Measurements"]
    seg = pydicom.dcmread(job.labelmap)
    assert [one["TrackingIdentifier"] for one in groups] == ["liver", "left kidney"]
    assert [one["ReferencedSegment"] for one in groups] == [1, 2]
    assert {one["segmentationSOPInstanceUID"] for one in groups} == {seg.SOPInstanceUID}
    assert groups[1]["Laterality"]["CodeMeaning"] == "left"
    for row, group in zip(report.organs, groups, strict=True):
        volume, hu = group["measurementItems"]
        assert (volume["quantity"]["CodeMeaning"], volume["units"]["CodeValue"]) == ("Volume", "ml")
        assert float(volume["value"]) == pytest.approx(row.volume_ml, abs=1e-3)
        assert hu["units"]["CodeValue"] == "[hnsf'U]"
        assert float(hu["value"]) == pytest.approx(row.mean_hu, abs=1e-3)


def test_dcmtk_takes_the_page_out_as_it_is(files, tmp_path):
    (path,) = files[0].extra_paths["pdf"]
    subprocess.run([program("dcm2pdf"), path, tmp_path / "p.pdf"], check=True, capture_output=True)
    content = (tmp_path / "p.pdf").read_bytes()
    assert content.startswith(b"%PDF")
    assert content.count(b"/Type /Page ") == 1
    assert content.rstrip(b"\0\n").endswith(b"%%EOF")


def test_dcmtk_shows_the_capture(files, tmp_path):
    from matplotlib.image import imread

    (path,) = files[0].extra_paths["sc"]
    words = [program("dcm2pnm"), "--write-png", path, tmp_path / "p.png"]
    subprocess.run(words, check=True, capture_output=True)
    shown = (imread(tmp_path / "p.png")[..., :3] * 255).round()
    np.testing.assert_array_equal(shown, pydicom.dcmread(path).pixel_array)
    assert len(np.unique(shown.reshape(-1, 3), axis=0)) > 50


def test_all_belong_to_patient_and_study_each_in_a_series_of_its_own(files):
    job, _ = files
    ct = pydicom.dcmread(next(job.source.iterdir()))
    series = {ct.SeriesInstanceUID}
    for path in (job.labelmap, *(job.extra_paths[kind][0] for kind in job.extras)):
        ds = pydicom.dcmread(path)
        for name in ("StudyInstanceUID", "PatientName", "PatientID", "AccessionNumber"):
            assert getattr(ds, name) == getattr(ct, name)
        assert ds.SeriesInstanceUID not in series
        series.add(ds.SeriesInstanceUID)


def test_results_beside_their_ct_do_not_get_in_the_way(files, tmp_path):
    job, _ = files
    shutil.copytree(job.source, tmp_path / "ct")
    for path in job.labelmap.parent.glob("*.dcm"):
        shutil.copy(path, tmp_path / "ct")
    assert read_volume(tmp_path / "ct").grid == read_volume(job.source).grid


@pytest.mark.parametrize(
    ("out", "extras", "reason"),
    [
        ("o.nii.gz", ("sr",), "let OUT end in .dcm"),
        ("o.rtstruct.dcm", ("sr",), "let OUT end in .dcm"),
        ("o.nii.gz", ("sc",), "take --preview"),
    ],
)
def test_what_does_not_fit_is_refused_before_the_work(tmp_path, out, extras, reason):
    source = tmp_path / "ct.nii.gz"
    source.write_bytes(b"x")
    with pytest.raises(OutputError, match=reason):
        run.check(Job(source, tmp_path / out, extras=extras))
