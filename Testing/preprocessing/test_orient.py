import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from FlareSegLib.base.geometry import IDENTITY, Grid, Labelmap, Volume
from FlareSegLib.preprocessing.orient import to_canonical

ORIENTATIONS = [
    tuple(
        tuple(sign * value for value in IDENTITY[axis])
        for axis, sign in zip(axes, signs, strict=True)
    )
    for axes in itertools.permutations(range(3))
    for signs in itertools.product((1.0, -1.0), repeat=3)
]


def a_volume(direction):
    array = np.arange(3 * 4 * 5, dtype=np.int16).reshape(3, 4, 5)
    return Volume(array, Grid((3, 4, 5), (5.0, 0.7, 0.9), (10.0, -20.0, 30.0), direction))


def turned(degrees):
    angle = np.deg2rad(degrees)
    turn = [[np.cos(angle), -np.sin(angle), 0], [np.sin(angle), np.cos(angle), 0], [0, 0, 1]]
    return tuple(tuple(float(v) for v in row) for row in np.array(IDENTITY) @ np.array(turn).T)


def test_there_are_48_orientations():
    assert len(set(ORIENTATIONS)) == 48


@pytest.mark.parametrize("direction", [*ORIENTATIONS, turned(20), turned(-40)])
def test_what_is_written_into_the_canonical_view_lands_where_it_belongs(direction):
    volume = a_volume(direction)
    labelmap = Labelmap(np.zeros(volume.grid.shape, np.uint8), volume.grid)
    view = to_canonical(labelmap)
    view.array[...] = to_canonical(volume).array
    assert np.array_equal(labelmap.array, volume.array)
    assert view.grid == to_canonical(volume).grid


@pytest.mark.parametrize("direction", ORIENTATIONS)
def test_canonical_axes_point_to_superior_posterior_left(direction):
    assert np.allclose(to_canonical(a_volume(direction)).grid.direction, IDENTITY)


@settings(max_examples=60)
@given(
    st.sampled_from([*ORIENTATIONS, turned(15)]),
    st.tuples(*(st.integers(0, n - 1) for n in (3, 4, 5))),
)
def test_every_voxel_stays_where_it_is_in_the_world(direction, index):
    volume = a_volume(direction)
    canonical = to_canonical(volume)
    found = np.argwhere(canonical.array == volume.array[index])[0]
    assert np.allclose(canonical.grid.to_world(tuple(found)), volume.grid.to_world(index))


def test_an_oblique_volume_keeps_its_obliqueness():
    assert np.allclose(to_canonical(a_volume(turned(20))).grid.direction, turned(20))
