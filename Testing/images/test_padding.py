import numpy as np
import pytest
import SimpleITK as sitk
from scipy import ndimage

from FlareSegLib.base.errors import InputError
from FlareSegLib.images.padding import AIR_HU, without_nan, without_padding
from FlareSegLib.images.reading import read_volume
from Testing.phantoms import abdomen

SHAPE, SPACING_MM = (32, 60, 76), (10.0, 5.0, 5.0)


@pytest.fixture(scope="module")
def ct():
    return abdomen(SHAPE, SPACING_MM, noise_hu=12, seed=4)[0].array


def is_air(ct):
    return ct < -900


@pytest.mark.parametrize("value", [-800, -500, -300, -57, 0, 40, 100, 700, 3071])
def test_air_of_one_value_becomes_air_and_is_told(ct, value):
    padded = np.where(is_air(ct), value, ct).astype(np.int16)
    found, said = without_padding(padded)
    share = np.mean(found == AIR_HU)
    assert share > 0.95 * np.mean(is_air(ct))
    np.testing.assert_array_equal(found[found != AIR_HU], padded[found != AIR_HU])
    assert len(said) == 1
    assert f"exactly {value} HU" in said[0]


@pytest.mark.parametrize("value", [-2000, -1024, -1000])
def test_real_air_is_left_alone(ct, value):
    padded = np.where(is_air(ct), value, ct).astype(np.int16)
    found, said = without_padding(padded)
    assert found is padded
    assert not said


@pytest.mark.parametrize("axes", [(1, 2), (0, 1), (0, 2)])
@pytest.mark.parametrize("degrees", [4, 10])
def test_wedges_of_a_turned_scan_become_air(ct, axes, degrees):
    turned = ndimage.rotate(ct, degrees, axes, reshape=False, order=0, cval=0)
    right = ndimage.rotate(ct, degrees, axes, reshape=False, order=0, cval=AIR_HU)
    found, said = without_padding(turned)
    assert np.mean(found != right) < 0.002  # a voxel of 0 HU beside a wedge goes with it
    assert "exactly 0 HU" in said[0]


def test_slices_that_were_filled_up_become_air(ct):
    filled = ct.copy()
    filled[12:15] = 0
    found, said = without_padding(filled)
    assert (found[12:15] == AIR_HU).all()
    assert "9.4% of the voxels" in said[0]


def test_phantoms_of_constant_parts_and_noise_have_no_padding(ct):
    for one in (ct, abdomen(SHAPE, SPACING_MM)[0].array):
        found, said = without_padding(one)
        assert found is one
        assert not said


def test_a_constant_phantom_with_padding_is_mended():
    still = abdomen(SHAPE, SPACING_MM)[0].array
    found, said = without_padding(np.where(is_air(still), 0, still))
    np.testing.assert_array_equal(found, np.where(is_air(still), AIR_HU, still))
    assert said


def test_a_piece_inside_and_a_block_at_one_edge_are_kept(ct):
    odd = ct.copy()
    odd[10:20, 20:30, 30:40] = 0
    odd[14:20, :6, :6] = 700  # such as an arm that was cut at the greatest value
    found, said = without_padding(odd)
    assert found is odd
    assert not said


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_nan_around_the_scan_is_air(ct, dtype):
    padded = np.where(is_air(ct), np.nan, ct).astype(dtype)
    found, said = without_nan(padded, hu_offset=-1000)
    assert (found[is_air(ct)] == AIR_HU + 1000).mean() > 0.95
    assert "NaN" in said[0]


def write(path, array):
    image = sitk.GetImageFromArray(array)
    image.SetSpacing(SPACING_MM[::-1])
    sitk.WriteImage(image, str(path))
    return path


def test_the_volume_carries_what_was_found(ct, tmp_path):
    padded = write(tmp_path / "a.nrrd", np.where(is_air(ct), 0, ct).astype(np.int16))
    assert "padding" in read_volume(padded).warnings[0]
    assert read_volume(write(tmp_path / "b.nrrd", ct)).warnings == ()


def test_nan_in_the_body_is_refused_with_its_number(ct, tmp_path):
    odd = ct.astype(np.float32)
    odd[5, 30, 30:37] = np.nan
    with pytest.raises(InputError, match="7 NaN or infinite voxels"):
        read_volume(write(tmp_path / "ct.nrrd", odd))
