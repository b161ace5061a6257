"""Coded DICOM is opened by a child process, and what ends the child does not end the run."""

import subprocess

import numpy as np
import pydicom
import pytest

from FlareSegLib.base.errors import InputError
from FlareSegLib.batch.cases import find_cases
from FlareSegLib.images.dicom import apart
from FlareSegLib.images.dicom.elements import is_coded
from FlareSegLib.images.reading import read_volume
from Testing.dicom_series import ct_array, write_series
from Testing.fuzz.seeds import SEEDS


@pytest.mark.parametrize("key", ["dicom-rle", "dicom-j2k", "dicom-jpeg"])
def test_coded_slices_give_the_voxels_and_grid_of_plain_ones(tmp_path, key):
    plain, coded = SEEDS["dicom"](tmp_path / "plain"), SEEDS[key](tmp_path / "coded")
    assert not any(is_coded(path) for path in plain.iterdir())
    assert all(is_coded(path) for path in coded.iterdir())
    expected, found = read_volume(plain), read_volume(coded)
    np.testing.assert_array_equal(found.array, expected.array)
    assert found.grid == expected.grid
    assert [case.place for case in find_cases(tmp_path)] == ["coded/series", "plain/series"]


@pytest.mark.parametrize("key", ["dicom", "dicom-implicit", "dicom-big"])
def test_plain_slices_start_no_process(tmp_path, key, monkeypatch):
    folder = SEEDS[key](tmp_path / "s")

    def started(*_, **__):
        raise AssertionError("a process was started")

    monkeypatch.setattr(subprocess, "run", started)
    np.testing.assert_array_equal(read_volume(folder).array, np.maximum(ct_array(), -1024))


@pytest.mark.parametrize(
    ("child", "words"),
    [
        ("import os; os._exit(134)", "ends the reader of DICOM"),
        ("import sys; sys.exit('no')", "ends the reader of DICOM"),
        ("import threading; threading.Event().wait()", "took over 1 s"),
    ],
)
def test_a_reader_that_dies_or_hangs_is_a_reason(tmp_path, monkeypatch, child, words):
    folder = SEEDS["dicom-rle"](tmp_path / "s")
    monkeypatch.setattr(apart, "_CHILD", child)
    monkeypatch.setattr(apart, "_START_SECONDS", 1.0)
    monkeypatch.setattr(apart, "_FILE_SECONDS", 0.0)
    with pytest.raises(InputError, match=words):
        read_volume(folder)


def test_other_series_in_the_folder_need_no_child_when_they_are_plain(tmp_path):
    folder = write_series(tmp_path / "a")
    write_series(folder, positions=[(0, 0, 0)], Modality="SR", SeriesInstanceUID="1.2.3")
    one = next(p for p in folder.iterdir() if pydicom.dcmread(p).Modality == "CT")
    assert not is_coded(one)


# damaged slices


def end_slice(folder, which):
    """Return the first or last slice along the patient."""
    order = sorted(folder.iterdir(), key=lambda p: pydicom.dcmread(p).ImagePositionPatient[2])
    return order[which]


@pytest.mark.parametrize("which", [0, 7, -1])
@pytest.mark.parametrize("missing", [1, 400, 1000, 1500, 100_000])
def test_a_cut_slice_is_refused_even_at_the_ends(tmp_path, which, missing):
    folder = write_series(tmp_path / "s")
    path = end_slice(folder, which)
    path.write_bytes(path.read_bytes()[:-missing])
    with pytest.raises(InputError, match=rf"{path.name} is cut off or damaged \(1 files"):
        read_volume(folder)


def test_a_damaged_slice_of_another_series_does_no_harm(tmp_path):
    folder = write_series(tmp_path / "s", SeriesInstanceUID="1.2.3.4")
    other = write_series(tmp_path / "other", SeriesInstanceUID="1.2.3.5")
    path = end_slice(other, 0)
    (folder / "other.dcm").write_bytes(path.read_bytes()[:-400])
    assert read_volume(folder).array.shape[0] == 18


def test_a_whole_slice_with_an_odd_number_of_bytes_is_whole(tmp_path):
    array = ct_array()[:, :19, :23]
    folder = write_series(tmp_path / "s", array=array)
    np.testing.assert_array_equal(read_volume(folder).array, np.maximum(array, -1024))
