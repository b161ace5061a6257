"""Unpacking ahead saves time and changes nothing: the file is read as it is by then."""

import gzip
import sys
import tracemalloc

import numpy as np
import pytest
import SimpleITK as sitk

from FlareSegLib.base.errors import InputError
from FlareSegLib.images import safe_read
from FlareSegLib.images.reading import read_volume
from FlareSegLib.images.safe_read import unpack_ahead
from Testing.phantoms import abdomen


@pytest.fixture
def ct(tmp_path):
    return written(tmp_path / "ct.nii.gz", seed=0)


def written(path, seed):
    volume = abdomen((20, 30, 38), (10.0, 10.0, 10.0), noise_hu=10, seed=seed)[0]
    sitk.WriteImage(sitk.GetImageFromArray(volume.array), str(path), useCompression=True)
    return path


@pytest.fixture
def unpackings(monkeypatch):
    """Count how often a file is unpacked."""
    real, calls = safe_read._content, []

    def counted(header):
        calls.append(header.data)
        return real(header)

    monkeypatch.setattr(safe_read, "_content", counted)
    return calls


def test_a_file_unpacked_ahead_is_unpacked_once_and_is_the_same(ct, unpackings):
    expected = read_volume(ct)
    unpack_ahead(ct)
    found = read_volume(ct)
    assert len(unpackings) == 2  # once for each volume
    assert np.array_equal(found.array, expected.array)
    assert found.grid == expected.grid
    assert np.array_equal(read_volume(ct).array, expected.array)  # what was ahead is used up
    assert len(unpackings) == 3


def test_a_file_that_was_replaced_meanwhile_is_read_anew(ct, tmp_path, unpackings):
    unpack_ahead(ct)
    safe_read._begun[ct][1].result()
    other = written(tmp_path / "other.nii.gz", seed=1)
    expected = read_volume(other)
    other.replace(ct)
    assert np.array_equal(read_volume(ct).array, expected.array)
    assert len(unpackings) == 3


@pytest.mark.parametrize(
    "content", [None, b"", b"this is no image", b"\x1f\x8b" + bytes(50), "cut"]
)
def test_what_is_wrong_with_a_file_is_said_when_it_is_read(ct, content):
    if content is None:
        ct.unlink()
    else:
        ct.write_bytes(ct.read_bytes()[:5000] if content == "cut" else content)
    unpack_ahead(ct)
    with pytest.raises(InputError, match=ct.name):
        read_volume(ct)


def test_a_folder_is_left_alone(tmp_path):
    unpack_ahead(tmp_path)
    assert safe_read._begun.pop(tmp_path)[1].result() is None


def test_a_packed_file_takes_the_memory_of_its_voxels_alone(tmp_path):
    voxels = np.random.default_rng(0).integers(-1000, 1000, (40, 200, 200), np.int16)
    path = tmp_path / "ct.nii.gz"
    sitk.WriteImage(sitk.GetImageFromArray(voxels), str(path), useCompression=True)
    header = safe_read.check_header(path, safe_read.NIFTI)
    tracemalloc.start()
    try:
        assert np.array_equal(safe_read.unpacked(header)[::9], voxels[::9])
        assert tracemalloc.get_traced_memory()[1] < 1.3 * voxels.nbytes
    finally:
        tracemalloc.stop()


def test_voxels_that_pack_a_hundredfold_are_unpacked_here(tmp_path):
    voxels = np.zeros((60, 200, 200), np.int16)
    voxels[::7, ::9] = 40
    path = tmp_path / "ct.nii.gz"
    sitk.WriteImage(sitk.GetImageFromArray(voxels), str(path), useCompression=True)
    assert path.stat().st_size * 100 < voxels.nbytes
    assert np.array_equal(safe_read.unpacked(safe_read.check_header(path, safe_read.NIFTI)), voxels)


def test_what_a_file_holds_beyond_its_voxels_takes_no_memory(ct):
    whole = gzip.decompress(ct.read_bytes())
    ct.write_bytes(gzip.compress(whole + bytes(1 << 27)))
    header = safe_read.check_header(ct, safe_read.NIFTI)
    tracemalloc.start()
    try:
        assert safe_read.unpacked(header) is None
        assert tracemalloc.get_traced_memory()[1] < 1 << 21
    finally:
        tracemalloc.stop()


def test_unpacking_ahead_lends_the_lock_of_python_for_as_long_as_it_takes(ct, monkeypatch):
    usual, seen, real = sys.getswitchinterval(), [], safe_read._content
    monkeypatch.setattr(
        safe_read, "_content", lambda header: seen.append(sys.getswitchinterval()) or real(header)
    )
    unpack_ahead(ct)
    safe_read._begun.pop(ct)[1].result()
    assert seen[0] < usual
    assert sys.getswitchinterval() == pytest.approx(usual)


def test_a_file_in_two_parts_or_too_long_is_left_to_itk(ct):
    whole = gzip.decompress(ct.read_bytes())
    expected = read_volume(ct).array
    ct.write_bytes(gzip.compress(whole[:900]) + gzip.compress(whole[900:]))
    assert np.array_equal(read_volume(ct).array, expected)
    header = safe_read.check_header(ct, safe_read.NIFTI)
    assert safe_read.unpacked(header) is None
    ct.write_bytes(gzip.compress(whole + b"more"))
    assert safe_read.unpacked(safe_read.check_header(ct, safe_read.NIFTI)) is None
