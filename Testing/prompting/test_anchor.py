"""A mask in space against that in a slice: how alike they are, where to click, what comes of it."""

from dataclasses import replace

import numpy as np
import pytest

from FlareSegLib.base.geometry import Box, Grid
from FlareSegLib.prompting import anchor
from FlareSegLib.prompting.found import Found
from FlareSegLib.prompting.one_slice import Slice
from FlareSegLib.prompting.prompts import Extent
from FlareSegLib.prompting.session import Session
from Testing.prompting.things import BALL_ML, CENTRE_RAS, CONFIG, Bright, ball, box, flat_box

GRID = Grid((10, 20, 20), (2.0, 1.0, 1.0))


def in_space(*parts, start=(3, 2, 4)) -> Found:
    """Return a mask of 4 x 10 x 12 voxels, True in some parts."""
    mask = np.zeros((4, 10, 12), bool)
    for part in parts:
        mask[part] = True
    box_ = Box(start, tuple(a + n for a, n in zip(start, mask.shape, strict=True)))
    return Found(mask, box_, GRID, Extent((0, 0, 0), (1, 1, 1)))


def in_slice(z: int, *parts) -> Slice:
    """Return a mask of 10 x 12 pixels in a slice, True in some parts, two rows further down."""
    mask = np.zeros((1, 10, 12), bool)
    for part in parts:
        mask[0][part] = True
    return Slice(mask, Box((z, 4, 4), (z + 1, 14, 16)))


def test_agreement_is_the_dice_of_the_slice_alone():
    found = in_space(np.s_[1, 2:6, 2:6], np.s_[2])
    assert anchor.agreement(found, in_slice(4, np.s_[0:4, 2:6])) == 1.0
    assert anchor.agreement(found, in_slice(4, np.s_[2:6, 2:6])) == pytest.approx(0.5)
    assert anchor.agreement(found, in_slice(9, np.s_[0:4, 2:6])) == 0.0, "beyond the mask"
    assert anchor.agreement(in_space(), in_slice(4)) == 1.0, "both are empty"


@pytest.mark.parametrize(
    ("known", "pixel", "inside"),
    [
        ((np.s_[0:4, 2:6], np.s_[5:8, 7:12], np.s_[6, 0:7]), (4, 10, 13), True),
        ((np.s_[0:4, 2:3],), (4, 5, 8), False),
    ],
    ids=["of the slice alone", "in space alone"],
)
def test_a_click_lies_where_the_masks_differ_most_deeply(known, pixel, inside):
    found = in_space(np.s_[1, 2:6, 2:6])
    click = anchor.click(found, in_slice(4, *known))
    z, y, x = pixel
    assert click.inside is inside
    assert click.at == pytest.approx((-x, -y, 2.0 * z), abs=1.01)
    assert click.at[2] == 2.0 * z


class Waiting(Bright):
    """Finds but the front half of the ball until someone clicks into it."""

    def __call__(self, channels):
        logits = super().__call__(channels)
        if not channels[5].any():
            logits[:, logits.shape[1] // 2 :] = -5
        return logits


def with_slice() -> Waiting:
    network = Waiting()
    network.one_slice = Bright()
    network.one_slice.config = replace(CONFIG, grid=(2, 96, 96))
    return network


@pytest.mark.parametrize("corners", [flat_box(2), box(1)], ids=["flat box", "box in space"])
def test_what_is_missed_is_found_by_a_click_of_the_slice(corners):
    missed = Session(ball(), Waiting()).box(*corners)
    assert missed.ml < 0.6 * BALL_ML
    network = with_slice()
    session = Session(ball(), network)
    found = session.box(*corners)
    assert found.ml == pytest.approx(BALL_ML, rel=0.06)
    assert [type(prompt).__name__ for prompt in found.prompts] == ["BoxPrompt"]
    assert np.allclose(found.extent.size, missed.extent.size, atol=4)
    session.click(CENTRE_RAS)
    assert len(session.found.prompts) == 2
    assert session.undo().prompts == found.prompts


def test_a_slice_that_agrees_does_not_click():
    network = Bright()
    network.one_slice = with_slice().one_slice
    Session(ball(), network).box(*flat_box(2))
    assert not any(shown[5].any() or shown[6].any() for shown in network.shown)
