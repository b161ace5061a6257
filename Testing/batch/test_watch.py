"""A watched folder: each case once, when it is complete, also after a restart."""

import json
import os

import pytest
import SimpleITK as sitk

from FlareSegLib.base.run_options import RunOptions
from FlareSegLib.batch import watch as module
from FlareSegLib.batch.plan import Plan
from FlareSegLib.batch.run import HERE
from FlareSegLib.batch.watch import Watch
from Testing.dicom_series import height_mm, write_series
from Testing.phantoms import abdomen
from Testing.tiny_model import threshold_model, write_model

SHAPE, SPACING_MM = (40, 38, 48), (8.0, 8.0, 8.0)
RAW = RunOptions(clean=False, centre_first=False, runtime="onnxruntime", threads=1)
CT = abdomen(SHAPE, SPACING_MM)[0]


def write_ct(path):
    image = sitk.GetImageFromArray(CT.array)
    image.SetSpacing(SPACING_MM[::-1])
    sitk.WriteImage(image, str(path))


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    tiny = threshold_model((16, 24, 24))
    return write_model(tmp_path_factory.mktemp("m") / "tiny", tiny, spacing_mm=(8.0, 8.0, 8.0))


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


@pytest.fixture
def started(tmp_path, model):
    (tmp_path / "in").mkdir()

    def start():
        clock = Clock()
        plan = Plan(tmp_path / "out", model, RAW)
        return Watch(tmp_path / "in", plan, 30.0, ways=HERE, clock=clock), clock

    return start


def look(watch, clock, at):
    clock.now = at
    return [(row.case, row.status) for row in watch.look()]


def test_a_case_is_done_once_when_it_has_been_quiet(tmp_path, started):
    watch, clock = started()
    assert look(watch, clock, 0) == []
    write_ct(tmp_path / "in" / "a.nrrd")
    assert look(watch, clock, 5) == []
    assert look(watch, clock, 34) == []
    assert watch.is_waiting
    assert look(watch, clock, 36) == [("a", "ok")]
    assert look(watch, clock, 100) == []
    assert not watch.is_waiting


def test_a_case_that_still_grows_waits(tmp_path, started):
    watch, clock = started()
    path = tmp_path / "in" / "a.nrrd"
    write_ct(path)
    look(watch, clock, 0)
    os.utime(path, ns=(1, 1))
    assert look(watch, clock, 31) == []
    assert look(watch, clock, 60) == []
    assert look(watch, clock, 62) == [("a", "ok")]


def test_a_restart_does_nothing_twice_and_the_summary_has_all(tmp_path, started):
    write_ct(tmp_path / "in" / "a.nrrd")
    watch, clock = started()
    look(watch, clock, 0)
    assert look(watch, clock, 31) == [("a", "ok")]
    again, clock = started()
    look(again, clock, 0)
    assert look(again, clock, 31) == [("a", "skipped")]
    write_ct(tmp_path / "in" / "b.nrrd")
    look(again, clock, 32)
    assert look(again, clock, 63) == [("b", "ok")]
    lines = (tmp_path / "out" / "summary.csv").read_text("utf-8").splitlines()
    assert [line.split(",")[:2] for line in lines[1:]] == [["a", "skipped"], ["b", "ok"]]


def test_a_failed_case_is_tried_again_only_when_it_changes(tmp_path, started):
    path = tmp_path / "in" / "a.nrrd"
    path.write_text("no image")
    watch, clock = started()
    look(watch, clock, 0)
    assert look(watch, clock, 31) == [("a", "failed")]
    assert look(watch, clock, 99) == []
    write_ct(path)
    look(watch, clock, 100)
    assert look(watch, clock, 131) == [("a", "ok")]


def test_a_series_to_which_a_slice_came_late_is_done_anew(tmp_path, started):
    folder = tmp_path / "in" / "a"
    write_series(folder, array=CT.array, step_mm=8.0, PixelSpacing=[8, 8], SliceThickness=8)

    def slices():
        report = json.loads((tmp_path / "out" / "a_organs.report.json").read_text("utf-8"))
        return report["run"]["grid"]["shape"][0]

    top = max(folder.iterdir(), key=height_mm)
    top.rename(tmp_path / "top.dcm")
    watch, clock = started()
    look(watch, clock, 0)
    assert look(watch, clock, 31) == [("a", "ok")]
    assert slices() == 39
    (tmp_path / "top.dcm").rename(top)
    os.utime(top)
    look(watch, clock, 40)
    assert look(watch, clock, 71) == [("a", "ok")]
    assert slices() == 40


def test_looks_rest_in_between_until_progress_stops_them(started):
    watch, _ = started()
    rests = []

    def stop(_):
        if len(rests) == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        list(module.looks(watch, stop, rest=rests.append))
    assert rests == [module.LOOK_SECONDS] * 3
