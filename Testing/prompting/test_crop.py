"""From a CT into a crop, and back."""

import numpy as np
import pytest
from scipy import ndimage

from FlareSegLib.base.geometry import Box, Grid
from FlareSegLib.prompting.channels import channels, click_channel
from FlareSegLib.prompting.crop import Frame, back, read
from FlareSegLib.prompting.prompts import Extent

GRID = Grid((20, 24, 28), (2.0, 1.5, 1.0))


@pytest.fixture(scope="module")
def values() -> np.ndarray:
    return np.random.default_rng(0).normal(0, 100, GRID.shape).astype(np.float32)


def test_a_finer_crop_is_linear_interpolation(values):
    frame = Frame(np.array([5.0, 4.0, 6.0]), np.array([1.0, 0.5, 0.25]), (8, 16, 16))
    places = np.meshgrid(*(frame.places(i) / GRID.spacing_mm[i] for i in range(3)), indexing="ij")
    expected = ndimage.map_coordinates(values, places, order=1, mode="nearest")
    np.testing.assert_allclose(read(values, GRID, frame), expected, atol=1e-3)


def test_a_coarser_crop_is_means_of_voxels(values):
    step = np.array([2 * 2.0, 3 * 1.5, 4 * 1.0])
    low = -np.array(GRID.spacing_mm) / 2
    expected = values.reshape(10, 2, 8, 3, 7, 4).mean(axis=(1, 3, 5))
    np.testing.assert_allclose(
        read(values, GRID, Frame(low, step, (10, 8, 7))), expected, atol=1e-3
    )


def test_beyond_the_ct_the_outermost_voxel_is_repeated(values):
    frame = Frame(np.array([-40.0, -30.0, -30.0]), np.array([8.0, 8.0, 8.0]), (4, 4, 4))
    assert np.all(read(values, GRID, frame)[:3, :3, :3] == values[0, 0, 0])


def test_a_linear_function_survives_the_way_there_and_back():
    z, y, x = np.indices(GRID.shape)
    ramp = (2.0 * z * 2 + 1.5 * y * 3 + x).astype(np.float32)
    frame = Frame.about(Extent((10.0, 10.0, 8.0), (22.0, 22.0, 20.0)), 1.5, (32, 64, 64))
    box = Box((6, 8, 9), (10, 13, 18))
    found = back(read(ramp, GRID, frame), frame, GRID, box)
    np.testing.assert_allclose(found, ramp[box.slices], atol=1e-2)


def test_a_frame_is_square_in_a_slice_and_has_its_own_depth():
    frame = Frame.about(Extent((0.0, 0.0, 0.0), (30.0, 20.0, 40.0)), 1.5, (32, 64, 64))
    np.testing.assert_allclose(frame.step * frame.shape, (45, 60, 60))


def test_a_click_is_a_gaussian_half_as_deep_as_wide():
    frame = Frame(np.zeros(3), np.ones(3), (32, 64, 64))
    crop = click_channel([np.array([10.5, 20.5, 30.5])], frame)
    assert crop[10, 20, 30] == 1
    assert crop[10, 20, 32] == pytest.approx(np.exp(-0.5))
    assert crop[11, 20, 30] == pytest.approx(np.exp(-0.5))


def test_local_hu_are_about_the_median_of_the_box():
    hu = np.full((2, 2, 2), 500, np.float32)
    box = np.zeros_like(hu)
    box[0, 0] = 1
    hu[0, 0] = (10, 90)
    zero = np.zeros_like(hu)
    local = channels(hu, box, zero, zero, zero)[2]
    np.testing.assert_allclose(local[0, 0], (0.0, 1.0))  # SD 40, median the lower of two
    assert local[1, 1, 1] == 3
