"""Contours give the mask back: to who asks for voxel centres, and to who rounds and fills."""

import numpy as np
import pytest

from FlareSegLib.images.dicom.contours import contours, without_straights


def crossings(loops, shape):
    """Fill by the even-odd rule at voxel centres: an oracle that knows nothing of the tracing."""
    yy, xx = np.mgrid[: shape[0], : shape[1]]
    filled = np.zeros(shape, bool)
    for loop in loops:
        for (y1, x1), (y2, x2) in zip(loop, [*loop[1:], loop[0]], strict=True):
            if y1 != y2:
                crosses = (np.minimum(y1, y2) <= yy) & (yy < np.maximum(y1, y2))
                filled ^= crosses & (x1 + (yy - y1) * (x2 - x1) / (y2 - y1) > xx)
    return filled


@pytest.mark.parametrize("seed", range(40))
def test_any_mask_comes_back_with_holes_islands_in_holes_and_diagonals(seed):
    rng = np.random.default_rng(seed)
    mask = rng.random((9, 11)) < rng.choice([0.3, 0.6, 0.9])
    mask = np.kron(mask, np.ones((1 + seed % 3, 1 + seed % 2), bool))
    loops = contours(mask)
    np.testing.assert_array_equal(crossings(loops, mask.shape), mask)
    straight = [without_straights(loop) for loop in loops]
    np.testing.assert_array_equal(crossings(straight, mask.shape), mask)
    assert sum(map(len, straight)) <= sum(map(len, loops))


def test_a_square_is_four_sides_and_a_ring_is_one_contour():
    square = np.zeros((9, 9), bool)
    square[2:7, 2:7] = True
    (loop,) = contours(square)
    assert len(without_straights(loop)) == 8  # the corners are cut
    ring = square.copy()
    ring[4, 4] = False
    assert len(contours(ring)) == 1
    assert contours(np.zeros((3, 3), bool)) == []


def test_pieces_that_touch_at_a_corner_are_two_contours():
    assert len(contours(np.eye(2, dtype=bool))) == 2


def test_vertices_round_to_voxels_inside():
    mask = np.random.default_rng(1).random((12, 12)) < 0.6
    at = np.rint([vertex for loop in contours(mask) for vertex in loop]).astype(int)
    assert mask[at[:, 0], at[:, 1]].all()
