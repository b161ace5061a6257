import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from FlareSegLib.base.geometry import Box
from FlareSegLib.base.run_options import RunOptions
from FlareSegLib.inference import windows
from FlareSegLib.inference.windows import (
    ZStep,
    holds_body,
    importance,
    plan,
    starts,
    wanted_neighbours,
)
from Testing.flare import FLARE
from Testing.model_facts import a_config

TUBES = tuple(organ.value for organ in FLARE.tubes)


WINDOW = (16, 24, 32)
AORTA, LIVER = 5, 1


def all_boxes(found):
    return [box for step in found.steps for box in (step.centre, *step.neighbours)]


def test_starts_of_the_worked_example():
    assert starts(110, 64, 0.5) == [0, 23, 46]


def test_one_start_where_the_window_is_longer():
    assert starts(10, 64, 0.5) == [0]


@given(st.integers(1, 400), st.integers(4, 96), st.floats(0, 0.9))
def test_starts_cover_the_length_with_the_overlap(length, window, overlap):
    found = starts(length, window, overlap)
    assert found[0] == 0
    assert found[-1] == max(0, length - window)
    gaps = np.diff(found)
    assert all(gap <= window * (1 - overlap) + 1 for gap in gaps)
    assert all(gap <= window for gap in gaps)


@settings(max_examples=60)
@given(
    st.tuples(*[st.integers(1, 90)] * 3),
    st.sampled_from(["fast", "balanced", "accurate"]),
    st.sampled_from([1, 2]),
)
def test_every_voxel_is_covered(shape, speed, stride):
    found = plan(shape, a_config(window=WINDOW, logits_stride=stride), RunOptions(speed=speed))
    covered = np.zeros(found.shape, bool)
    for box in all_boxes(found):
        assert box.shape == WINDOW
        assert all(start % stride == 0 for start in box.start)
        covered[box.slices] = True
    assert covered.all()
    assert all(n >= m for n, m in zip(found.shape, shape, strict=True))


def test_few_windows_are_laid_fine_and_many_coarse():
    config = a_config(window=WINDOW, fine_windows_limit=30)
    assert plan((20, 30, 40), config, RunOptions()).is_fine
    assert not plan((90, 90, 90), config, RunOptions()).is_fine
    assert not plan((20, 30, 40), config, RunOptions(speed="fast")).is_fine
    assert plan((90, 90, 90), config, RunOptions(speed="accurate")).is_fine


def test_the_centre_window_of_a_step_is_the_one_nearest_to_the_middle():
    found = plan((16, 72, 96), a_config(window=WINDOW, fine_windows_limit=999), RunOptions())
    assert found.steps[0].centre.start == (0, 24, 32)
    assert len(found.steps[0].neighbours) == 24


def test_z_steps_come_in_order():
    found = plan((90, 50, 50), a_config(window=WINDOW), RunOptions())
    tops = [step.centre.start[0] for step in found.steps]
    assert tops == sorted(tops)


def a_step():
    """Centre at (0, 24, 32) with neighbours in front, behind, left, right and in a corner."""
    places = [(0, 8, 32), (0, 40, 32), (0, 24, 8), (0, 24, 56), (0, 8, 8)]
    boxes = [Box((z, y, x), (z + 16, y + 24, x + 32)) for z, y, x in places]
    return ZStep(Box((0, 24, 32), (16, 48, 64)), tuple(boxes))


def test_an_empty_centre_needs_no_neighbours():
    labels = np.zeros(WINDOW, np.uint8)
    labels[:9, :10, :11] = LIVER  # 990 voxels, fewer than EMPTY_VOXELS
    assert list(wanted_neighbours(a_step(), labels, TUBES)) == []


def test_a_centre_with_an_organ_needs_all_neighbours():
    labels = np.zeros(WINDOW, np.uint8)
    labels[:10, :10, :11] = LIVER
    assert list(wanted_neighbours(a_step(), labels, TUBES)) == list(a_step().neighbours)


@pytest.mark.parametrize(("rows", "expected"), [((0, 12), (0, 8, 32)), ((12, 24), (0, 40, 32))])
def test_a_tube_is_followed_only_through_the_face_it_touches(rows, expected):
    labels = np.zeros(WINDOW, np.uint8)
    labels[:, rows[0] : rows[1], 10:20] = AORTA
    assert [box.start for box in wanted_neighbours(a_step(), labels, TUBES)] == [expected]


def test_a_tube_in_the_middle_needs_no_neighbours():
    labels = np.zeros(WINDOW, np.uint8)
    labels[:, 6:18, 10:20] = AORTA
    assert list(wanted_neighbours(a_step(), labels, TUBES)) == []


def test_counts_of_half_resolution_labels_are_scaled():
    labels = np.zeros((8, 12, 16), np.uint8)
    labels[:5, :5, :6] = LIVER  # 150 logits are 1200 voxels
    assert len(list(wanted_neighbours(a_step(), labels, TUBES, stride=2))) == 5


def test_windows_outside_the_body_hold_none():
    body = np.zeros((4, 4, 4), bool)
    body[:, :, 2:] = True
    assert not holds_body(Box((0, 0, 0), (40, 40, 20)), body, (40, 40, 40))
    assert holds_body(Box((0, 0, 0), (40, 40, 21)), body, (40, 40, 40))


def test_a_window_that_reaches_into_the_padding_is_judged_by_what_is_inside():
    body = np.ones((1, 1, 1), bool)
    assert holds_body(Box((30, 0, 0), (46, 24, 32)), body, (40, 20, 20))


@given(st.tuples(*[st.integers(1, 20)] * 3))
def test_importance_is_symmetric_positive_and_highest_in_the_middle(shape):
    weights = importance(shape)
    assert (weights > 0).all()
    assert np.allclose(weights, weights[::-1, ::-1, ::-1])
    assert weights.max() == weights[tuple(n // 2 for n in shape)]


def test_the_empty_limit_is_the_papers():
    assert windows.EMPTY_VOXELS == 1000


@given(st.tuples(*[st.integers(1, 900)] * 3))
def test_slabs_of_a_flat_network_cover_the_volume(shape):
    found = plan(shape, a_config(window=WINDOW, is_flat=True, logits_stride=2), RunOptions())
    z, y, x = found.window
    assert (y % 16, x % 16, z % 2) == (0, 0, 0)
    assert z * y * x <= max(windows.MOST_VOXELS, 3 * windows.SLAB_OVERLAP * y * x) + 2 * y * x
    assert (y, x) == found.shape[1:]
    assert y >= shape[1]
    assert x >= shape[2]
    tops = [step.centre.start[0] for step in found.steps]
    assert tops[0] == 0
    assert tops[-1] + z == found.shape[0] >= shape[0]
    assert all(a + z - b >= windows.SLAB_OVERLAP - 2 for a, b in itertools.pairwise(tops))


@given(st.integers(1, 900))
def test_seams_part_the_slices_in_the_middle_of_what_slabs_share(depth):
    config = a_config(window=WINDOW, is_flat=True, logits_stride=2)
    found = plan((depth, 200, 260), config, RunOptions())
    seams = found.seams(2)
    assert [a for a, _ in seams[1:]] == [b for _, b in seams[:-1]]
    assert (seams[0][0], seams[-1][1]) == (0, found.shape[0] // 2)
    for step, (first, last) in zip(found.steps, seams, strict=True):
        top = step.centre.start[0] // 2
        assert top <= first < last <= top + found.window[0] // 2
