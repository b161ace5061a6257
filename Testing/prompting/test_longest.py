"""What a line says of a thing: how far it reaches, and which mask is as long."""

import math

import numpy as np
import pytest

from FlareSegLib.base.geometry import Box, Grid
from FlareSegLib.prompting import longest
from FlareSegLib.prompting.found import Found
from FlareSegLib.prompting.prompts import Extent
from FlareSegLib.prompting.search import Search
from FlareSegLib.prompting.session import Session
from Testing.prompting.things import BALL_ML, CENTRE_RAS, RADIUS, Bright, ball


def test_boxes_about_a_line_by_hand():
    first, most = longest.extents(np.array([10.0, 20.0, 30.0]), np.array([10.0, 20.0, 70.0]))
    assert (first.low, first.high) == ((-7, 3, 30), (27, 37, 70))
    assert (most.low, most.high) == ((-30, -20, 30), (50, 60, 70)), "30 is 40 from 70"


def test_misfit_is_zero_for_what_is_as_long_and_grows_both_ways():
    grid = Grid((3, 30, 30), (2.0, 1.0, 1.0))

    def rod(length: int) -> Found:
        mask = np.zeros(grid.shape, bool)
        mask[1, 5, 4 : 4 + length] = True
        return Found(mask, Box((0, 0, 0), grid.shape), grid, Extent((0, 0, 0), (1, 1, 1)))

    assert longest.misfit(rod(10), 10) == pytest.approx(0, abs=0.01)
    assert longest.misfit(rod(20), 10) == pytest.approx(math.log(2), abs=0.01)
    assert longest.misfit(rod(5), 10) == pytest.approx(math.log(2), abs=0.02)
    assert longest.misfit(rod(0), 10) == math.inf


class Greedy(Bright):
    """Finds whatever lies in its box, and asks for more."""

    def __call__(self, channels):
        self.shown.append(channels)
        return (channels[3] * 5 - 2.5).astype(np.float32)


def line(length: float):
    x, y, z = CENTRE_RAS
    return (x - length / 2, y, z), (x + length / 2, y, z)


def test_of_growing_masks_that_counts_which_is_as_long_as_the_line():
    network = Greedy()
    found = Session(ball(), network).line(*line(30))
    assert len(network.shown) > 1, "it did grow"
    assert found.extent.size[1:] == pytest.approx((0.85 * 30, 30), abs=0.1)


def test_no_box_is_larger_than_a_line_allows(monkeypatch):
    sizes, look = [], Search._seen

    def seen(self, extent, *more):
        sizes.append(extent.size)
        return look(self, extent, *more)

    monkeypatch.setattr(Search, "_seen", seen)
    Session(ball(), Greedy()).line(*line(30))
    assert np.max(sizes, axis=0) == pytest.approx((60, 60, 30), abs=0.1)

    found = Session(ball(), Bright()).line(*line(2 * RADIUS))
    assert found.ml == pytest.approx(BALL_ML, rel=0.06)


class Doubtful(Bright):
    """Is half sure of a shell about the ball that is none of it."""

    def __call__(self, channels):
        self.shown.append(channels)
        inside = channels[1] * 1000 > 80
        return np.where(inside, 4.0, np.where(channels[3] > 0, 0.5, -4.0)).astype(np.float32)


def test_another_threshold_is_taken_where_it_gives_the_length_of_the_line():
    found = Session(ball(), Doubtful()).line(*line(2 * RADIUS))
    assert found.ml == pytest.approx(BALL_ML, rel=0.06)
