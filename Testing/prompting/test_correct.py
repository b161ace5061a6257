"""An organ that was there before, corrected by clicks: what is true whatever the network is."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import ndimage

from FlareSegLib.base.errors import InputError
from FlareSegLib.base.geometry import Labelmap, Volume
from FlareSegLib.prompting import correct
from FlareSegLib.prompting.prompt_report import row_of
from FlareSegLib.prompting.prompts import in_world
from FlareSegLib.prompting.session import Session
from Testing.prompting.test_session import TURNED, full
from Testing.prompting.things import BALL, BALL_ML, CONFIG, SHAPE, SPACING, Bright, ball

ORGAN, OTHER = 4, 7
INSIDE, OUTSIDE = (30, 45, 46), (30, 45, 33)
"""Voxels of a click into the half of the ball that is missing, and into what is too much."""


def network() -> Bright:
    made = Bright()
    made.correction = Bright()
    return made


def half(inside: bool) -> np.ndarray:
    """Return labels of an organ that lacks half of the ball, or has all beside it; and a stray."""
    mask = ball().array == BALL
    mask[:, :, :50] = not inside
    mask[5:8, 5:8, 90:95] = True
    return mask.astype(np.uint8) * ORGAN


def begun(labels: np.ndarray, volume: Volume | None = None, **more) -> Session:
    volume = volume or ball()
    session = Session(volume, network())
    session.start(Labelmap(labels, volume.grid), ORGAN, **more)
    return session


def at(voxel, session: Session):
    return in_world(np.array(voxel) * np.array(SPACING), session.grid)


@pytest.mark.parametrize("inside", [True, False])
def test_a_click_changes_one_piece_near_it_and_to_its_side_alone(inside):
    labels, voxel = half(inside), INSIDE if inside else OUTSIDE
    session = begun(labels)
    before = full(session.found)
    np.testing.assert_array_equal(before, labels == ORGAN)
    after = full(session.click(at(voxel, session), inside=inside))
    changed = before != after
    assert after[voxel] == inside
    assert changed.sum() > 100
    assert np.all(after[changed] == inside)
    assert ndimage.label(changed)[1] == 1
    z, y, x = (np.argwhere(changed) - voxel).T * np.array(SPACING)[:, None]
    assert np.sqrt(z**2 + y**2 + x**2).max() <= correct.REACH_MM
    truth = ball().array == BALL
    wrong_before, wrong_after = (np.count_nonzero(mask != truth) for mask in (before, after))
    assert wrong_after < wrong_before


def test_the_network_is_shown_a_cube_about_the_click_the_organ_and_the_last_click_alone():
    session = begun(half(True))
    session.click(at(INSIDE, session))
    session.click(at(OUTSIDE, session), inside=False)
    first, last = session._network.correction.shown
    assert session._network.shown == [], "the network of boxes has no say"
    for shown, plus in ((first, True), (last, False)):
        assert shown[4].any(), "the organ"
        assert (shown[5].max() == 1, shown[6].max() == 1) == (plus, not plus)
        share = np.count_nonzero(shown[3]) / shown[3].size
        assert share == pytest.approx(1 / CONFIG.ratio**3, rel=0.15)
    side = correct.SIDE_MM * CONFIG.ratio
    in_ball = np.count_nonzero(first[1] > 0.1) / first[1].size
    assert in_ball == pytest.approx(BALL_ML * 1000 / side**3, rel=0.1)


def test_a_piece_that_does_not_hold_the_click_stays_as_it_was():
    array, labels = ball().array.copy(), half(True)
    apart = (slice(28, 33), slice(43, 48), slice(32, 34))  # beside the ball, near the click
    array[apart] = BALL
    session = begun(labels, Volume(array, ball().grid))
    voxel = (30, 45, 42)
    after = full(session.click(at(voxel, session)))
    assert np.hypot(10 * SPACING[2], 2 * SPACING[1]) < correct.REACH_MM
    assert after[30, 45, 44]
    assert not after[apart].any()


class Unsure(Bright):
    """Says inside, and is not sure of it."""

    def __call__(self, channels):
        return np.full(channels.shape[1:], correct.SURE * 0.9, np.float32)


def test_what_the_network_is_not_sure_of_stays_as_it_was():
    session = begun(half(True))
    session._network.correction = Unsure()
    assert session.click(at(INSIDE, session)).flags == ("little_changed",)
    session.undo()
    session._network.correction = Bright()
    assert session.click(at(INSIDE, session)).flags == ()


def test_a_click_between_thick_slices_counts_in_the_nearest():
    grid = replace(ball().grid, spacing_mm=(6.0, 1.5, 1.5))
    session = begun(half(True), Volume(ball().array, grid))
    z, y, x = INSIDE
    point = in_world(np.array((z + 0.4, y, x)) * grid.spacing_mm, session.grid)
    found = session.click(point)
    assert full(found)[INSIDE]
    assert found.flags == ()
    session.undo()
    session._network.correction = Unsure()
    assert full(session.click(point))[INSIDE], "2.4 mm away, and the network does not want it"


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_a_ct_turned_round_gives_the_same_voxels(axis):
    straight, (array, grid) = begun(half(True)), (ball().array, ball().grid)
    ends = [0.0, 0.0, 0.0]
    ends[axis] = grid.shape[axis] - 1.0
    direction = [tuple(-v if i == axis else v for v in row) for i, row in enumerate(grid.direction)]
    turned = replace(grid, origin=grid.to_world(tuple(ends)), direction=tuple(direction))
    volume = Volume(np.flip(array, axis), turned)
    other = begun(np.flip(half(True), axis), volume)
    point = at(INSIDE, straight)
    np.testing.assert_array_equal(full(straight.click(point)), full(other.click(point)))


def test_an_oblique_ct_gives_the_same_volume():
    oblique = ball(TURNED["oblique by 12 degrees"])
    sessions = begun(half(True)), begun(half(True), oblique)
    one, two = (session.click(at(INSIDE, session)) for session in sessions)
    assert one.ml == pytest.approx(two.ml, rel=0.01)


def test_voxels_of_others_are_never_added_unless_that_is_allowed():
    labels = half(True)
    labels[:, :40][:, :, :50] = OTHER
    session = begun(labels.copy())
    after = full(session.click(at(INSIDE, session)))
    assert not after[labels == OTHER].any()
    assert after[(labels == 0)].any()
    free = begun(labels.copy(), keep_others=False)
    assert full(free.click(at(INSIDE, free)))[labels == OTHER].any()


def test_a_click_into_another_organ_is_an_error_that_changes_nothing():
    labels = half(True)
    labels[25:36, 40:50, 40:50] = OTHER
    session = begun(labels)
    before = session.found
    with pytest.raises(InputError, match="another organ, which keeps"):
        session.click(at(INSIDE, session))
    assert session.found is before
    session.click(at(INSIDE, session), inside=False)


def test_a_later_click_leaves_alone_what_an_earlier_one_said():
    session = begun(half(True))
    session.click(at((30, 45, 48), session), inside=False)
    after = full(session.click(at(INSIDE, session)))
    assert after[INSIDE]
    assert not after[30, 45, 48]


def test_a_click_that_changes_its_own_point_alone_is_flagged():
    session = begun(half(True))
    found = session.click(at((30, 10, 10), session))
    assert 0 < found.ml - begun(half(True)).found.ml < 0.05
    assert found.flags == ("little_changed",)
    row = row_of(found, session.volume, "liver", 1, 0.0)
    assert "little_changed" in row.flags
    assert "its own point alone" in row.notes
    assert session.click(at(INSIDE, session)).flags == ()


@pytest.mark.parametrize(
    ("first", "last", "touches"),
    [((0, 40, 40), (9, 49, 49), True), ((50, 40, 91), (59, 49, 99), True),
     ((1, 1, 1), (58, 88, 98), False)],
)  # fmt: skip
def test_an_organ_that_reaches_the_edge_of_the_ct_is_flagged(first, last, touches):
    labels = np.zeros(SHAPE, np.uint8)
    labels[tuple(slice(a, b + 1) for a, b in zip(first, last, strict=True))] = ORGAN
    session = begun(labels)
    row = row_of(session.found, session.volume, "liver", 1, 0.0)
    assert ("touches_border" in row.flags) is touches


def test_undo_and_redo_are_exact_back_to_the_organ_as_it_was():
    session = begun(half(True))
    states = [session.found, session.click(at(INSIDE, session))]
    states.append(session.click(at(OUTSIDE, session), inside=False))
    assert [session.undo(), session.undo()] == states[1::-1]
    assert session.undo() is None
    assert [session.redo() for _ in states] == states


def test_it_is_written_into_its_own_voxels_and_free_ones():
    labels = half(True)
    labels[:, :20] = OTHER
    labelmap = Labelmap(labels.copy(), ball().grid)
    session = Session(ball(), network())
    session.start(labelmap, ORGAN)
    found = session.click(at(INSIDE, session))
    found.write(labelmap, ORGAN)
    np.testing.assert_array_equal(labelmap.array == ORGAN, full(found))
    np.testing.assert_array_equal(labelmap.array == OTHER, labels == OTHER)


def test_a_box_after_it_begins_another_thing():
    session = begun(half(True))
    session.click(at(INSIDE, session))
    found = session.box(at((20, 34, 39), session), at((41, 57, 62), session))
    assert not full(found)[5:8, 5:8, 90:95].any()


def test_what_cannot_be_corrected_is_told():
    volume, labels = ball(), half(True)
    with pytest.raises(InputError, match="corrects nothing"):
        Session(volume, Bright()).start(Labelmap(labels, volume.grid), ORGAN)
    session = Session(volume, network())
    with pytest.raises(InputError, match="value 9 is not in the labelmap"):
        session.start(Labelmap(labels, volume.grid), 9)
    for grid in (
        replace(volume.grid, origin=(0.0, 0.0, 0.0)),
        replace(volume.grid, spacing_mm=(2.5, 1.5, 1.5)),
    ):
        with pytest.raises(InputError, match="another grid"):
            session.start(Labelmap(labels, grid), ORGAN)
    assert session.found is None
    assert labels.shape == SHAPE
