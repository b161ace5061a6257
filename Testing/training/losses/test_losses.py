import math

import pytest

torch = pytest.importorskip("torch", reason="extra train is not installed")

from training.losses import terms  # noqa: E402

pytestmark = pytest.mark.torch


def one_hot(labels, classes=14):
    return torch.nn.functional.one_hot(labels, classes).movedim(-1, 1).float()


def some_labels(shape=(1, 8, 8, 8)):
    labels = torch.zeros(shape, dtype=torch.long)
    labels[:, 2:6, 2:6, 2:6] = 1
    labels[:, 6:, 6:, 6:] = 4
    return labels


def test_dice_loss_of_a_perfect_student_is_near_zero_and_of_a_wrong_one_near_one():
    truth = one_hot(some_labels())
    right = terms.soft_dice(truth, truth)
    wrong = terms.soft_dice(one_hot(torch.zeros_like(some_labels())), truth)
    # classes 1 and 4 of 13 are there: 2 * 64 / 129 and 2 * 8 / 17; the 11 absent ones cost nothing
    assert float(right) == pytest.approx((1 - 128 / 129 + 1 - 16 / 17) / 13, abs=1e-6)
    assert float(wrong) == pytest.approx(2 / 13)


def test_claiming_an_absent_organ_costs():
    truth = one_hot(torch.zeros(1, 8, 8, 8, dtype=torch.long))
    claimed = one_hot(torch.full((1, 8, 8, 8), 5))
    assert float(terms.soft_dice(truth, truth)) == 0
    assert float(terms.soft_dice(claimed, truth)) == pytest.approx(512 / 612 / 13)


def test_squared_dice_is_least_at_a_soft_truth():
    truth = torch.full((1, 2, 4, 4, 4), 0.5)
    sure = torch.zeros(1, 2, 4, 4, 4)
    sure[:, 1] = 1
    equal = terms.soft_dice(truth, truth, is_squared=True)
    # 2 * 64 / 4 over 2 * 64 / 4 + 1
    assert float(equal) == pytest.approx(1 - 32 / 33)
    assert float(equal) < float(terms.soft_dice(sure, truth, is_squared=True))
    assert float(terms.soft_dice(sure, truth)) < float(terms.soft_dice(truth, truth))


def test_dice_plus_cross_entropy_by_hand():
    # two voxels, two classes; p(class 1) = 0.75 and 0.25, the truth is 1 and 0
    logits = torch.zeros(1, 2, 1, 1, 2)
    logits[0, 1, 0, 0] = torch.tensor([math.log(3.0), -math.log(3.0)])
    labels = torch.tensor([[[[1, 0]]]])
    dice = terms.soft_dice(logits.softmax(1), one_hot(labels, 2))
    # one voxel of truth is no more than 1: the class counts as absent, total = 1 + 1
    assert float(dice) == pytest.approx(2 / 102)
    assert float(terms.dice_ce(logits, labels)) == pytest.approx(2 / 102 - math.log(0.75), abs=1e-6)


def test_an_unlabelled_class_is_put_into_background():
    logs = torch.tensor([0.5, 0.3, 0.2]).log().reshape(1, 3, 1, 1, 1)
    merged = terms.merged(logs, torch.tensor([[True, False, True]])).exp().ravel()
    assert merged.tolist() == pytest.approx([0.8, 0.0, 0.2], abs=1e-6)


def test_naming_an_unlabelled_organ_costs_nothing_and_naming_a_labelled_one_does():
    labels = torch.zeros(1, 4, 4, 4, dtype=torch.long)
    named = torch.full((1, 14, 4, 4, 4), -20.0)
    named[:, 3] = 20.0  # the spleen everywhere
    without_spleen, all_known = torch.ones(1, 14, dtype=torch.bool), torch.ones(1, 14).bool()
    without_spleen[:, 3] = False
    assert float(terms.dice_ce(named, labels, without_spleen)) == pytest.approx(0, abs=1e-5)
    assert float(terms.dice_ce(named, labels, all_known)) > 30


def test_partial_labels_of_one_case_do_not_touch_the_other():
    logits = torch.zeros(2, 3, 2, 2, 2, requires_grad=True)
    labels = torch.zeros(2, 2, 2, 2, dtype=torch.long)
    known = torch.tensor([[True, False, True], [True, True, True]])
    terms.dice_ce(logits, labels, known).backward()
    pushed = logits.grad.sum((2, 3, 4))
    assert float(pushed[0, 1]) < 0  # merged: class 1 rises with background
    assert float(pushed[1, 1]) > 0  # known: class 1 is wrong there


def test_with_all_classes_known_partial_loss_is_the_plain_one():
    torch.manual_seed(1)
    logits = torch.randn(2, 14, 8, 8, 8)
    labels = some_labels((2, 8, 8, 8))
    everything = torch.ones(2, 14, dtype=torch.bool)
    plain, partial = terms.dice_ce(logits, labels), terms.dice_ce(logits, labels, everything)
    assert float(partial) == pytest.approx(float(plain), abs=1e-5)


def test_deep_supervision_halves_each_level():
    found = terms.deep_supervision([torch.tensor(4.0), torch.tensor(2.0), torch.tensor(1.0)])
    assert float(found) == pytest.approx((4 + 2 / 2 + 1 / 4) / 1.75)
