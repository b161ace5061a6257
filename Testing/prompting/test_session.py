"""A thing from prompts: what must be true whatever the network is."""

from dataclasses import replace

import numpy as np
import pytest

from FlareSegLib.base.errors import InputError
from FlareSegLib.base.geometry import Labelmap, Volume
from FlareSegLib.prompting.prompts import BoxPrompt
from FlareSegLib.prompting.session import Session
from Testing.prompting.things import (
    BALL,
    BALL_ML,
    CENTRE_RAS,
    CONFIG,
    RADIUS,
    SHAPE,
    Bright,
    ball,
    box,
    flat_box,
)

TURNED = {
    "first axis reversed": ((0.0, 0.0, -1.0), (0.0, 1.0, 0.0), (1.0, 0.0, 0.0)),
    "axes in another order": ((1.0, 0.0, 0.0), (0.0, 0.0, 1.0), (0.0, -1.0, 0.0)),
    "oblique by 12 degrees": (
        (0.0, -0.20791, 0.97815),
        (0.0, 0.97815, 0.20791),
        (1.0, 0.0, 0.0),
    ),
}


@pytest.fixture
def session() -> Session:
    return Session(ball(), Bright())


def painted(session: Session, volume) -> np.ndarray:
    labelmap = Labelmap(np.zeros(volume.grid.shape, np.uint8), volume.grid)
    session.found.write(labelmap)
    return labelmap.array


def test_a_box_gives_the_ball_on_the_grid_of_the_ct(session):
    found = session.box(*box(2))
    truth = ball().array == BALL
    mask = painted(session, ball())
    overlap = 2 * np.sum(mask & truth) / (mask.sum() + truth.sum())
    assert overlap > 0.97
    assert found.ml == pytest.approx(BALL_ML, rel=0.05)


@pytest.mark.parametrize("direction", TURNED.values(), ids=TURNED)
def test_a_turned_ct_gives_the_same_mask(direction):
    straight, turned = Session(ball(), Bright()), Session(ball(direction), Bright())
    straight.box(*box(2))
    turned.box(*box(2))
    a, b = painted(straight, ball()), painted(turned, ball(direction))
    assert np.count_nonzero(a != b) <= 0.01 * np.count_nonzero(a)


def test_a_loose_box_is_looked_at_twice_again_halfway_to_what_was_found():
    network = Bright()
    found = Session(ball(), network).box(*box(6))
    boxes = [np.count_nonzero(shown[3]) for shown in network.shown]
    assert boxes == pytest.approx([boxes[0]] * 3, rel=0.15), "crops grow with their box"
    wide, close, closest = (np.count_nonzero(shown[1] > 0.1) for shown in network.shown)
    assert wide * 1.3 < close <= closest
    assert [shown[4].any() for shown in network.shown] == [False, True, True], "the former mask"
    np.testing.assert_allclose(found.extent.size, 2 * (RADIUS + 6))


class Shy(Bright):
    """Finds the ball at the first look, and a part of it at the second."""

    def __call__(self, channels):
        logits = super().__call__(channels)
        if len(self.shown) == 2:
            logits[:, :, 28:] = -1
        return logits


def test_a_click_is_looked_at_twice_the_second_time_closer_and_with_the_mask_in_view():
    network = Bright()
    session = Session(ball(), network)
    session.box(*box(6))
    del network.shown[:]
    session.click(CENTRE_RAS)
    first, second = network.shown
    assert all(shown[4].any() and shown[5].max() == 1 for shown in (first, second))
    assert np.count_nonzero(second[1] > 0.1) >= np.count_nonzero(first[1] > 0.1)
    np.testing.assert_allclose(session.found.extent.size, 2 * (RADIUS + 6))


def test_a_second_look_does_not_count_if_it_fills_the_box_less():
    found = Session(ball(), Shy()).box(*box(6))
    assert found.ml == pytest.approx(BALL_ML, rel=0.06)


def test_corners_may_come_in_any_order(session):
    low, high = box(2)
    first = session.box(low, high).mask
    np.testing.assert_array_equal(session.box(high, low).mask, first)


def test_a_box_of_one_slice_has_its_depth_found(session):
    low, high = (list(corner) for corner in box(2))
    low[2] = high[2] = CENTRE_RAS[2]
    assert session.box(low, high).ml == pytest.approx(BALL_ML, rel=0.06)


class Cross(Bright):
    """A network of one slice: what is bright in the right half of its crop, then what it found."""

    config = replace(CONFIG, grid=(2, 96, 96))

    def __call__(self, channels):
        logits = super().__call__(channels)
        logits[:, :, :48] = -1
        if channels[4].any():
            logits = channels[4] * 2 - 1
        return np.where(channels[5] > 0.5, 1.0, logits).astype(np.float32)


def test_a_box_in_one_slice_has_its_slice_from_the_network_of_one_slice():
    network = Bright()
    network.one_slice = Cross()
    plain = Session(ball(), Bright()).box(*flat_box(2))
    found = Session(ball(), network).box(*flat_box(2))
    there, before = full(found), full(plain)
    assert (there != before).any((1, 2)).nonzero()[0].tolist() == [30]
    assert 0.4 < there[30].sum() / before[30].sum() < 0.6
    first, second = network.one_slice.shown
    for shown in (first, second):
        np.testing.assert_allclose(shown[:, 0], shown[:, 1], atol=1e-3)
    assert not first[4].any()
    assert second[4].any(), "what was found before"
    wide, close = (np.count_nonzero(shown[1, 0] > 0.1) for shown in (first, second))
    assert close > 1.05 * wide, "the box lies halfway to what was found"


def test_a_click_in_the_slice_of_the_box_is_shown_to_the_network_of_one_slice():
    network = Bright()
    network.one_slice = slices = Cross()
    session = Session(ball(), network)
    before = session.box(*flat_box(2))
    x, y, z = CENTRE_RAS
    session.click((x + 7, y, z + 8))
    assert len(slices.shown) == 2, "a click four slices above leaves the slice as it is"
    after = session.click((x + 7, y, z))
    (shown,) = slices.shown[2:]
    assert shown[5].max() == 1
    assert shown[4].any(), "the former mask"
    gained = after.mask[30 - after.box.start[0]].sum() - before.mask[30 - before.box.start[0]].sum()
    assert gained > 0
    session.undo()
    assert np.array_equal(session.undo().mask, before.mask)


def test_the_network_of_one_slice_is_opened_where_it_is_needed():
    class Closed(Bright):
        @property
        def one_slice(self):
            raise AssertionError("opened")

    session = Session(ball(), Closed())
    session.box(*box())
    session.click(CENTRE_RAS)
    with pytest.raises(AssertionError, match="opened"):
        session.box(*flat_box(2))


def test_no_slice_of_a_box_in_space_is_looked_at_where_what_was_found_fills_it():
    network = Bright()
    network.one_slice = Cross()
    Session(ball(), network).box(*box())
    assert not network.one_slice.shown


class Dim(Bright):
    """Finds the lower part of the ball alone."""

    def __call__(self, channels):
        logits = super().__call__(channels)
        logits[:, 34:] = -1
        return logits


def full(found):
    mask = np.zeros(SHAPE, bool)
    mask[found.box.slices] = found.mask
    return mask


def test_without_growth_a_box_of_one_slice_is_looked_at_and_once_closer():
    network = Bright()
    low, high = (list(corner) for corner in box(-7))
    low[2] = high[2] = CENTRE_RAS[2]
    Session(ball(), network, grow=False).box(low, high)
    assert len(network.shown) == 2


def test_a_line_gives_the_ball(session):
    ends = [(CENTRE_RAS[0] + side * RADIUS, *CENTRE_RAS[1:]) for side in (-1, 1)]
    assert session.line(*ends).ml == pytest.approx(BALL_ML, rel=0.06)


def test_a_first_click_grows_to_the_ball(session):
    assert session.click(CENTRE_RAS).ml == pytest.approx(BALL_ML, rel=0.06)


def test_the_voxel_of_a_click_obeys(session):
    """Whatever the network says: this one does not look at clicks."""
    session.box(*box(2))
    inside, outside = CENTRE_RAS, (CENTRE_RAS[0] + RADIUS + 4, *CENTRE_RAS[1:])
    for at, side in ((inside, False), (outside, True)):
        session.click(at, inside=side)
        mask = painted(session, ball())
        grid = ball().grid
        lps = np.array(at) * (-1, -1, 1) - np.array(grid.origin)
        index = np.rint(np.array(grid.direction) @ lps / np.array(grid.spacing_mm)).astype(int)
        assert bool(mask[tuple(index)]) is side


def test_clicks_and_the_former_mask_are_shown_to_the_network():
    network = Bright()
    session = Session(ball(), network)
    session.box(*box(2))
    session.click(CENTRE_RAS, inside=True)
    session.click((CENTRE_RAS[0] + 18, *CENTRE_RAS[1:]), inside=False)
    first, last = network.shown[0], network.shown[-1]
    assert first[4:].max() == 0
    assert last[4].sum() > 1000
    assert last[5].max() == pytest.approx(1)
    assert last[6].max() == pytest.approx(1)


def test_undo_and_redo_give_the_same_bits(session):
    states = [session.box(*box(2))]
    states += [session.click((CENTRE_RAS[0] + d, *CENTRE_RAS[1:])) for d in (17, 19, 60)]
    for state in reversed(states[:-1]):
        np.testing.assert_array_equal(session.undo().mask, state.mask)
    assert session.undo() is None
    assert session.undo() is None
    for state in states:
        np.testing.assert_array_equal(session.redo().mask, state.mask)
    assert session.redo() is states[-1]


def test_a_prompt_after_undo_forgets_what_could_be_redone(session):
    session.box(*box(2))
    session.click(CENTRE_RAS)
    session.undo()
    new = session.click(CENTRE_RAS, inside=False)
    assert session.redo() is new


def test_others_keep_their_voxels_unless_told_otherwise(session):
    found = session.box(*box(2))
    labelmap = Labelmap(np.full(ball().grid.shape, 7, np.uint8), ball().grid)
    found.write(labelmap, 1)
    assert set(np.unique(labelmap.array)) == {7}
    found.write(labelmap, 1, keep_others=False)
    assert np.count_nonzero(labelmap.array == 1) == np.count_nonzero(found.mask)


def test_writing_again_clears_the_former_voxels(session):
    labelmap = Labelmap(np.zeros(ball().grid.shape, np.uint8), ball().grid)
    session.box(*box(2)).write(labelmap, 3)
    found = session.click(CENTRE_RAS, inside=False)
    found.write(labelmap, 3)
    assert np.count_nonzero(labelmap.array == 3) == np.count_nonzero(found.mask)


def test_an_oriented_box_is_taken_along_the_axes_of_an_oblique_ct():
    direction = TURNED["oblique by 12 degrees"]
    axes = tuple(tuple(np.array(row) * (-1, -1, 1)) for row in direction)
    network = Bright()
    Session(ball(direction), network).prompt(BoxPrompt(CENTRE_RAS, (20.0, 30.0, 40.0), axes))
    shown = network.shown[0][3]
    sides = [np.count_nonzero(shown.any(axis=other)) for other in ((1, 2), (0, 2), (0, 1))]
    assert sides[0] == pytest.approx(32 / 1.5, abs=1.1)
    assert sides[1] == pytest.approx(64 / 1.5 * 30 / 40, abs=1.1)
    assert sides[2] == pytest.approx(64 / 1.5, abs=1.1)


@pytest.mark.parametrize(
    ("low", "high", "said"),
    [
        ((500, 0, 0), (520, 20, 20), "outside of the CT"),
        ((0, 0, 0), (0, 0, 0), "has a size of"),
        ((float("nan"), 0, 0), (1, 1, 1), "finite"),
        ((-900, -900, -900), (900, 900, 900), "larger than the CT"),
        ((-90, -80, -20), (90, 80, 20), "holds the whole body"),
    ],
)
def test_a_box_that_cannot_be_is_told_in_one_line(session, low, high, said):
    if said != "outside of the CT" and said != "finite":
        low, high = (tuple(np.add(c, CENTRE_RAS)) for c in (low, high))
    with pytest.raises(InputError, match=said) as caught:
        session.box(low, high)
    assert "\n" not in str(caught.value)
    assert session.found is None


def test_a_box_of_a_whole_body_in_air_is_told_with_both_sizes():
    whole = ball()
    hu = np.full_like(whole.array, -1000)
    hu[:, 20:70, 20:80] = whole.array[:, 20:70, 20:80]
    hu[:, 80:82] = 40  # the table is no part of the body
    session = Session(Volume(hu, whole.grid), Bright())
    low, high = (np.add(CENTRE_RAS, s * np.array([50, 42, 20])) for s in (-1, 1))
    with pytest.raises(InputError, match=r"100 x 84 mm .* body \(88 x 74 mm\)"):
        session.box(low, high)
    assert not session.box(np.add(low, (8, 0, 0)), high).is_empty


def test_a_first_click_outside_is_an_error(session):
    with pytest.raises(InputError, match="first click"):
        session.click(CENTRE_RAS, inside=False)


def test_a_line_without_length_is_an_error(session):
    with pytest.raises(InputError, match="long: draw it across"):
        session.line(CENTRE_RAS, CENTRE_RAS)


def test_a_click_outside_of_the_ct_is_an_error_and_changes_nothing(session):
    before = session.box(*box(2))
    with pytest.raises(InputError, match="outside of the CT"):
        session.click((999.0, 0.0, 0.0))
    assert session.found is before
