"""Boxes that agree, slices that are put into masks: numbers worked by hand."""

import numpy as np
import pytest

from FlareSegLib.base.geometry import Box, Grid
from FlareSegLib.prompting.one_slice import Slice, slice_of
from FlareSegLib.prompting.prompts import BoxPrompt, ClickPrompt, Extent
from FlareSegLib.prompting.rules import overlap

CUBE = Extent((0.0, 0.0, 0.0), (2.0, 2.0, 2.0))
GRID = Grid((10, 20, 30), (5.0, 1.0, 1.0))


@pytest.mark.parametrize(
    ("other", "share"),
    [
        (CUBE, 1.0),
        (Extent((1.0, 0.0, 0.0), (3.0, 2.0, 2.0)), 4 / 12),
        (Extent((0.0, 0.0, 0.0), (1.0, 1.0, 1.0)), 1 / 8),
        (Extent((5.0, 5.0, 5.0), (6.0, 6.0, 6.0)), 0.0),
    ],
)
def test_boxes_overlap_by_what_they_share(other, share):
    assert overlap(CUBE, other) == pytest.approx(share)
    assert overlap(other, CUBE) == pytest.approx(share)


def test_a_slice_replaces_its_own_in_a_mask_and_may_reach_out_of_its_box():
    mask = np.ones((3, 2, 2), bool)
    part = Slice(np.ones((1, 1, 3), bool), Box((4, 6, 6), (5, 7, 9)))
    found, box = part.put_into(mask, Box((3, 5, 5), (6, 7, 7)))
    assert box == Box((3, 5, 5), (6, 7, 9))
    assert found.sum(axis=(1, 2)).tolist() == [4, 3, 4]
    assert found[1].tolist() == [[False] * 4, [False, True, True, True]]


def test_a_box_in_one_slice_lies_in_the_middle_of_the_slice_next_to_it():
    low, high = (-15.0, -10.0, 21.0), (-5.0, -4.0, 21.0)
    found = slice_of(BoxPrompt.between(low, high), GRID)
    assert found.centre.tolist() == pytest.approx([20.0, 7.0, 10.0])
    assert found.size.tolist() == pytest.approx([0.01, 6.0, 10.0])


@pytest.mark.parametrize(
    "prompt",
    [
        BoxPrompt.between((-15.0, -10.0, 10.0), (-5.0, -4.0, 31.0)),
        BoxPrompt.between((-15.0, -10.0, 10.0), (-5.0, -10.0, 31.0)),
        ClickPrompt((-5.0, -4.0, 20.0)),
    ],
    ids=["box in space", "box in a coronal slice", "click"],
)
def test_other_prompts_lie_in_no_slice(prompt):
    assert slice_of(prompt, GRID) is None
