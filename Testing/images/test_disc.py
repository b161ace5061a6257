"""A disc with a media directory: what it names must be there."""

import random
import shutil

import numpy as np
import pydicom
import pytest

from FlareSegLib.batch.cases import find_cases
from FlareSegLib.images.dicom.disc import lost_series, named_in
from FlareSegLib.images.dicom.series import series_paths
from FlareSegLib.images.reading import read_volume
from Testing.dicom_disc import file_set, write_disc
from Testing.dicom_series import N, ct_array
from Testing.images.refusals import refusal


@pytest.fixture
def disc(tmp_path):
    return write_disc(tmp_path / "CD", {"1.2.3": {}})


@pytest.fixture
def two(tmp_path):
    return write_disc(tmp_path / "CD", {"1.2.3": {}, "1.2.4": {}})


def slices_of(disc):
    return sorted(path for path in disc.rglob("*") if path.is_file() and path.name != "DICOMDIR")


def ends_of(disc, series):
    """Return the last slices of a series: without them the rest is straight and even."""
    return series_paths(disc, series)[-3:]


def test_a_directory_names_what_pydicom_says(two):
    found = {
        (one.name, one.series, one.instance, one.modality) for one in named_in(two / "DICOMDIR")
    }
    with file_set(two / "DICOMDIR") as disc:
        known = list(disc)
    assert found == {
        ("/".join(one.ReferencedFileID), one.SeriesInstanceUID, one.SOPInstanceUID, "CT")
        for one in known
    }
    assert len(found) == 2 * N


@pytest.mark.parametrize("place", ["", "DICOMDIR", "PT000000", "PT000000/ST000000/SE000000"])
@pytest.mark.parametrize("count", [1, 3])
def test_missing_files_of_the_series_are_refused_with_their_number(disc, place, count):
    assert read_volume(disc / place).warnings == ()
    gone = ends_of(disc, None)[-count:]
    for path in gone:
        path.unlink()
    message = refusal(disc / place)
    assert f"names {N} files of this series, {count} of them are not in" in message
    assert any(path.relative_to(disc).as_posix() in message for path in gone)
    assert "copy the whole disc again" in message


def test_without_its_directory_what_is_left_is_read(disc):
    ends_of(disc, None)[-1].unlink()
    (disc / "DICOMDIR").unlink()
    assert read_volume(disc).grid.shape[0] == N - 1


def test_a_file_that_was_emptied_is_missing(disc):
    ends_of(disc, None)[-1].write_bytes(b"")
    assert f"names {N} files of this series, 1 of them" in refusal(disc)


def test_all_files_missing_is_said_as_such(disc):
    shutil.rmtree(disc / "PT000000")
    assert f"names {N} files of all series, {N} of them" in refusal(disc)


def test_missing_files_of_another_series_are_a_warning(two):
    for path in ends_of(two, "1.2.3"):
        path.unlink()
    said = read_volume(two, series="1.2.4").warnings
    assert len(said) == 1
    assert "names 3 files of 1 other series that are not there, first PT0000" in said[0]
    assert f"names {N} files of this series, 3 of them" in refusal(two, series="1.2.3")


def test_names_are_compared_whatever_their_case_and_version(disc):
    for path in slices_of(disc):
        one = pydicom.dcmread(
            path
        )  # another instance, as after anonymisation: only its name is left
        one.SOPInstanceUID = one.file_meta.MediaStorageSOPInstanceUID = pydicom.uid.generate_uid()
        one.save_as(path)
        path.rename(path.with_name(f"{path.name.lower()}.;1"))
    for folder in sorted((p for p in disc.rglob("*") if p.is_dir()), reverse=True):
        folder.rename(folder.with_name(folder.name.lower()))
    (disc / "DICOMDIR").rename(disc / "dicomdir")
    assert read_volume(disc).warnings == ()
    ends_of(disc, None)[0].unlink()
    place = next(path for path in disc.rglob("*.;1")).parent
    for folder in (disc, place):
        assert "1 of them" in refusal(folder)


def test_a_copy_with_other_names_is_known_by_its_instances(disc, tmp_path):
    flat = tmp_path / "flat"
    flat.mkdir()
    for i, path in enumerate(slices_of(disc)):
        shutil.copy(path, flat / f"{i}.dcm")
    shutil.copy(disc / "DICOMDIR", flat / "DICOMDIR")
    assert read_volume(flat).warnings == ()
    ends_of(flat, None)[0].unlink()
    assert "1 of them" in refusal(flat)


def test_a_part_of_a_series_in_a_folder_of_the_disc_is_no_series(disc):
    upper = disc / "PT000000" / "MORE"
    upper.mkdir()
    for path in ends_of(disc, None):
        path.rename(upper / path.name)
    assert "3 of them are not in SE000000" in refusal(disc / "PT000000/ST000000/SE000000")
    assert read_volume(disc).grid.shape[0] == N


def test_a_directory_that_is_cut_off_is_said(disc):
    content = (disc / "DICOMDIR").read_bytes()
    (disc / "DICOMDIR").write_bytes(content[: len(content) * 2 // 3])
    volume = read_volume(disc)
    assert volume.grid.shape[0] == N
    assert volume.warnings == ("DICOMDIR is damaged: whether files are missing cannot be told",)


@pytest.mark.parametrize("way", ["implicit", "big", "defined", "offsets"])
def test_directories_in_other_ways_of_writing_are_followed(two, way):
    expected = {one.name: one for one in named_in(two / "DICOMDIR")}
    directory = pydicom.dcmread(two / "DICOMDIR")
    records = directory.DirectoryRecordSequence
    if way == "offsets":
        for one in records:
            one.OffsetOfReferencedLowerLevelDirectoryEntity = 7
    directory["DirectoryRecordSequence"].is_undefined_length = way != "defined"
    for one in records:
        one.is_undefined_length_sequence_item = way != "defined"
    syntax = {"implicit": "1.2.840.10008.1.2", "big": "1.2.840.10008.1.2.2"}.get(way)
    if syntax:
        directory.file_meta.TransferSyntaxUID = syntax
    pydicom.dcmwrite(two / "other", directory, implicit_vr=way == "implicit",
                     little_endian=way != "big", force_encoding=True)  # fmt: skip
    assert {one.name: one for one in named_in(two / "other")} == expected


def test_records_in_any_order_and_those_not_in_use(two):
    """The chain of offsets says which series an image is of, not its place in the file."""
    directory = pydicom.dcmread(two / "DICOMDIR")
    expected = {one.name: one.series for one in named_in(two / "DICOMDIR")}
    content = (two / "DICOMDIR").read_bytes()
    records = directory.DirectoryRecordSequence
    places = [one.seq_item_tell for one in records]
    order = list(range(len(records)))
    random.Random(3).shuffle(order)
    ends = [*places[1:], len(content)]
    moved, at = {0: 0}, places[0]
    for i in order:
        moved[places[i]] = at
        at += ends[i] - places[i]
    for one in records:
        one.OffsetOfTheNextDirectoryRecord = moved[one.OffsetOfTheNextDirectoryRecord]
        lower = one.OffsetOfReferencedLowerLevelDirectoryEntity
        one.OffsetOfReferencedLowerLevelDirectoryEntity = moved[lower]
    directory.DirectoryRecordSequence = pydicom.Sequence([records[i] for i in order])
    directory.save_as(two / "other")
    assert {one.name: one.series for one in named_in(two / "other")} == expected
    last = directory.DirectoryRecordSequence[-1]
    assert last.DirectoryRecordType == "IMAGE"
    last.RecordInUseFlag = 0
    directory.save_as(two / "other")
    assert len(named_in(two / "other")) == 2 * N - 1


def test_a_batch_says_which_series_of_the_disc_is_gone(two, caplog):
    for path in series_paths(two, "1.2.3"):
        path.unlink()
    assert [one.series for one in find_cases(two)] == ["1.2.4"]
    assert "names 1 CT series of which no file is there" in caplog.text
    assert len(lost_series(two / "DICOMDIR", {"1.2.4"})) == 1
    assert lost_series(slices_of(two)[0], set()) == []


def test_a_batch_fails_the_case_of_which_slices_are_missing(two):
    for path in ends_of(two, "1.2.4")[1:]:
        path.unlink()
    cases = find_cases(two)
    assert [one.series for one in cases] == ["1.2.3", "1.2.4"]
    np.testing.assert_array_equal(
        read_volume(cases[0].source, series="1.2.3").array, np.maximum(ct_array(0), -1024)
    )
    assert "2 of them are not in" in refusal(cases[1].source, series="1.2.4")
