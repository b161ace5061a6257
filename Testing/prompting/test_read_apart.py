"""A CT that another process reads is the one that would be read here, and nothing stays behind."""

import gzip
import json
import subprocess
import sys
from contextlib import nullcontext

import numpy as np
import pytest
import SimpleITK as sitk

from FlareSegLib.base.errors import FlareSegError, InputError, ResourceError
from FlareSegLib.images.reading import read_volume
from FlareSegLib.prompting import read_apart
from FlareSegLib.prompting.read_apart import reading
from Testing.phantoms import abdomen


def write(path, spacing=(3.0, 4.0, 5.0)):
    volume, _ = abdomen((20, 30, 38), (10.0, 10.0, 10.0), noise_hu=10)
    image = sitk.GetImageFromArray(volume.array.astype(np.int16))
    image.SetSpacing(spacing)
    sitk.WriteImage(image, str(path), useCompression=path.suffix == ".gz")


@pytest.fixture(params=["ct.nrrd", "ct.nii.gz"])
def ct(tmp_path, request):
    """A CT whose voxels come through a file, and one that is unpacked here."""
    write(tmp_path / request.param)
    return tmp_path / request.param


@pytest.fixture
def started(monkeypatch):
    """The processes that read."""
    found, real = [], subprocess.Popen

    def start(*words, **more):
        found.append(real(*words, **more))
        return found[-1]

    monkeypatch.setattr(subprocess, "Popen", start)
    return found


def read_in_two(path, **how):
    with reading(path, folder=path.parent, **how) as read:
        return read()


def same(found, expected):
    return (
        np.array_equal(found.array, expected.array)
        and found.array.dtype == expected.array.dtype
        and (found.grid, found.warnings) == (expected.grid, expected.warnings)
    )


def test_it_is_what_reading_gives_and_leaves_no_file(ct):
    assert same(read_in_two(ct, hu_offset=-7.0), read_volume(ct, hu_offset=-7.0))
    assert list(ct.parent.iterdir()) == [ct]


@pytest.mark.parametrize("fault", ["small", "cut", "missing", "empty"])
def test_what_is_wrong_with_it_is_said_as_by_reading(ct, fault):
    if fault == "small":
        sitk.WriteImage(sitk.Image(9, 9, 9, sitk.sitkInt16), str(ct))
    elif fault == "empty":
        sitk.WriteImage(sitk.Image(40, 40, 40, sitk.sitkInt16), str(ct))
    elif fault == "cut":
        ct.write_bytes(ct.read_bytes()[:-500])
    else:
        ct.unlink()
    with pytest.raises(FlareSegError) as expected:
        read_volume(ct)
    with pytest.raises(type(expected.value)) as found:
        read_in_two(ct)
    assert str(found.value) == str(expected.value)


def test_a_file_in_two_parts_is_read_all_the_same(tmp_path):
    path = tmp_path / "ct.nii.gz"
    write(path)
    whole = gzip.decompress(path.read_bytes())
    path.write_bytes(gzip.compress(whole[:5000]) + gzip.compress(whole[5000:]))
    assert same(read_in_two(path), read_volume(path))


def test_a_ct_that_takes_the_place_of_one_that_was_looked_at_is_read_whole(tmp_path, started):
    path, new = tmp_path / "ct.nii.gz", tmp_path / "new.nii.gz"
    write(path)
    write(new, (2.0, 2.0, 2.5))
    with reading(path, folder=tmp_path) as read:
        started[0].wait()
        new.replace(path)
        assert same(read(), read_volume(path))


@pytest.mark.parametrize("folder", ["missing", "full"])
def test_without_room_for_the_voxels_it_is_read_all_the_same(ct, folder, monkeypatch):
    if folder == "full":
        monkeypatch.setattr(read_apart, "_room", lambda _: nullcontext(str(ct.parent / "none")))
    with reading(ct, folder=ct.parent / "missing") as read:
        assert same(read(), read_volume(ct))


def test_a_reader_that_the_system_ends_is_an_error_that_says_what_to_do(ct, monkeypatch):
    monkeypatch.setattr(read_apart, "_CHILD", "import os; os._exit(9); print")
    with pytest.raises(ResourceError, match="close other programs"):
        read_in_two(ct)


def test_a_reader_ends_with_who_started_it(ct, monkeypatch, started):
    monkeypatch.setattr(read_apart, "_CHILD", "import time; time.sleep(600); print")
    with pytest.raises(KeyboardInterrupt), reading(ct, folder=ct.parent):
        raise KeyboardInterrupt
    assert started[0].returncode


def test_where_a_mapped_file_cannot_be_removed_it_is_not_mapped(ct, monkeypatch):
    monkeypatch.setattr(sys, "platform", "win32")
    with reading(ct, folder=ct.parent) as read:
        found = read()
    assert not isinstance(found.array, np.memmap)
    assert same(found, read_volume(ct))


def test_the_process_that_stays_loads_no_simpleitk(ct):
    code = """
import sys
from pathlib import Path
from FlareSegLib.prompting import child
with child.reading(Path(sys.argv[1])) as read:
    read()
assert not {"SimpleITK", "scipy"} & set(sys.modules), sorted(sys.modules)
"""
    subprocess.run([sys.executable, "-c", code, str(ct)], check=True)


@pytest.mark.parametrize(
    ("kind", "raised"),
    [("InputError", InputError), ("MemoryError", MemoryError), ("zlib.error", RuntimeError)],
)
def test_what_went_wrong_in_the_process_is_raised_in_its_own_kind_and_words(kind, raised):
    answer = json.dumps({"error": (kind, "größer: 3 < 4")}).encode()
    with pytest.raises(raised, match="größer: 3 < 4"):
        read_apart._heard(answer)
