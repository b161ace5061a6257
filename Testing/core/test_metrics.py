"""DSC: hand-worked numbers and properties."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from FlareSegLib.labels import BY_KEY, ORGANS
from FlareSegLib.metrics import dice, dice_per_organ

masks = hnp.arrays(np.bool_, (2, 3, 5))
labelmaps = hnp.arrays(np.uint8, (2, 3, 5), elements=st.integers(0, 4))


def test_dice_of_two_overlapping_boxes():
    truth = np.zeros((3, 5, 7), np.bool_)
    pred = truth.copy()
    truth[0:2, 0:3, 0:4] = True  # 24 voxels
    pred[1:3, 0:3, 1:4] = True  # 18 voxels; both: 1 x 3 x 3 = 9
    assert dice(truth, pred) == pytest.approx(2 * 9 / (24 + 18))


def test_dice_is_one_if_both_are_empty_and_zero_if_one_is():
    empty, full = np.zeros((1, 2, 3), np.bool_), np.ones((1, 2, 3), np.bool_)
    assert dice(empty, empty) == 1.0
    assert dice(empty, full) == 0.0
    assert dice(full, empty) == 0.0


@given(masks, masks)
def test_dice_is_symmetric_and_one_only_for_equals(truth, pred):
    assert dice(truth, pred) == dice(pred, truth)
    assert 0 <= dice(truth, pred) <= 1
    assert (dice(truth, pred) == 1) == np.array_equal(truth, pred)


def test_each_organ_is_compared_on_its_own():
    truth = np.array([[[1, 1, 1, 3, 0]]], np.uint8)
    pred = np.array([[[1, 1, 0, 1, 9]]], np.uint8)
    organs = tuple(BY_KEY[key] for key in ("liver", "spleen", "gallbladder", "stomach"))
    assert dice_per_organ(truth, pred, organs) == {
        "liver": pytest.approx(2 * 2 / (3 + 3)),
        "spleen": 0.0,  # missed
        "gallbladder": 0.0,  # invented
        "stomach": None,  # neither has it
    }


@given(labelmaps, labelmaps)
def test_dice_per_organ_agrees_with_dice(truth, pred):
    for organ in ORGANS:
        a, b = truth == organ.value, pred == organ.value
        expected = dice(a, b) if a.any() or b.any() else None
        assert dice_per_organ(truth, pred, (organ,))[organ.key] == expected


def test_different_shapes_are_refused():
    with pytest.raises(ValueError, match=r"\(1, 2, 3\) and prediction \(1, 3, 2\)"):
        dice_per_organ(np.zeros((1, 2, 3), np.uint8), np.zeros((1, 3, 2), np.uint8), ORGANS)
    with pytest.raises(ValueError, match="differ in shape"):
        dice(np.zeros((1, 2, 3), np.bool_), np.zeros((1, 1, 3), np.bool_))
