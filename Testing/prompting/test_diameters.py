"""Longest diameter and the one across it, by hand and by closed form."""

import numpy as np
import pytest
from scipy import ndimage
from scipy.spatial.distance import pdist

from FlareSegLib.prompting.diameters import diameters


def test_an_empty_mask_has_no_diameter():
    assert diameters(np.zeros((3, 4, 5), bool), (1.0, 1.0)).longest_mm == 0


def test_a_row_of_pixels_is_measured_from_edge_to_edge():
    mask = np.zeros((1, 9, 9), bool)
    mask[0, 4, 2:7] = True
    found = diameters(mask, (2.0, 3.0))
    assert found.longest_mm == pytest.approx(15)
    assert found.across_mm == pytest.approx(2)


@pytest.mark.parametrize("angle", [0, 20, 45, 77])
def test_an_ellipse_has_its_axes_whatever_its_angle(angle):
    turn = np.deg2rad(angle)
    y, x = np.indices((120, 160)) * np.array([0.8, 0.6])[:, None, None]
    y, x = y - 48, x - 48
    along, across = x * np.cos(turn) + y * np.sin(turn), -x * np.sin(turn) + y * np.cos(turn)
    mask = ((along / 30) ** 2 + (across / 14) ** 2 <= 1)[None]
    found = diameters(mask, (0.8, 0.6))
    assert found.longest_mm == pytest.approx(60, abs=1.0)
    assert found.across_mm == pytest.approx(28, abs=1.5)


def test_the_slice_with_the_longest_diameter_is_named():
    mask = np.zeros((5, 20, 20), bool)
    mask[1, 5:9, 5:9] = True
    mask[3, 2:15, 4:9] = True
    assert diameters(mask, (1.0, 1.0)).slice == 3


def test_the_ends_lie_as_far_apart_as_the_diameter_is_long():
    mask = np.zeros((1, 30, 30), bool)
    mask[0, 3:9, 4:25] = True
    found = diameters(mask, (1.0, 1.0))
    assert np.hypot(*np.subtract(*found.ends)) == pytest.approx(found.longest_mm)


@pytest.mark.parametrize("seed", range(20))
def test_the_longest_diameter_is_that_of_all_pairs_of_edges(seed):
    rng = np.random.default_rng(seed)
    noise = ndimage.gaussian_filter(rng.normal(size=(3, 17, 23)), rng.uniform(0.3, 4))
    mask, spacing = noise > rng.uniform(0, 0.2), rng.uniform(0.4, 2, 2)
    moves = np.array([[0, 0.5], [0, -0.5], [0.5, 0], [-0.5, 0]])
    edges = [(np.argwhere(plane)[:, None] + moves).reshape(-1, 2) * spacing for plane in mask]
    longest = max((pdist(one).max() for one in edges if len(one)), default=0.0)
    assert diameters(mask, tuple(spacing)).longest_mm == pytest.approx(longest)


def test_a_slice_whose_diameter_lies_between_the_directions_that_are_tried_is_not_left_out():
    mask = np.zeros((2, 30, 210), bool)
    mask[0, 5, 3:203] = True
    mask[1, 4, 3] = mask[1, 24, 201] = True
    found = diameters(mask, (1.0, 1.0))
    assert found.slice == 1
    assert found.longest_mm == pytest.approx(np.hypot(199, 20))


def test_pixels_count_with_their_extent():
    mask = np.zeros((2, 8, 20), bool)
    mask[0, 3, 2:17] = True
    mask[1, 3:5, 9] = True
    assert diameters(mask, (10.0, 1.0)).slice == 1
