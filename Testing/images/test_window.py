import numpy as np
import pytest

from FlareSegLib.base.geometry import Grid, Volume
from FlareSegLib.images.checked import checked
from FlareSegLib.images.padding import AIR_HU
from FlareSegLib.images.window import FAT_HU, uncut
from Testing.phantoms import abdomen

SHAPE, SPACING_MM = (32, 100, 126), (10.0, 3.0, 3.0)


@pytest.fixture(scope="module")
def ct():
    return abdomen(SHAPE, SPACING_MM, noise_hu=12, seed=4)[0]


@pytest.mark.parametrize("window", [(-160, 240), (-200, 300), (-300, 250), (-150, 250)])
def test_below_fat_all_that_was_cut_is_air_again(ct, window):
    array, said = uncut(ct.array.clip(*window), ct.grid)
    lost = ct.array <= window[0]
    assert (array[lost] == AIR_HU).all()
    np.testing.assert_array_equal(array[~lost], ct.array.clip(*window)[~lost])
    assert f"least value {window[0]} HU" in said[0]
    assert f"greatest value {window[1]} HU" in said[1]


@pytest.mark.parametrize("axes", [(0, 1, 2), (2, 0, 1), (1, 2, 0)])
def test_within_fat_the_outside_is_air_and_the_inside_fat(ct, axes):
    array = ct.array.clip(-57, 164).transpose(axes)
    grid = Grid(
        array.shape,
        tuple(SPACING_MM[a] for a in axes),
        direction=tuple(ct.grid.direction[a] for a in axes),
    )
    found, said = uncut(array, grid)
    found = found.transpose(np.argsort(axes))
    assert (found[:, :4] == AIR_HU).all()
    assert np.mean(found[ct.array < -900] == AIR_HU) > 0.9
    lungs = (ct.array > -900) & (ct.array < -800)
    lungs[29:] = False  # there they reach the rim, with no wall of muscle around
    assert np.mean(found[lungs] == FAT_HU) > 0.9
    assert "least value -57 HU" in said[0]


def test_a_ct_of_all_values_and_a_cropped_one_are_left_alone(ct):
    for part in (ct.array, ct.array[4:28, 30:70, 40:80], ct.array.clip(-1024, 3071)):
        found, said = uncut(part, Grid(part.shape, SPACING_MM))
        assert found is part
        assert not said


def test_a_windowed_ct_is_read_with_a_warning_and_no_padding(ct):
    volume = checked(Volume(ct.array.clip(-160, 240), ct.grid), "a ct")
    assert len(volume.warnings) == 2
    assert volume.array.min() == AIR_HU


def test_a_phantom_of_plain_shapes_is_not_cut():
    z, y, x = np.ogrid[-20:20, -20:20, -20:20]
    radius = np.sqrt(z * z + y * y + x * x)
    array = np.select([radius < 13, radius < 15], [40, -100], -1000).astype(np.int16)
    same, said = uncut(array, Grid(array.shape, (8.0, 8.0, 8.0)))
    assert same is array
    assert said == ()
