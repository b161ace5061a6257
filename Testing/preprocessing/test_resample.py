import numpy as np
import pytest
from scipy import ndimage

from FlareSegLib.base.geometry import Grid, Volume
from FlareSegLib.preprocessing.resample import grid_at, to_spacing


def a_volume(shape=(9, 14, 11), spacing_mm=(4.0, 0.8, 1.1), seed=0):
    array = np.random.default_rng(seed).integers(-1000, 1000, shape).astype(np.int16)
    return Volume(array, Grid(shape, spacing_mm, (5.0, 6.0, 7.0)))


def test_own_spacing_changes_nothing():
    volume = a_volume()
    same = to_spacing(volume, volume.grid.spacing_mm, 1)
    assert np.array_equal(same.array, volume.array)
    assert same.grid.shape == volume.grid.shape
    assert np.allclose(same.grid.origin, volume.grid.origin)


def test_values_are_those_of_scipys_linear_interpolation():
    volume, spacing_mm = a_volume(), (2.0, 1.5, 1.5)
    found = to_spacing(volume, spacing_mm, 2)
    at = [
        (np.arange(n) + 0.5) * new / old - 0.5
        for n, new, old in zip(found.grid.shape, spacing_mm, volume.grid.spacing_mm, strict=True)
    ]
    places = np.meshgrid(*at, indexing="ij")
    expected = ndimage.map_coordinates(volume.array.astype(float), places, order=1, mode="nearest")
    assert np.allclose(found.array, expected, atol=0.01)


def test_edges_of_both_grids_coincide():
    # 4 voxels of 3 mm are 6 of 2 mm; the first centre moves from 1.5 mm to 1.0 mm behind the edge
    grid = grid_at(Grid((4, 4, 4), (3.0, 3.0, 3.0), (0, 0, 0)), (2.0, 2.0, 2.0))
    assert grid.shape == (6, 6, 6)
    assert grid.origin == pytest.approx((-0.5, -0.5, -0.5))


def test_the_result_does_not_depend_on_threads():
    one, many = (to_spacing(a_volume(), (2.0, 1.5, 1.5), n).array for n in (1, 4))
    assert np.array_equal(one, many)
