import numpy as np
import pytest

from FlareSegLib.base.errors import InputError
from FlareSegLib.images.hounsfield import check_ct, is_ct, to_hounsfield


def mixture(**counts):
    """Return 10 000 voxels (4, 50, 50): so many of each tissue, noise of 15 HU, the rest air."""
    hu = {"fat": -100, "soft": 50, "lung": -850, "bone": 900, "air": -1000}
    counts["air"] = 10_000 - sum(counts.values())
    rng = np.random.default_rng(0)
    parts = [rng.normal(hu[key], 15, count) for key, count in counts.items()]
    return np.concatenate(parts).astype(np.int16).reshape(4, 50, 50)


ABDOMEN = mixture(fat=2000, soft=3000, bone=50)


@pytest.mark.parametrize(
    "array",
    [
        ABDOMEN,
        mixture(fat=4000, soft=5900, bone=100),  # cropped to the body: no air at all
        mixture(fat=60, soft=4000, bone=500),  # lean, much metal
        mixture(fat=150, soft=150),  # a small child in a large field
        mixture(fat=1000, soft=1500, lung=7000),
        np.where(ABDOMEN < -900, np.int16(-3024), ABDOMEN),  # padding outside the field of view
        np.where(ABDOMEN < -900, np.int16(-2000), ABDOMEN),
        np.where(ABDOMEN < -900, np.int16(0), ABDOMEN),  # padding with zeros
    ],
)
def test_cts_are_accepted(array):
    check_ct(array, "scan")


@pytest.mark.parametrize(
    ("shift", "cure"), [(1024, -1024), (1000, -1024), (-1024, 1024), (30000, -32768)]
)
def test_a_shifted_ct_is_refused_with_the_offset_that_cures_it(shift, cure):
    shifted = ABDOMEN.astype(np.int32) + (32768 if shift == 30000 else shift)
    with pytest.raises(InputError, match=rf"shifted .*--hu-offset {cure}$"):
        check_ct(shifted, "scan")


def test_a_shifted_ct_is_refused_even_if_noise_goes_below_zero_or_padding_far_below():
    shifted = ABDOMEN + np.int16(1024)
    shifted[:, :, :5] = -976
    with pytest.raises(InputError, match="--hu-offset -1024"):
        check_ct(shifted, "scan")


@pytest.mark.parametrize(
    "array",
    [
        np.random.default_rng(1).gamma(2, 150, (9, 50, 50)),  # MR: magnitudes from 0 up
        np.clip((ABDOMEN + 160) / 400 * 255, 0, 255),  # a window of the CT, 8 bit
        np.random.default_rng(2).normal(0, 1, (9, 50, 50)),  # z-scores
        np.random.default_rng(3).integers(-4096, 4096, (9, 50, 50)) * 2.0 + 5000,
    ],
)
def test_what_is_no_ct_is_refused_with_its_values(array):
    low = f"{array.astype(np.float32).min():g}"
    with pytest.raises(InputError, match=rf"scan has values {low} to .* not a CT"):
        check_ct(array, "scan")


def test_is_ct_looks_at_fat_and_soft_tissue():
    assert is_ct(np.array([-100, 50] * 50, np.float32))
    assert not is_ct(np.array([50] * 100, np.float32))
    assert not is_ct(np.array([-100] * 100, np.float32))


def test_int16_without_offset_is_not_copied():
    assert to_hounsfield(ABDOMEN, 0.0, "scan") is ABDOMEN


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int32, np.int64, np.float32, np.float64])
def test_whole_numbers_in_range_become_int16(dtype):
    array = np.arange(60, dtype=dtype).reshape(3, 4, 5)
    found = to_hounsfield(array, -1024.0, "scan")
    assert found.dtype == np.int16
    np.testing.assert_array_equal(found, np.arange(-1024, -964).reshape(3, 4, 5))


@pytest.mark.parametrize(
    ("array", "offset"),
    [
        (np.array([[[0.5, 1.0]]]), 0.0),
        (np.array([[[0, 1]]], np.int16), 0.5),
        (np.array([[[-32768, 0]]], np.int16), -1024.0),  # would wrap around
        (np.array([[[0, 40000]]], np.uint16), 0.0),
        (np.array([[[0, 40000]]], np.int32), -32768.0),
    ],
)
def test_other_values_become_float32_and_never_wrap_around(array, offset):
    found = to_hounsfield(array, offset, "scan")
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, array.astype(np.float64) + offset)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_voxels_that_are_not_finite_are_counted(value):
    array = ABDOMEN.astype(np.float32)
    array[1, 2, 3:5] = value
    with pytest.raises(InputError, match="scan has 2 NaN or infinite voxels"):
        to_hounsfield(array, 0.0, "scan")


def test_one_value_everywhere_is_refused():
    with pytest.raises(InputError, match="the value -1000 in every voxel"):
        to_hounsfield(np.full((20, 20, 20), -1000, np.int16), 0.0, "scan")
