"""Lengths in DICOM files are compared with the file before GDCM allocates what they say."""

import struct

import pydicom
import pytest
from pydicom.dataset import Dataset
from pydicom.uid import ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian

from FlareSegLib.base.errors import InputError, ResourceError
from FlareSegLib.images.dicom import files, series
from FlareSegLib.images.dicom.elements import is_plain, is_sound, own_values
from FlareSegLib.images.reading import read_volume
from Testing.dicom_series import write_series
from Testing.fuzz.seeds import SEEDS

ENCODINGS = {
    "dicom": ExplicitVRLittleEndian,
    "dicom-implicit": ImplicitVRLittleEndian,
    "dicom-big": ExplicitVRBigEndian,
}


@pytest.fixture
def a_slice(tmp_path):
    """Write a slice with sequences in sequences, in an encoding; return its path."""

    def write(uid, **lengths):
        folder = write_series(tmp_path / "s")
        path = sorted(folder.iterdir())[0]
        one, inner, deep = pydicom.dcmread(path), Dataset(), Dataset()
        deep.CodeValue = "1"
        inner.PurposeOfReferenceCodeSequence = [deep, Dataset()]
        inner.RequestedProcedureDescription = "of the inside"
        one.RequestAttributesSequence = [inner, Dataset()]
        one["RequestAttributesSequence"].is_undefined_length = lengths.get("undefined", False)
        one.file_meta.TransferSyntaxUID = uid
        explicit = uid != ImplicitVRLittleEndian
        pydicom.dcmwrite(
            path, one, implicit_vr=not explicit, little_endian=uid != ExplicitVRBigEndian,
            force_encoding=True,
        )  # fmt: skip
        return path

    return write


@pytest.mark.parametrize("undefined", [True, False])
@pytest.mark.parametrize("uid", ENCODINGS.values(), ids=ENCODINGS)
def test_a_whole_slice_with_nested_sequences_is_sound(a_slice, uid, undefined):
    assert is_plain(a_slice(uid, undefined=undefined))


@pytest.mark.parametrize("undefined", [True, False])
@pytest.mark.parametrize("uid", ENCODINGS.values(), ids=ENCODINGS)
@pytest.mark.parametrize("text", [b"Doe^Jane", b"of the inside"])
def test_a_length_that_leads_out_of_the_file_is_seen_in_sequences_too(
    a_slice, uid, undefined, text
):
    path = a_slice(uid, undefined=undefined)
    content = bytearray(path.read_bytes())
    at, order = content.index(text), ">" if uid == ExplicitVRBigEndian else "<"
    implicit = uid == ImplicitVRLittleEndian
    long = struct.pack("<I", 0xFFFFFFF0) if implicit else struct.pack(order + "H", 0xFFF0)
    content[at - len(long) : at] = long
    path.write_bytes(content)
    assert not is_sound(path)


@pytest.mark.parametrize("key", ["dicom-rle", "dicom-j2k", "dicom-jpeg"])
def test_coded_slices_are_sound_and_not_plain(tmp_path, key):
    paths = list(SEEDS[key](tmp_path / key).iterdir())
    assert all(map(is_sound, paths))
    assert not any(map(is_plain, paths))
    whole = paths[0].read_bytes()
    paths[0].write_bytes(whole[:-9])  # inside the last fragment, or the end of all
    assert not is_sound(paths[0])


def test_an_unknown_value_representation_is_left_to_the_child(a_slice):
    """GDCM takes a longer length for it than we would: 2 kB took 2.1 GB."""
    path = a_slice(ExplicitVRLittleEndian)
    content = path.read_bytes()
    path.write_bytes(content.replace(b"\x02\0\x12\0UI", b"\x02\0\x12\0QI"))
    assert not is_sound(path)


def test_what_is_no_dicom_is_not_sound(tmp_path):
    for i, content in enumerate([b"x" * 500, bytes(128) + b"DICM" + b"\xff" * 40]):
        (tmp_path / str(i)).write_bytes(content)
        assert not is_sound(tmp_path / str(i))
    assert not is_sound(tmp_path / "missing")


def test_a_huge_length_is_no_memory_of_this_process(tmp_path, monkeypatch):
    """GDCM took 4 GB for it; a child opens the file, with a limit, and the slice is damaged."""
    folder = write_series(tmp_path / "s")
    path = sorted(folder.iterdir())[3]
    content = path.read_bytes()
    tag = b"\x10\0\x20\0LO\4\0"  # PatientID
    path.write_bytes(content.replace(tag, b"\x10\0\x20\0UN\0\0\xf0\xff\xff\xff"))
    opened = []
    monkeypatch.setattr(files, "read_headers", lambda paths: opened.extend(paths) or [])
    with pytest.raises(InputError, match=r"cut off or damaged|no DICOM images"):
        read_volume(folder)
    assert len(opened) == 17
    assert path not in opened


def test_a_series_that_says_more_voxels_than_its_files_hold_is_damaged(tmp_path):
    """18 slices of 2 kB that said 9000 x 9000 took 8.5 GB and 36 s; 65535 x 65535 an exception."""
    for size in (9000, 65535):
        folder = write_series(tmp_path / str(size))
        for path in folder.iterdir():
            one = pydicom.dcmread(path)
            one.Rows = one.Columns = size
            one.save_as(path)
        with pytest.raises(InputError, match=r"cut off or damaged \(18 files"):
            read_volume(folder)


def test_a_series_larger_than_the_free_memory_is_refused_before_it_is_read(tmp_path, monkeypatch):
    folder = write_series(tmp_path / "s")
    monkeypatch.setattr(series, "image_of", None)  # reading it would be a TypeError
    monkeypatch.setattr(series, "free_mib", lambda: 18 * 20 * 24 * 2 / 2**20 * 0.99)
    with pytest.raises(ResourceError, match="18 slices of 20 x 24"):
        read_volume(folder)


def test_a_value_that_is_cut_off_is_none(tmp_path):
    """A part of a UID would be that of another series, of which a damaged slice is no matter."""
    path = next(iter(write_series(tmp_path / "s", SeriesInstanceUID="1.2.3.4567").iterdir()))
    content = path.read_bytes()
    end = content.index(b"1.2.3.4567") + 10
    for count in range(end - 30, end + 4):
        path.write_bytes(content[:count])
        found = own_values(path, [(0x20, 0xE)])
        assert found == ({(0x20, 0xE): "1.2.3.4567"} if count >= end else {})
