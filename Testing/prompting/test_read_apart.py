"""A CT that another process reads is the one that would be read here, and nothing stays behind."""

import subprocess
import sys

import numpy as np
import pytest
import SimpleITK as sitk

from FlareSegLib.base.errors import InputError, ResourceError
from FlareSegLib.images.reading import read_volume
from FlareSegLib.prompting.read_apart import VOXELS, begin_to_read
from Testing.phantoms import abdomen


@pytest.fixture
def ct(tmp_path):
    volume, _ = abdomen((20, 30, 38), (10.0, 10.0, 10.0), noise_hu=10)
    image = sitk.GetImageFromArray(volume.array.astype(np.int16))
    image.SetSpacing((3.0, 4.0, 5.0))
    sitk.WriteImage(image, str(tmp_path / "ct.nrrd"))
    return tmp_path / "ct.nrrd"


def test_it_is_what_reading_gives_and_leaves_no_file(ct):
    found, expected = begin_to_read(ct)(), read_volume(ct)
    assert np.array_equal(found.array, expected.array)
    assert found.array.dtype == expected.array.dtype
    assert (found.grid, found.warnings) == (expected.grid, expected.warnings)
    assert [path.name for path in ct.parent.iterdir()] == ["ct.nrrd"]


def test_what_is_wrong_with_it_is_said_as_by_reading(ct):
    sitk.WriteImage(sitk.Image(9, 9, 9, sitk.sitkInt16), str(ct))
    with pytest.raises(InputError) as expected:
        read_volume(ct)
    with pytest.raises(InputError) as found:
        begin_to_read(ct)()
    assert str(found.value) == str(expected.value)


def test_no_room_for_the_voxels_is_said(ct):
    ct.with_name(VOXELS).mkdir()
    with pytest.raises(ResourceError, match="no room for the CT"):
        begin_to_read(ct)()


def test_where_a_mapped_file_cannot_be_removed_it_is_read_whole(ct, monkeypatch):
    finish, expected = begin_to_read(ct), read_volume(ct)
    monkeypatch.setattr(sys, "platform", "win32")
    found = finish().array
    assert not isinstance(found, np.memmap)
    assert np.array_equal(found, expected.array)


def test_the_process_that_stays_loads_no_simpleitk(ct):
    code = """if __name__ == "__main__":
        import sys
        from pathlib import Path
        from FlareSegLib.prompting import child
        from FlareSegLib.prompting.read_apart import begin_to_read
        begin_to_read(Path(sys.argv[1]))()
        assert not {"SimpleITK", "scipy"} & set(sys.modules), sorted(sys.modules)
    """
    script = ct.with_name("stays.py")
    script.write_text(code, encoding="utf-8")
    subprocess.run([sys.executable, str(script), str(ct)], check=True)
