import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import ndimage

from FlareSegLib.base.runs import CORNERS, FACES, IN_PLANE, boxes_of, enclosed, pieces_of, runs_of

FLAT = np.zeros((3, 3, 3), bool)
FLAT[1] = ndimage.generate_binary_structure(2, 1)
STRUCTURES = {
    CORNERS: np.ones((3, 3, 3), bool),
    FACES: ndimage.generate_binary_structure(3, 1),
    IN_PLANE: FLAT,
}
touchings = st.sampled_from(list(STRUCTURES))


@st.composite
def arrays(draw, highest):
    """Arrays from nearly empty to nearly full."""
    shape = draw(st.tuples(*[st.integers(1, 9)] * 3))
    generator = np.random.default_rng(draw(st.integers(0, 999)))
    is_set = generator.random(shape) < draw(st.floats(0, 1))
    return (is_set * generator.integers(1, highest + 1, shape)).astype(np.uint8)


@given(arrays(5))
def test_boxes_are_those_of_scipy(labels):
    assert boxes_of(labels, 5) == ndimage.find_objects(labels, max_label=5)


@pytest.mark.parametrize("order", ["C", "F"])
def test_a_box_worked_out_by_hand(order):
    labels = np.zeros((5, 6, 7), np.uint8, order=order)
    labels[1, 2, 3] = labels[3, 2, 6] = 2
    assert boxes_of(labels, 2) == [None, (slice(1, 4), slice(2, 3), slice(3, 7))]


@given(arrays(5))
def test_runs_hold_every_voxel_once_and_no_two_of_a_value_meet(labels):
    runs = runs_of(labels)
    again = np.zeros_like(labels)
    at = runs.voxels()
    again[at] = np.repeat(runs.value, runs.lengths)
    assert np.array_equal(again, labels)
    assert at[0].size == np.count_nonzero(labels)
    meet = (runs.row[1:] == runs.row[:-1]) & (runs.start[1:] == runs.stop[:-1])
    assert not (meet & (runs.value[1:] == runs.value[:-1])).any()


@given(arrays(3), touchings)
def test_pieces_are_those_of_scipy(labels, touching):
    runs = runs_of(labels)
    found = np.zeros(labels.shape, int)
    found[runs.voxels()] = np.repeat(pieces_of(runs, touching) + 1, runs.lengths)
    for value in (1, 2, 3):
        mine, count = ndimage.label(labels == value, STRUCTURES[touching])
        pairs = set(zip(mine[mine > 0].tolist(), found[mine > 0].tolist(), strict=True))
        assert len(pairs) == count == np.unique(found[labels == value]).size
    firsts = [np.flatnonzero(found == i)[0] for i in range(1, found.max() + 1)]
    assert firsts == sorted(firsts)


@given(arrays(1), st.sampled_from([FACES, IN_PLANE]))
def test_holes_are_those_of_scipy(mask, touching):
    filled = mask.copy()
    filled[enclosed(runs_of(mask), touching).voxels()] = 1
    expected = ndimage.binary_fill_holes(mask, STRUCTURES[touching])
    assert np.array_equal(filled, expected)
