"""Zip files among the CTs of a batch: each series and each image in them is a case."""

import json
import zipfile

import numpy as np
import pytest
import SimpleITK as sitk

from FlareSegLib.base.errors import Cancelled
from FlareSegLib.base.model_file import read_model_config
from FlareSegLib.base.paths import DEFAULT_MODEL
from FlareSegLib.base.run_options import RunOptions
from FlareSegLib.batch import case_process, zips
from FlareSegLib.batch.cases import Case, find_cases, without_ids
from FlareSegLib.batch.demand import demand_of
from FlareSegLib.batch.manifest import cases_of
from FlareSegLib.batch.run import Plan, run_batch
from FlareSegLib.images import archive
from FlareSegLib.images.archive import unzipped
from FlareSegLib.images.reading import read_volume
from Testing.dicom_series import ct_array, height_mm, write_series
from Testing.phantoms import abdomen
from Testing.tiny_model import threshold_model, write_model
from Testing.zip_files import packed

pytestmark = pytest.mark.usefixtures("temporary")


def zip_of(tmp_path, target, **series):
    """Write a zip file of series, by UID, whose voxels are those of ct_array() of a number."""
    folder = tmp_path / f"of {target.name}"
    for uid, number in series.items():
        write_series(folder / uid, array=ct_array(number), SeriesInstanceUID=uid.replace("_", "."))
    return packed(folder, target)


def read(case):
    with unzipped(case.source) as source:
        return read_volume(source, series=case.series)


def test_each_series_in_a_zip_file_is_a_case(tmp_path):
    zip_of(tmp_path, tmp_path / "in" / "a" / "CD 1.zip", **{"1_2_3": 0, "1_2_4": 1})
    zip_of(tmp_path, tmp_path / "in" / "b.ZIP", **{"1_2_5": 2})
    cases = find_cases(tmp_path / "in")
    assert [(case.place, case.series) for case in cases] == [
        ("a/CD 1.zip", "1.2.3"), ("a/CD 1.zip", "1.2.4"), ("b.ZIP", "1.2.5"),
    ]  # fmt: skip
    assert [case.name[:7] for case in cases] == ["a_CD_1_", "a_CD_1_", "b"]
    for number, case in enumerate(cases):
        np.testing.assert_array_equal(read(case).array, np.maximum(ct_array(number), -1024))
    assert cases_of(tmp_path / "in" / "**" / "*.[zZ][iI][pP]") == cases


def test_an_image_in_a_zip_file_is_a_case_and_each_of_its_frames(tmp_path):
    for name, count in (("one", 1), ("gated", 3)):
        images = [sitk.GetImageFromArray(ct_array(i)) for i in range(count)]
        image = sitk.JoinSeries(images) if count > 1 else images[0]
        (tmp_path / name).mkdir()
        sitk.WriteImage(image, str(tmp_path / name / "ct.nii.gz"))
        packed(tmp_path / name, tmp_path / "in" / f"{name}.zip")
    cases = find_cases(tmp_path / "in")
    frames = [f"gated_frame-{n:03d}" for n in (1, 2, 3)]
    assert [case.name for case in cases] == [*frames, "one"]
    for number, case in enumerate(cases[:3]):
        np.testing.assert_array_equal(read(case).array, ct_array(number))


def test_what_a_zip_file_lacks_is_said(tmp_path, caplog):
    (tmp_path / "in").mkdir()
    with zipfile.ZipFile(tmp_path / "in" / "letters.zip", "w") as made:
        made.writestr("letter.pdf", b"%PDF-1.4")
    (tmp_path / "in" / "cut.zip").write_bytes(b"PK\3\4 cut off")
    assert [case.name for case in find_cases(tmp_path / "in")] == ["cut"]
    assert "left out 1 zip files that hold no DICOM series and no image" in caplog.text


def test_parts_of_a_series_in_two_zip_files_are_left_out_and_copies_are_not(tmp_path, caplog):
    folder = write_series(tmp_path / "all", SeriesInstanceUID="1.2.3")
    whole = packed(folder, tmp_path / "in" / "whole.zip")
    packed(folder, tmp_path / "in" / "copy.zip")
    assert len(find_cases(tmp_path / "in")) == 2
    for path in tmp_path.glob("in/*.zip"):
        path.unlink()
    slices = sorted(folder.iterdir(), key=height_mm)
    for number, part in enumerate((slices[:9], slices[9:])):
        with zipfile.ZipFile(whole.with_name(f"{number}.zip"), "w") as made:
            for path in part:
                made.write(path, path.name)
    for search in (lambda: find_cases(tmp_path / "in"), lambda: cases_of(tmp_path / "in" / "*")):
        caplog.clear()
        assert search() == ()
        assert "left out 2 zip files with a part of a series each (0.zip, 1.zip)" in caplog.text


def test_a_zip_file_is_called_after_no_patient(tmp_path):
    zip_of(tmp_path, tmp_path / "in" / "Doe_Jane.zip", **{"1_2_3": 0})
    (case,) = without_ids(find_cases(tmp_path / "in"))
    assert case.name.startswith("anon-")
    assert "Doe" not in case.place


def test_a_case_in_a_zip_file_takes_what_its_folder_would(tmp_path):
    target = zip_of(tmp_path, tmp_path / "in" / "ct.zip", **{"1_2_3": 0})
    config = read_model_config(DEFAULT_MODEL)
    (case,) = find_cases(target.parent)
    folder = Case("ct", tmp_path / "of ct.zip" / "1_2_3", "ct", "1.2.3")
    assert demand_of(case, config, 1) == demand_of(folder, config, 1)
    assert demand_of(case, config, 1).memory_mib > 0


def test_a_zip_file_that_has_not_changed_is_not_unpacked_again(tmp_path, monkeypatch):
    target = zip_of(tmp_path, tmp_path / "in" / "ct.zip", **{"1_2_3": 0})
    cases = find_cases(target.parent)
    monkeypatch.setattr(zips, "unzipped", None)  # unpacking would be a TypeError
    assert find_cases(target.parent) == cases


def test_a_zip_file_for_which_there_was_no_room_is_looked_at_again(tmp_path, monkeypatch):
    target = zip_of(tmp_path, tmp_path / "in" / "cd.zip", **{"1_2_3": 0, "1_2_4": 1})
    usage = type("Usage", (), {"free": 10})
    with monkeypatch.context() as full:
        full.setattr(archive.shutil, "disk_usage", lambda _: usage)
        assert [case.series for case in find_cases(target.parent)] == [None]
    assert [case.series for case in find_cases(target.parent)] == ["1.2.3", "1.2.4"]


def phantom():
    """Return what write_series() takes for a CT that the model of plan() can segment."""
    volume, _ = abdomen((40, 38, 48), (8.0, 8.0, 8.0))
    return {"PixelSpacing": [8, 8], "SliceThickness": 8, "step_mm": 8.0, "array": volume.array}


def plan(tmp_path):
    model = write_model(
        tmp_path / "model", threshold_model((16, 24, 24)), spacing_mm=(8.0, 8.0, 8.0)
    )
    raw = RunOptions(clean=False, centre_first=False, runtime="onnxruntime", threads=1)
    return Plan(tmp_path / "out", model, raw)


class Orders:
    """The line of a case process: a case, the word to go, and the end."""

    is_cut = False

    def __init__(self, case):
        source = str(case.source)
        facts = {"name": case.name, "source": source, "place": "", "series": case.series}
        self.left, self.told = [facts, {"go": True}], []

    def order(self):
        if not self.left:
            raise Cancelled("the end")
        return self.left.pop(0)

    def tell(self, **facts):
        self.told.append(facts)


def test_a_process_unpacks_a_zip_file_once_for_all_that_is_asked_of_its_case(tmp_path, monkeypatch):
    ct = packed(write_series(tmp_path / "ct", **phantom()), tmp_path / "in" / "ct.zip")
    (case,) = find_cases(ct.parent)
    count, unpack = [], archive._unpack
    monkeypatch.setattr(archive, "_unpack", lambda *to: count.append(to) or unpack(*to))
    line = Orders(case)
    with pytest.raises(Cancelled):
        case_process._serve(line, plan(tmp_path))
    assert line.told[0]["memory_mib"] > 0
    assert line.told[-1]["row"]["status"] == "ok"
    report = json.loads((tmp_path / "out" / "ct_organs.report.json").read_text("utf-8"))
    assert report["run"]["source"]["path"] == "../in/ct.zip"
    assert len(count) == 1


@pytest.mark.slow
def test_a_batch_segments_what_is_in_zip_files(tmp_path):
    for uid in ("1.2.3", "1.2.4"):
        write_series(tmp_path / "cd" / uid, SeriesInstanceUID=uid, **phantom())
    packed(tmp_path / "cd", tmp_path / "in" / "cd.zip")
    (tmp_path / "in" / "bad.zip").write_bytes(b"PK\3\4 cut off")
    rows = run_batch(find_cases(tmp_path / "in"), plan(tmp_path))
    assert [row.status for row in rows] == ["failed", "ok", "ok"]
    assert "bad.zip cannot be unpacked" in rows[0].reason
    assert len(list((tmp_path / "out").glob("cd_*_organs.nii.gz"))) == 2
