"""The matrices of splines do what scipy's zoom does, which nnU-Net calls through scikit-image."""

import numpy as np
import pytest
from scipy import ndimage

from FlareSegLib.base.recipe import apart_axis
from FlareSegLib.preprocessing.spline import weights


@pytest.mark.parametrize("order", [0, 1, 2, 3])
@pytest.mark.parametrize(("sources", "targets"), [(20, 13), (13, 20), (9, 31), (40, 7), (6, 6)])
def test_a_matrix_resamples_as_scipy_does(order, sources, targets):
    values = np.random.default_rng(0).normal(size=(sources, 5))
    expected = ndimage.zoom(
        values, (targets / sources, 1), order=order, mode="nearest", grid_mode=True
    )
    np.testing.assert_allclose(weights(targets, sources, order) @ values, expected, atol=1e-6)


def test_weights_of_each_target_add_up_to_one():
    for order in range(4):
        np.testing.assert_allclose(weights(17, 11, order).sum(axis=1), 1, atol=1e-6)


def test_linear_weights_by_hand():
    """Two targets for three sources: their middles lie at 0.25 and 1.75."""
    expected = [[0.75, 0.25, 0], [0, 0.25, 0.75]]
    np.testing.assert_allclose(weights(2, 3, 1), expected, atol=1e-7)


def test_half_way_the_nearest_is_the_upper_one():
    np.testing.assert_array_equal(weights(1, 2, 0), [[0, 1]])


@pytest.mark.parametrize(
    ("old", "new", "separate", "expected"),
    [
        ((5.0, 1.0, 1.0), (2.0, 1.0, 1.0), None, 0),
        ((2.0, 1.0, 1.0), (5.0, 1.0, 1.0), None, 0),
        ((3.0, 1.0, 1.0), (3.0, 1.0, 1.0), None, None),
        ((1.0, 4.0, 1.0), (1.0, 1.0, 1.0), None, 1),
        ((5.0, 5.0, 1.0), (5.0, 5.0, 1.0), None, None),
        ((5.0, 1.0, 1.0), (5.0, 1.0, 1.0), False, None),
        ((1.5, 1.0, 1.0), (1.0, 1.0, 1.0), True, 0),
    ],
)
def test_the_coarse_axis_is_resampled_apart_if_it_is_over_three_times_as_coarse(
    old, new, separate, expected
):
    assert apart_axis(old, new, separate) == expected
