"""The benchmark of prompts: simple methods and boxes as they must be, or no figure of it counts."""

import numpy as np
import pytest

from FlareSegLib.base.geometry import Volume
from Testing.benchmarks.bench_prompt import simple, table
from Testing.benchmarks.prompt_methods import ellipsoid, filled, grabcut, otsu, walker
from Testing.benchmarks.prompt_things import Thing, bounds, dsc, loosened
from Testing.phantoms import abdomen


@pytest.fixture(scope="module")
def ball():
    """A bright ball in noise, and its mask."""
    z, y, x = np.indices((20, 40, 40)) - np.array([10, 20, 20])[:, None, None, None]
    mask = (2 * z) ** 2 + y**2 + x**2 < 14**2
    noise = np.random.default_rng(0).normal(0, 8, mask.shape)
    volume, _ = abdomen((20, 40, 40), (2.0, 1.0, 1.0))
    hu = (np.where(mask, 120, 20) + noise).astype(np.int16)
    return Thing("group", "ball", Volume(hu, volume.grid), mask)


def test_the_box_of_a_mask_holds_it_to_the_edge(ball):
    low, high = bounds(ball.mask)
    np.testing.assert_array_equal(low, [3.5, 6.5, 6.5])
    np.testing.assert_array_equal(high, [16.5, 33.5, 33.5])
    assert simple(ball, low, high, filled).sum() == 13 * 27 * 27


def test_a_loose_box_is_up_to_a_tenth_larger_on_each_side(ball):
    low, high = bounds(ball.mask)
    size = high - low
    for seed in range(20):
        a, b = loosened(low, high, np.random.default_rng(seed))
        assert np.all((low - a >= 0) & (low - a <= 0.1 * size))
        assert np.all((b - high >= 0) & (b - high <= 0.1 * size))


@pytest.mark.parametrize(
    ("method", "least"), [(ellipsoid, 0.92), (otsu, 0.97), (walker, 0.9), (filled, 0.6)]
)
def test_a_simple_method_finds_a_ball(ball, method, least):
    found = simple(ball, *bounds(ball.mask), method)
    assert dsc(found, ball.mask) > least
    assert not found[0].any()


def test_grabcut_finds_a_ball_that_stands_out(ball):
    pytest.importorskip("cv2")
    found = simple(ball, *bounds(ball.mask), grabcut)
    assert dsc(found, ball.mask) > 0.9


def test_an_ellipsoid_fills_pi_sixths_of_its_box():
    found = ellipsoid(np.zeros((40, 60, 50), np.float32))
    assert found.mean() == pytest.approx(np.pi / 6, rel=0.01)
    assert ellipsoid(np.zeros((1, 60, 50), np.float32)).mean() == pytest.approx(np.pi / 4, rel=0.01)


def test_a_table_has_means_of_groups_and_tight_boxes_last():
    found = {
        "a": {"one": {"tight x": 0.5, "loose x": 0.2}, "two": {"tight x": 0.7, "loose x": 0.4}}
    }
    lines = table(found).splitlines()
    assert lines[0] == "| | a (2) |"
    assert lines[2:] == ["| loose x | 0.300 |", "| tight x | 0.600 |"]
