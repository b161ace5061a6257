"""Many CTs in this process: which are found, what becomes of each, and what is left on disk."""

import csv
import json
import os
import sys
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from FlareSegLib import pipeline
from FlareSegLib.base.errors import Cancelled, ModelError, OutputError
from FlareSegLib.base.progress import CaseStep, Step
from FlareSegLib.base.run_options import RunOptions
from FlareSegLib.batch.cases import Case, find_cases
from FlareSegLib.batch.run import Plan, run_batch
from FlareSegLib.images.writing import check_writable
from FlareSegLib.inference import runtimes
from Testing.dicom_series import along_z, write_series
from Testing.flare import ORGANS
from Testing.phantoms import abdomen
from Testing.tiny_model import threshold_model, write_model

SHAPE, SPACING_MM = (40, 38, 48), (8.0, 8.0, 8.0)
"""320 x 304 x 384 mm: life-sized; a voxel has 0.512 ml."""
RAW = RunOptions(clean=False, centre_first=False, runtime="onnxruntime", threads=1)
"""Without rules that may lose voxels: the truth is known exactly."""
PHANTOM = abdomen(SHAPE, SPACING_MM)


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    folder = tmp_path_factory.mktemp("model")
    return write_model(folder, threshold_model((16, 24, 24)), spacing_mm=SPACING_MM)


def write_ct(path):
    volume = PHANTOM[0]
    image = sitk.GetImageFromArray(volume.array)
    image.SetSpacing(SPACING_MM)
    image.SetOrigin(volume.grid.origin)
    path.parent.mkdir(parents=True, exist_ok=True)
    sitk.WriteImage(image, str(path))
    return path


def write_dicom_ct(folder, **tags):
    tags = {"PixelSpacing": [8, 8], "SliceThickness": 8, **tags}
    return write_series(folder, array=PHANTOM[0].array, step_mm=8.0, **tags)


def write_bad(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("this is no image")
    return path


def names(cases):
    return [case.name for case in cases]


def table(path):
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def files(folder):
    return sorted(path.name for path in folder.rglob("*"))


# finding


@pytest.mark.parametrize("ending", [".nii", ".nii.gz", ".nrrd", ".mha", ".mhd", ".NII.GZ"])
def test_every_kind_of_file_is_a_case_at_any_depth(tmp_path, ending):
    write_bad(tmp_path / "a" / "b" / f"ct{ending}")
    (case,) = find_cases(tmp_path)
    assert case == Case("a_b_ct", tmp_path / "a" / "b" / f"ct{ending}", f"a/b/ct{ending}")


def test_what_is_no_ct_is_no_case(tmp_path):
    for name in ("o.seg.nrrd", ".hidden.nii", "notes.txt", "LICENSE", ".git/ct.nii", "x.raw"):
        write_bad(tmp_path / name)
    (tmp_path / "folder.nii").mkdir()
    write_bad(tmp_path / "results" / "ct_organs.nii.gz")
    assert find_cases(tmp_path, without=tmp_path / "results") == ()


def test_names_are_safe_unique_and_the_same_each_time(tmp_path):
    places = (
        "a b/ct.nii",
        "a_b/ct.nii",
        "CT.nii",
        "ct.nrrd",
        "=1+1;$(x).nii",
        "..x.nii",
        "ü/肝.nii",
    )
    for place in places[:5] + places[6:]:
        write_bad(tmp_path / place)
    cases = find_cases(tmp_path)
    assert names(find_cases(tmp_path)) == names(cases)
    assert len({name.casefold() for name in names(cases)}) == 6
    at = {case.place: case.name for case in cases}
    assert at["=1+1;$(x).nii"] == "1_1_x"
    assert at["ü/肝.nii"] == "ü_肝"
    assert at["a b/ct.nii"].startswith("a_b_ct-")
    assert len(at["ct.nrrd"]) == len("ct-12345678")


def test_a_name_does_not_depend_on_where_the_folder_is(tmp_path):
    for top in ("x", "y"):
        write_bad(tmp_path / top / "a b.nii")
        write_bad(tmp_path / top / "a_b.nii")
    assert names(find_cases(tmp_path / "x")) == names(find_cases(tmp_path / "y"))


def test_a_long_name_is_cut_and_stays_unique(tmp_path):
    for end in "ab":
        write_bad(tmp_path / ("é" * 60) / f"{'é' * 60}{end}.nii")
    cases = find_cases(tmp_path)
    assert len(set(names(cases))) == 2
    assert max(len(name.encode()) for name in names(cases)) <= 159


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have no names that are no text")
def test_a_file_name_that_is_no_text_is_a_case_like_others(tmp_path, model):
    path = Path(os.fsdecode(os.fsencode(tmp_path / "in") + b"/\xff\xfe.nrrd"))
    write_ct(tmp_path / "in" / "ct.nrrd").rename(path)
    cases = find_cases(tmp_path / "in")
    assert names(cases) == ["xff_xfe"]
    plan = Plan(tmp_path / "out", model, RAW)
    (row,) = run_batch(cases, plan)
    assert row.reason.endswith("is no UTF-8 text: rename file or folder")
    assert table(plan.summary)[0]["place"] == r"\xff\xfe.nrrd"
    with pytest.raises(OutputError, match="is no UTF-8 text: choose another"):
        check_writable(path)


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have no names that are no text")
def test_a_dicom_folder_whose_name_is_no_text_is_left_out_with_a_word(tmp_path, caplog):
    write_series(tmp_path / "a").rename(os.fsdecode(os.fsencode(tmp_path) + b"/\xff"))
    assert find_cases(tmp_path) == ()
    assert "is no UTF-8 text: rename file or folder" in caplog.text


def test_a_folder_that_links_to_itself_is_searched_once(tmp_path):
    write_bad(tmp_path / "a" / "ct.nii")
    try:
        (tmp_path / "a" / "loop").symlink_to(tmp_path, target_is_directory=True)
    except OSError:
        pytest.skip("this system lets nobody make links")
    assert names(find_cases(tmp_path)) == ["a_ct"]


def test_a_dicom_series_is_a_case_named_by_its_folder(tmp_path):
    write_series(tmp_path / "Jane 1" / "CT", SeriesInstanceUID="1.2.3")
    (case,) = find_cases(tmp_path)
    assert case == Case("Jane_1_CT", tmp_path / "Jane 1" / "CT", "Jane 1/CT", "1.2.3")
    (case,) = find_cases(tmp_path / "Jane 1" / "CT")
    assert (case.name, case.place) == ("CT", ".")


def test_series_of_one_folder_are_told_apart_and_scouts_are_left_out(tmp_path, caplog):
    write_series(tmp_path / "a", SeriesInstanceUID="1.2.3")
    for i, path in enumerate(sorted(write_series(tmp_path / "b").iterdir())):
        path.rename(tmp_path / "a" / f"second {i}.dcm")
    write_series(tmp_path / "c", along_z((0, 1)))  # a scout
    write_series(tmp_path / "d", Modality="MR")
    write_series(tmp_path / "e", along_z(range(15)))
    cases = find_cases(tmp_path)
    assert {case.source for case in cases} == {tmp_path / "a"}
    assert len(set(names(cases))) == len({case.series for case in cases}) == 2
    assert all(name.startswith("a_") and len(name) == 10 for name in names(cases))
    assert "left out 3 DICOM series" in caplog.text


def test_parts_of_a_series_are_one_case_and_copies_are_two(tmp_path):
    folder = write_series(tmp_path / "parts" / "1", SeriesInstanceUID="1.2.3")
    (tmp_path / "parts" / "2").mkdir()
    for path in sorted(folder.iterdir())[:5]:
        path.rename(tmp_path / "parts" / "2" / path.name)
    for copy in "ab":
        write_series(tmp_path / copy, SeriesInstanceUID="1.2.4")
    assert names(find_cases(tmp_path)) == ["a", "b", "parts"]


def test_a_file_that_cannot_be_opened_does_not_stop_the_search(tmp_path, monkeypatch):
    write_series(tmp_path / "a")
    locked = write_bad(tmp_path / "a" / "locked.dcm")
    real = Path.open

    def refuse(self, *words, **more):
        if self == locked:
            raise PermissionError(13, "Permission denied")
        return real(self, *words, **more)

    monkeypatch.setattr(Path, "open", refuse)
    assert names(find_cases(tmp_path)) == ["a"]


# running


@pytest.fixture
def mixed(tmp_path):
    """Three good cases and two bad ones."""
    folder = tmp_path / "Eingang ü"
    write_ct(folder / "1.nii.gz")
    write_bad(folder / "2.nii.gz")
    write_dicom_ct(folder / "3 dcm")
    write_series(folder / "4 gap", along_z([*range(10), *range(12, 20)]))
    write_ct(folder / "肝" / "5.nrrd")
    return folder


def test_bad_cases_are_lines_and_good_ones_are_done(tmp_path, mixed, model):
    plan = Plan(tmp_path / "out", model, RAW, with_csv=True)
    ended = []
    rows = run_batch(find_cases(mixed), plan, ended=ended.append)
    assert [row.status for row in rows] == ["ok", "failed", "ok", "failed", "ok"]
    assert list(rows) == ended
    good = ("1", "3_dcm", "肝_5")
    endings = (".csv", ".nii.gz", ".report.json")
    expected = [f"{name}_organs{ending}" for name in good for ending in endings]
    assert files(tmp_path / "out") == sorted([*expected, "journal.jsonl", "summary.csv"])
    for name in good:
        found = sitk.ReadImage(str(tmp_path / "out" / f"{name}_organs.nii.gz"))
        np.testing.assert_array_equal(sitk.GetArrayFromImage(found), PHANTOM[1].array)


def test_the_summary_says_of_every_case_what_is_true(tmp_path, mixed, model):
    plan = Plan(tmp_path / "out", model, RAW)
    run_batch(find_cases(mixed), plan)
    rows = table(plan.summary)
    assert [row["case"] for row in rows] == ["1", "2", "3_dcm", "4_gap", "肝_5"]
    assert [row["place"] for row in rows] == [
        "1.nii.gz", "2.nii.gz", "3 dcm", "4 gap", "肝/5.nrrd",
    ]  # fmt: skip
    assert [bool(row["series"]) for row in rows] == [False, False, True, True, False]
    assert "2.nii.gz is no CT" in rows[1]["reason"]
    assert "gap of 3.00 mm" in rows[3]["reason"]
    for i, row in enumerate(rows):
        for organ in ORGANS:
            said = row[f"{organ.key}_ml"]
            voxels = int((PHANTOM[1].array == organ.value).sum())
            ml = voxels * 0.512
            decimals = 1 if ml >= 10 else 2
            assert said == ("" if i in (1, 3) else str(round(ml, decimals)))
    assert all(float(row["seconds"]) >= 0 for row in rows)
    assert rows[0]["flags"] == "aorta:touches_border;inferior_vena_cava:touches_border"
    assert rows[1]["flags"] == ""
    assert (rows[0]["liver_state"], rows[0]["aorta_state"], rows[1]["liver_state"]) == (
        "whole", "cut", "",
    )  # fmt: skip
    assert float(rows[0]["liver_core_hu"]) == 72
    assert rows[0]["speed"] == "balanced"
    assert len(rows[0]["model_sha256"]) == len(rows[0]["input_sha256"]) == 64


def test_only_the_organs_that_are_asked_for_have_a_column(tmp_path, model):
    write_ct(tmp_path / "in" / "ct.nrrd")
    plan = Plan(tmp_path / "out", model, RunOptions(organs=("spleen", "liver")))
    run_batch(find_cases(tmp_path / "in"), plan)
    columns = list(table(plan.summary)[0])
    assert [name for name in columns if name.endswith("_ml")] == ["liver_ml", "spleen_ml"]


def test_the_network_is_loaded_once_for_all(tmp_path, model, monkeypatch):
    for i in range(3):
        write_ct(tmp_path / "in" / f"{i}.nrrd")
    loaded = []

    class Counted(runtimes.OnnxNetwork):
        def __init__(self, *words, **more):
            loaded.append(words)
            super().__init__(*words, **more)

    monkeypatch.setattr(runtimes, "OnnxNetwork", Counted)
    rows = run_batch(find_cases(tmp_path / "in"), Plan(tmp_path / "out", model, RAW))
    assert [row.status for row in rows] == ["ok"] * 3
    assert len(loaded) == 1


def test_any_error_of_a_case_is_its_reason(tmp_path, model, monkeypatch):
    errors = iter([RuntimeError("two\nlines"), MemoryError(), OSError(5, "I/O"), KeyError("x")])
    for i in range(4):
        write_bad(tmp_path / "in" / f"{i}.nrrd")

    def fail(*_):
        raise next(errors)

    monkeypatch.setattr("FlareSegLib.batch.plan.segment_file", fail)
    rows = run_batch(find_cases(tmp_path / "in"), Plan(tmp_path / "out", model, RAW))
    assert [row.status for row in rows] == ["failed"] * 4
    assert rows[0].reason.startswith("unexpected RuntimeError: two lines")
    assert rows[1].reason.startswith("out of memory")
    assert not any("\n" in row.reason for row in rows)


def test_progress_names_the_case_and_runs_from_0_to_1(tmp_path, model):
    for name in ("a", "b"):
        write_ct(tmp_path / "in" / f"{name}.nrrd")
    steps = []
    run_batch(find_cases(tmp_path / "in"), Plan(tmp_path / "out", model, RAW), steps.append)
    assert all(isinstance(step, CaseStep) and step.count == 2 for step in steps)
    assert [step.share for step in steps] == sorted(step.share for step in steps)
    assert (steps[0].case, steps[0].index, steps[0].name, steps[0].share) == ("a", 1, "read", 0)
    assert (steps[-1].case, steps[-1].index, steps[-1].name) == ("b", 2, "write")
    assert steps[-1].share == pytest.approx((1 + 0.98) / 2)
    assert CaseStep("network", 0.5, "b", 2, 3).label == "2/3 network"
    assert Step("network", 0.5).label == "network"


# stopping and going on


def stop_at(case, name):
    def progress(step):
        if (step.case, step.name) == (case, name):
            raise Cancelled("by test")

    return progress


@pytest.mark.parametrize("name", ["read", "network", "write"])
def test_a_stop_leaves_what_is_finished_and_nothing_half_written(tmp_path, model, name):
    for case in ("a", "b", "c"):
        write_ct(tmp_path / "in" / f"{case}.nrrd")
    plan = Plan(tmp_path / "out", model, RAW)
    with pytest.raises(Cancelled):
        run_batch(find_cases(tmp_path / "in"), plan, stop_at("b", name))
    assert files(tmp_path / "out") == [
        "a_organs.nii.gz", "a_organs.report.json", "journal.jsonl", "summary.csv",
    ]  # fmt: skip
    assert [row["case"] for row in table(plan.summary)] == ["a"]


def test_going_on_runs_only_what_is_missing(tmp_path, mixed, model):
    plan = Plan(tmp_path / "out", model, RAW, skip_existing=True)
    with pytest.raises(Cancelled):
        run_batch(find_cases(mixed), plan, stop_at("肝_5", "network"))
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "out").glob("*_organs*")}
    first = table(plan.summary)
    steps = []
    rows = run_batch(find_cases(mixed), plan, steps.append)
    assert [row.status for row in rows] == ["skipped", "failed", "skipped", "failed", "ok"]
    assert {step.case for step in steps} == {"2", "4_gap", "肝_5"}
    assert all(path.stat().st_mtime_ns == stamp for path, stamp in before.items())
    for was, row in zip(first, table(plan.summary), strict=False):
        changed = {key for key in was if was[key] != row[key]} - {"seconds"}
        assert changed == ({"status"} if was["status"] == "ok" else set())


def test_without_skip_existing_everything_runs_again(tmp_path, model):
    write_ct(tmp_path / "in" / "ct.nrrd")
    for _ in range(2):
        (row,) = run_batch(find_cases(tmp_path / "in"), Plan(tmp_path / "out", model, RAW))
        assert row.status == "ok"


@pytest.mark.parametrize(
    ("ending", "content"),
    [
        (".nii.gz", None),
        (".nii.gz", b""),
        (".report.json", None),
        (".report.json", b""),
        (".report.json", b'{"organs": ['),
        (".report.json", b"[1, 2]"),
        (".report.json", b'{"organs": {}, "run": {"input": "ct.nrrd", "seconds": 3}}'),
        (".report.json", b"\xff\xfe"),
        (".csv", None),
    ],
)
def test_what_is_not_whole_is_not_finished(tmp_path, model, ending, content):
    write_ct(tmp_path / "in" / "ct.nrrd")
    plan = Plan(tmp_path / "out", model, RAW, skip_existing=True, with_csv=True)
    cases = find_cases(tmp_path / "in")
    assert [row.status for row in run_batch(cases, plan)] == ["ok"]
    path = tmp_path / "out" / f"ct_organs{ending}"
    path.unlink() if content is None else path.write_bytes(content)
    assert [row.status for row in run_batch(cases, plan)] == ["ok"]
    assert [row.status for row in run_batch(cases, plan)] == ["skipped"]


def test_the_report_of_another_file_does_not_make_a_case_finished(tmp_path, model):
    write_ct(tmp_path / "in" / "ct.nrrd")
    plan = Plan(tmp_path / "out", model, RAW, skip_existing=True)
    run_batch(find_cases(tmp_path / "in"), plan)
    (tmp_path / "in" / "ct.nrrd").unlink()
    write_ct(tmp_path / "in" / "ct.mha")
    assert [row.status for row in run_batch(find_cases(tmp_path / "in"), plan)] == ["ok"]
    report = json.loads((tmp_path / "out" / "ct_organs.report.json").read_text("utf-8"))
    assert report["run"]["input"] == "ct.mha"


# what makes all cases fail is said before the first


def test_a_read_only_output_is_refused_before_the_first_case(tmp_path, model):
    write_ct(tmp_path / "in" / "ct.nrrd")
    (tmp_path / "file").write_text("x")
    for output in (tmp_path / "file", Path("/proc/out")):
        if output.parent.exists():
            with pytest.raises(OutputError, match="cannot be written"):
                run_batch(find_cases(tmp_path / "in"), Plan(output, model, RAW))


def test_a_model_that_does_not_run_is_refused_before_the_first_case(tmp_path, model, monkeypatch):
    with pytest.raises(ModelError, match=r"no model\.json"):
        run_batch([], Plan(tmp_path / "out", tmp_path, RAW))
    monkeypatch.setattr(runtimes, "find_spec", lambda _: None)
    with pytest.raises(ModelError, match="onnxruntime is not installed: pip install onnxruntime"):
        run_batch([], Plan(tmp_path / "out", model, RAW))
    assert files(tmp_path) == []


def test_a_summary_that_is_in_use_does_not_stop_the_batch(tmp_path, model, monkeypatch, caplog):
    for name in ("a", "b"):
        write_ct(tmp_path / "in" / f"{name}.nrrd")
    from FlareSegLib.batch import run

    real, calls = run.write_summary, []

    def refuse_once(*words):
        calls.append(words)
        if len(calls) == 1:
            raise OutputError("summary.csv cannot be written: no permission")
        real(*words)

    monkeypatch.setattr(run, "write_summary", refuse_once)
    plan = Plan(tmp_path / "out", model, RAW)
    assert [row.status for row in run_batch(find_cases(tmp_path / "in"), plan)] == ["ok", "ok"]
    assert "no permission" in caplog.text
    assert [row["case"] for row in table(plan.summary)] == ["a", "b"]


# formats


def test_dicom_gets_dicom_seg_and_files_get_a_reason(tmp_path, model):
    pydicom = pytest.importorskip("pydicom", reason="extra dicom is not installed")
    pytest.importorskip("highdicom", reason="extra dicom is not installed")
    write_dicom_ct(tmp_path / "in" / "a")
    write_ct(tmp_path / "in" / "b.nrrd")
    plan = Plan(tmp_path / "out", model, RAW, extension=".dcm", seg="binary", skip_existing=True)
    rows = run_batch(find_cases(tmp_path / "in"), plan)
    assert [row.status for row in rows] == ["ok", "failed"]
    assert "which b.nrrd is not" in rows[1].reason
    ds = pydicom.dcmread(tmp_path / "out" / "a_organs.dcm")
    assert [one.SegmentLabel for one in ds.SegmentSequence] == [organ.name for organ in ORGANS]
    bits = np.unpackbits(np.frombuffer(ds.PixelData, np.uint8))
    assert bits.sum() == np.count_nonzero(PHANTOM[1].array)
    again = run_batch(find_cases(tmp_path / "in"), plan)
    assert [row.status for row in again] == ["skipped", "failed"]


def test_one_case_gives_the_same_bytes_as_a_run_of_its_own(tmp_path, model):
    source = write_ct(tmp_path / "in" / "ct.nrrd")
    run_batch(find_cases(tmp_path / "in"), Plan(tmp_path / "out", model, RAW))
    pipeline.segment_file(pipeline.Job(source, tmp_path / "own.nii.gz"), model, RAW)
    alone, in_batch = (tmp_path / name for name in ("own.nii.gz", "out/ct_organs.nii.gz"))
    assert alone.read_bytes() == in_batch.read_bytes()
