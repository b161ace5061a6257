import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import ndimage

from FlareSegLib.boxes import boxes_of


@given(st.tuples(*[st.integers(1, 9)] * 3), st.integers(0, 12), st.integers(0, 99))
def test_boxes_are_those_of_scipy(shape, count, seed):
    generator = np.random.default_rng(seed)
    labels = np.zeros(shape, np.uint8)
    at = tuple(generator.integers(0, n, count) for n in shape)
    labels[at] = generator.integers(1, 6, count)
    assert boxes_of(labels, 5) == ndimage.find_objects(labels, max_label=5)


@pytest.mark.parametrize("order", ["C", "F"])
def test_a_box_worked_out_by_hand(order):
    labels = np.zeros((5, 6, 7), np.uint8, order=order)
    labels[1, 2, 3] = labels[3, 2, 6] = 2
    assert boxes_of(labels, 2) == [None, (slice(1, 4), slice(2, 3), slice(3, 7))]
