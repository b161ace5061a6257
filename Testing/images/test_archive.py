"""A zip file as input: what is in it is read, what it tries is harmless."""

import stat
import zipfile
from pathlib import Path

import numpy as np
import pytest

from FlareSegLib.base.errors import ResourceError
from FlareSegLib.images import archive
from FlareSegLib.images.archive import unzipped
from FlareSegLib.images.reading import read_volume
from FlareSegLib.images.writing import write_labelmap
from Testing.dicom_series import write_series
from Testing.images.refusals import refusal
from Testing.phantoms import abdomen
from Testing.zip_files import packed

pytestmark = pytest.mark.usefixtures("temporary")


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_LZMA])
def test_zip_of_a_series_is_the_series(tmp_path, method):
    folder = write_series(tmp_path / "disc" / "DICOM" / "IM 1")
    (tmp_path / "disc" / "autorun.inf").write_text("[autorun]")
    (tmp_path / "disc" / "__MACOSX").mkdir()
    (tmp_path / "disc" / "__MACOSX" / "._im 001.dcm").write_bytes(bytes(200))
    found = read_volume(packed(tmp_path / "disc", tmp_path / "ct.zip", method))
    expected = read_volume(folder)
    assert np.array_equal(found.array, expected.array)
    assert found.grid == expected.grid


def test_series_of_two_folders_with_the_same_names_comes_whole(tmp_path):
    folder = write_series(tmp_path / "disc" / "a")
    expected = read_volume(folder)
    (tmp_path / "disc" / "b").mkdir()
    for number, path in enumerate(sorted(folder.iterdir())):
        name = f"{number // 2}.dcm"
        path.rename(tmp_path / "disc" / ("a" if number % 2 else "b") / name)
    found = read_volume(packed(tmp_path / "disc", tmp_path / "ct.zip"))
    assert np.array_equal(found.array, expected.array)


def test_zip_of_one_image_is_the_image(tmp_path):
    (tmp_path / "in").mkdir()
    _, truth = abdomen((20, 38, 48), (8.0, 8.0, 8.0))
    write_labelmap(truth, tmp_path / "in" / "ct of mine.nii.gz")
    (tmp_path / "in" / "notes.txt").write_text("portal venous")
    with unzipped(packed(tmp_path / "in", tmp_path / "ct.zip")) as found:
        assert found.name == "ct_of_mine.nii.gz"
        assert found.read_bytes() == (tmp_path / "in" / "ct of mine.nii.gz").read_bytes()


def test_zip_of_two_images_is_refused_with_what_to_do(tmp_path):
    (tmp_path / "in").mkdir()
    for name in ("a.nii.gz", "b.nrrd"):
        (tmp_path / "in" / name).write_bytes(b"x")
    assert "holds 2 images: unpack it" in refusal(packed(tmp_path / "in", tmp_path / "ct.zip"))


@pytest.mark.parametrize(
    "name", ["../../evil.dcm", "/etc/evil.dcm", "C:\\evil.dcm", "a/../../evil.dcm"]
)
def test_no_path_of_a_zip_is_used(tmp_path, temporary, name):
    with zipfile.ZipFile(tmp_path / "ct.zip", "w") as made:
        made.writestr(name, b"evil")
    with unzipped(tmp_path / "ct.zip") as folder:
        found = list(tmp_path.rglob("*evil*"))
        assert [path.parent for path in found] == [folder]
        assert temporary in folder.parents


def test_links_of_a_zip_are_left_out(tmp_path):
    link = zipfile.ZipInfo("slice.dcm")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(tmp_path / "ct.zip", "w") as made:
        made.writestr(link, "/etc/passwd")
    assert "holds no file" in refusal(tmp_path / "ct.zip")


def test_encrypted_zip_is_told(tmp_path):
    with zipfile.ZipFile(tmp_path / "ct.zip", "w") as made:
        made.writestr("slice.dcm", b"DICM" * 100)
    content = bytearray((tmp_path / "ct.zip").read_bytes())
    for mark, at in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):  # general purpose flag, bit 0
        content[content.index(mark) + at] |= 1
    (tmp_path / "ct.zip").write_bytes(content)
    assert "is encrypted: unpack it with its password" in refusal(tmp_path / "ct.zip")


def test_bomb_is_refused_before_anything_is_unpacked(tmp_path, monkeypatch):
    with zipfile.ZipFile(tmp_path / "ct.zip", "w", zipfile.ZIP_DEFLATED) as made:
        made.writestr("zeros.dcm", bytes(2**22))
    monkeypatch.setattr(archive, "MOST_BYTES", 2**21)
    monkeypatch.setattr(archive.shutil, "copyfileobj", None)
    assert "at most 20000 and 0 GiB are unpacked" in refusal(tmp_path / "ct.zip")


def test_zip_that_lies_about_its_size_is_damaged(tmp_path):
    with zipfile.ZipFile(tmp_path / "ct.zip", "w", zipfile.ZIP_DEFLATED) as made:
        made.writestr("zeros.dcm", bytes(2**20))
    content = bytearray((tmp_path / "ct.zip").read_bytes())
    at = content.index(b"PK\x01\x02") + 24  # size in the directory at the end
    content[at : at + 4] = (1000).to_bytes(4, "little")
    (tmp_path / "ct.zip").write_bytes(content)
    assert "cannot be unpacked" in refusal(tmp_path / "ct.zip")


def test_full_disk_is_told_before_the_work(tmp_path, monkeypatch):
    with zipfile.ZipFile(tmp_path / "ct.zip", "w") as made:
        made.writestr("slice.dcm", bytes(1000))
    usage = type("Usage", (), {"free": 10})
    monkeypatch.setattr(archive.shutil, "disk_usage", lambda _: usage)
    with pytest.raises(ResourceError, match="make room there"):
        read_volume(tmp_path / "ct.zip")


@pytest.mark.parametrize("keep", [4, 100, -30])
def test_zip_that_is_cut_off_is_refused(tmp_path, keep):
    whole = packed(write_series(tmp_path / "in"), tmp_path / "whole.zip").read_bytes()
    (tmp_path / "ct.zip").write_bytes(whole[:keep])
    assert "copy or download it again" in refusal(tmp_path / "ct.zip")


def test_an_entry_without_a_name_is_left_out(tmp_path):
    """Found by fuzzing: zipfile asks for the last letter of a name."""
    with zipfile.ZipFile(tmp_path / "ct.zip", "w") as made:
        made.writestr("x", b"")
    content = (tmp_path / "ct.zip").read_bytes()
    at = content.index(b"PK\x01\x02")
    entry = bytearray(content[at:])
    entry[28:30] = b"\0\0"
    del entry[46]
    end = entry.index(b"PK\x05\x06")
    entry[end + 12 : end + 16] = end.to_bytes(4, "little")
    (tmp_path / "ct.zip").write_bytes(content[:at] + entry)
    assert "holds no file" in refusal(tmp_path / "ct.zip")


def test_file_that_cannot_be_opened_is_left_to_the_reader(tmp_path, monkeypatch):
    def refused(*_, **__):
        raise PermissionError("no")

    (tmp_path / "ct.nii").write_bytes(b"x")
    monkeypatch.setattr(Path, "open", refused)
    with unzipped(tmp_path / "ct.nii") as found:
        assert found == tmp_path / "ct.nii"
