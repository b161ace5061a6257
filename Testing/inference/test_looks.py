"""What two slabs say of slices that both hold, counted by hand."""

import numpy as np
import pytest

from FlareSegLib.inference.looks import Looks


def slab(labels, classes=3):
    """Return logits (classes, z, y, x) that say these labels."""
    return np.stack([labels == value for value in range(classes)]).astype(np.float32)


def an_organ(depth=10):
    labels = np.zeros((depth, 4, 5), np.intp)
    labels[:, 1:3, 1:4] = 1
    return labels


def test_cells_are_counted_where_two_slabs_hold_them_and_nowhere_else():
    looks, lower, upper = Looks(3), an_organ(), an_organ()
    upper[0, 1, 1] = 2  # the first of two shared slices
    lower[5] = upper[5] = 2  # no other slab holds it
    looks.see(0, slab(lower), 2)
    assert not looks.total.any()
    looks.see(8, slab(upper), 2)
    assert looks.both.tolist() == [2 * 14, 6 + 5, 0]
    assert looks.total.tolist() == [2 * 2 * 14, 6 + 6 + 6 + 5, 1]


def test_a_slab_that_comes_below_the_others_is_held_against_the_lowest():
    looks = Looks(3)
    for start in (20, 28, 12):
        looks.see(start, slab(an_organ()), 2)
    assert looks.both[1] == 2 * 2 * 6


def test_a_slab_that_is_less_deep_than_its_two_ends_is_counted_once():
    looks = Looks(3)
    looks.see(0, slab(an_organ(3)), 2)
    looks.see(0, slab(an_organ(3)), 2)
    assert looks.both[1] == 3 * 6


def test_slices_of_a_wider_field_are_not_held_against_those_of_a_narrow_one():
    looks = Looks(3)
    looks.see(0, slab(an_organ()), 2)
    looks.see(8, slab(np.pad(an_organ(), ((0, 0), (0, 2), (0, 0)))), 2)
    assert not looks.total.any()


@pytest.mark.parametrize("slabs", [2, 50])
def test_no_more_is_kept_than_the_ends_that_no_other_slab_has_held(slabs):
    looks = Looks(3)
    for number in range(slabs):
        looks.see(8 * number, slab(an_organ()), 2)
    assert len(looks._said) == 4
