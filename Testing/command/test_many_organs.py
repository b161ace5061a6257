"""Models with labels that FLARE does not have, 3 and 117, through all that the command offers."""

import csv
import json

import numpy as np
import pytest
import SimpleITK as sitk

from FlareSegLib.base.job import Job
from FlareSegLib.images.case_files import labels_in
from FlareSegLib.images.reading import read_labelmap
from FlareSegLib.images.writing import write_labelmap
from FlareSegLib.pipeline import segment_file
from Testing.command.conftest import LEAN
from Testing.dicom_series import write_series
from Testing.many_organs import cubes, keys, write_flat_model

ORGANS = [
    {"key": "part_1", "value": 40, "name": "first part", "color": [10, 20, 30], "is_tube": True},
    {"key": "part_2", "snomed": "39607008", "snomed_meaning": "Lung", "keep": "largest"},
    {"key": "part_3", "value": 200, "plausible_ml": [1000, 2000]},
]


@pytest.fixture(scope="module", params=[3, pytest.param(117, marks=pytest.mark.slow)])
def world(request, tmp_path_factory):
    """Return folder, model, number of labels, and truth in the values of labels.json."""
    folder = tmp_path_factory.mktemp(f"many{request.param}")
    rows = ORGANS if request.param == 3 else None
    model = write_flat_model(folder / "model", request.param, rows)
    ct, truth = cubes(request.param)
    if rows:
        table = np.array([0, 40, 2, 200], np.uint8)
        truth.array[...] = table[truth.array]
    (folder / "cts").mkdir()
    image = sitk.GetImageFromArray(ct.array)
    image.SetSpacing(ct.grid.spacing_mm)
    sitk.WriteImage(image, str(folder / "cts" / "a.nii.gz"))
    (folder / "truth").mkdir()
    write_labelmap(truth, folder / "truth" / "a.nii.gz")
    return folder, model, request.param, truth


@pytest.fixture(scope="module")
def done(world, flareseg):
    folder, model, _, _ = world
    said = flareseg(
        "segment", folder / "cts" / "a.nii.gz", "-o", folder / "o" / "a.seg.nrrd", "--model", model,
        "--csv", "--preview", *LEAN,
    )  # fmt: skip
    assert said.returncode == 0, said.stderr
    return said, folder / "o"


def dice(truth, found):
    """Return the overlap of each value of the truth; the network rounds and shifts the cubes."""
    both = np.bincount(truth[truth == found], minlength=256)
    total = np.bincount(truth.ravel(), minlength=256) + np.bincount(found.ravel(), minlength=256)
    return {value: 2 * both[value] / total[value] for value in np.unique(truth)}


def test_voxels_get_the_values_of_the_file(world, done):
    found = read_labelmap(done[1] / "a.seg.nrrd").array
    assert set(np.unique(found)) == set(np.unique(world[3].array))
    assert min(dice(world[3].array, found).values()) > 0.95


def test_report_table_and_csv_name_every_label(world, done):
    said, out = done
    report = json.loads((out / "a.report.json").read_text("utf-8"))
    assert [organ["key"] for organ in report["organs"]] == [
        organ["key"] for organ in sorted(report["organs"], key=lambda one: one["value"])
    ]
    assert {organ["key"] for organ in report["organs"]} == set(keys(world[2]))
    assert all(organ["components"] == 1 for organ in report["organs"])
    with (out / "a.csv").open(encoding="utf-8", newline="") as file:
        assert [row["key"] for row in csv.DictReader(file)] == [
            organ["key"] for organ in report["organs"]
        ]
    assert all(organ["name"] in said.stdout for organ in report["organs"])
    if world[2] == 3:
        flags = {organ["key"]: organ["flags"] for organ in report["organs"]}
        assert "1000 to 2000 ml" in flags["part_3"]["implausible_volume"]
        assert "implausible_volume" not in flags["part_2"]


def test_segments_have_names_colors_and_codes_of_the_file(world, done):
    image = sitk.ReadImage(str(done[1] / "a.seg.nrrd"))
    found = {
        image.GetMetaData(f"Segment{i}_ID"): {
            key: image.GetMetaData(f"Segment{i}_{key}")
            for key in ("Name", "Color", "LabelValue", "Tags")
        }
        for i in range(world[2])
    }
    assert set(found) == set(keys(world[2]))
    assert len({one["Color"] for one in found.values()}) == world[2]
    if world[2] == 3:
        assert found["part_1"]["LabelValue"] == "40"
        assert found["part_1"]["Name"] == "first part"
        assert "SCT^39607008^Lung" in found["part_2"]["Tags"]
        assert "SCT^123037004^Anatomical Structure" in found["part_3"]["Tags"]


def test_the_preview_lists_all(done):
    png = sitk.ReadImage(str(done[1] / "a.png"))
    assert min(png.GetSize()) > 100


def test_some_organs_can_be_chosen_and_unknown_ones_are_refused(world, flareseg, tmp_path):
    folder, model, _, truth = world
    words = ("segment", folder / "cts" / "a.nii.gz", "-o", tmp_path / "o.nii.gz", "--model", model)
    said = flareseg(*words, "--organs", "part_2,part_3", *LEAN)
    assert said.returncode == 0, said.stderr
    found = read_labelmap(tmp_path / "o.nii.gz").array
    wanted = np.unique(truth.array)[2:4] if world[2] == 117 else [2, 200]
    assert set(np.unique(found)) == {0, *wanted}
    assert min(dice(np.where(np.isin(truth.array, wanted), truth.array, 0), found).values()) > 0.95
    (tmp_path / "o.nii.gz").unlink()
    said = flareseg(*words, "--organs", "liver")
    assert said.returncode == 2
    assert "liver is no organ: choose from part_" in said.stderr.splitlines()[-1]
    assert not (tmp_path / "o.nii.gz").exists()


def test_batch_page_and_summary_have_a_column_each(world, flareseg, tmp_path):
    folder, model, count, _ = world
    said = flareseg("batch", folder / "cts", tmp_path, "--model", model, "--html", *LEAN)
    assert said.returncode == 0, said.stderr + said.stdout
    with (tmp_path / "summary.csv").open(encoding="utf-8", newline="") as file:
        (row,) = csv.DictReader(file)
    assert all(float(row[f"{key}_ml"]) > 0 for key in keys(count))
    page = (tmp_path / "cohort.html").read_text("utf-8")
    assert page.count("<svg") == page.count("<figure") == count
    assert page.count("--strip:url(data:image/png;base64,") == 1


def test_evaluate_takes_the_labels_of_the_model(world, done, flareseg, tmp_path):
    folder, model, count, truth = world
    (tmp_path / "pred").mkdir()
    write_labelmap(truth, tmp_path / "pred" / "a.nii.gz")
    said = flareseg(
        "evaluate", folder / "truth", tmp_path / "pred", "--model", model, "--csv",
        tmp_path / "s.csv", "-o", tmp_path / "e", "--plots",
    )  # fmt: skip
    assert said.returncode == 0, said.stderr
    with (tmp_path / "s.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [float(row["dsc"]) for row in rows] == [1.0] * count
    assert {row["organ"] for row in rows} == set(keys(count))
    assert ("First part is scored over the slices" in said.stdout) == (count == 3)
    assert (tmp_path / "e" / "boxes.png").is_file()


def test_what_view_shows_is_named_by_the_report(world, done):
    found = labels_in(done[1] / "a.seg.nrrd")
    assert set(found.keys) == set(keys(world[2]))
    assert {organ.value for organ in found.organs} == set(np.unique(world[3].array)) - {0}


def test_dicom_seg_has_a_segment_each(world, tmp_path):
    pytest.importorskip("highdicom", reason="extra dicom is not installed")
    import pydicom

    _, model, count, _ = world
    ct, _ = cubes(count)
    spacing = {"PixelSpacing": [2, 2], "SliceThickness": 2}
    write_series(tmp_path / "dicom", array=ct.array, step_mm=2.0, **spacing)
    segment_file(Job(tmp_path / "dicom", tmp_path / "o.dcm"), model)
    segments = pydicom.dcmread(tmp_path / "o.dcm").SegmentSequence
    names = [one.SegmentLabel for one in segments if one.SegmentNumber]  # 0 is the background
    assert len(names) == count
    if count == 3:
        assert names == ["part 2", "first part", "part 3"]
