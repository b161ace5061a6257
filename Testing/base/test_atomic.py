import errno
import os
from pathlib import Path

import pytest

from FlareSegLib.base.atomic import atomic, check_place
from FlareSegLib.base.errors import OutputError


def test_the_file_appears_under_its_name_and_folders_are_made(tmp_path):
    path = tmp_path / "new" / "Größe 1.5 mm" / "case.seg.nrrd"
    with atomic(path) as temporary:
        assert temporary.parent == path.parent
        assert temporary.name.endswith(".seg.nrrd")
        assert not path.exists()
        temporary.write_text("new")
    assert [p.name for p in path.parent.iterdir()] == ["case.seg.nrrd"]
    assert path.read_text() == "new"


def write_half(path, reason):
    with atomic(path) as temporary:
        temporary.write_text("half")
        raise reason


@pytest.mark.parametrize("reason", [KeyboardInterrupt, ValueError, SystemExit])
def test_what_goes_wrong_leaves_the_old_file_and_nothing_else(tmp_path, reason):
    path = tmp_path / "case.json"
    path.write_text("old")
    with pytest.raises(reason):
        write_half(path, reason)
    assert [p.name for p in tmp_path.iterdir()] == ["case.json"]
    assert path.read_text() == "old"


@pytest.mark.parametrize(
    ("code", "cure"),
    [
        (errno.ENOSPC, "disk is full: free some space"),
        (errno.EROFS, "disk is read-only: choose another folder"),
        (errno.EACCES, "no permission: "),
        (errno.EIO, "error: choose another folder"),
    ],
)
def test_what_the_system_refuses_is_said_in_one_line_with_a_cure(tmp_path, code, cure):
    path = tmp_path / "case.json"
    with pytest.raises(OutputError, match=cure) as caught:
        write_half(path, OSError(code, os.strerror(code)))
    assert str(caught.value).startswith(f"{path} cannot be written: ")
    assert "\n" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_check_place_passes_and_leaves_nothing_behind(tmp_path):
    check_place(tmp_path / "a" / "b" / "case.nii.gz")
    assert list(tmp_path.iterdir()) == []


def test_check_place_refuses_a_folder_and_a_file_used_as_folder(tmp_path):
    with pytest.raises(OutputError, match="a folder has this name"):
        check_place(tmp_path)
    (tmp_path / "file").write_text("x")
    with pytest.raises(OutputError, match="a file is where a folder should be"):
        check_place(tmp_path / "file" / "case.nii.gz")


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="needs a folder nobody can write to")
def test_check_place_refuses_a_place_that_cannot_be_written_to():
    with pytest.raises(OutputError, match=r"/proc/case\.nii\.gz cannot be written"):
        check_place(Path("/proc/case.nii.gz"))
