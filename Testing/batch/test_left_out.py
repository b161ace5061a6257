"""What lies among the CTs of a batch and becomes no case is counted."""

import logging

import pytest

from FlareSegLib.batch.cases import find_cases
from Testing.dicom_disc import STORAGE, write_object
from Testing.dicom_series import write_series


@pytest.fixture(autouse=True)
def told(caplog):
    caplog.set_level(logging.INFO, logger="FlareSegLib")


def cut(path):
    path.write_bytes(path.read_bytes()[:600])


def test_objects_and_other_files_are_counted_by_kind(tmp_path, caplog):
    folder = write_series(tmp_path / "a", SeriesInstanceUID="1.2.3")
    for i, kind in enumerate(("11.1", "11.1", "88.59")):
        write_object(folder / f"{i}", STORAGE + kind, "1.2.3")
    for name in ("a.exe", "b.EXE", "c.jpg", "readme"):
        (tmp_path / name).write_bytes(b"MZ")
    assert len(find_cases(tmp_path)) == 1
    assert "left out: 1 key object selection, 2 presentation state" in caplog.text
    assert "left out 4 files that are no image: 2 .exe, 1 .jpg, 1 no extension" in caplog.text


def test_a_series_of_damaged_slices_alone_is_counted(tmp_path, caplog):
    for path in write_series(tmp_path / "a").iterdir():
        cut(path)
    assert find_cases(tmp_path) == ()
    assert "left out 18 DICOM files that are cut off or damaged, first im 0" in caplog.text


def test_a_series_with_a_damaged_slice_is_a_case_and_tells_itself(tmp_path, caplog):
    cut(sorted(write_series(tmp_path / "a").iterdir())[3])
    assert len(find_cases(tmp_path)) == 1
    assert "damaged" not in caplog.text
