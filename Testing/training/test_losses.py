import pytest

torch = pytest.importorskip("torch", reason="extra train is not installed")

from training import losses  # noqa: E402

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
    right = losses.soft_dice(truth, truth)
    wrong = losses.soft_dice(one_hot(torch.zeros_like(some_labels())), truth)
    # classes 1 and 4 of 13 are there: 2 * 64 / 129 and 2 * 8 / 17; the 11 absent ones cost nothing
    assert float(right) == pytest.approx((1 - 128 / 129 + 1 - 16 / 17) / 13, abs=1e-6)
    assert float(wrong) == pytest.approx(2 / 13)


def test_claiming_an_absent_organ_costs():
    truth = one_hot(torch.zeros(1, 8, 8, 8, dtype=torch.long))
    claimed = one_hot(torch.full((1, 8, 8, 8), 5))
    assert float(losses.soft_dice(truth, truth)) == 0
    assert float(losses.soft_dice(claimed, truth)) == pytest.approx(512 / 612 / 13)


def test_distillation_is_least_where_the_student_equals_the_teacher():
    torch.manual_seed(0)
    teacher = torch.randn(2, 14, 4, 4, 4) * 3
    soft = teacher.softmax(1)
    same = losses.distillation(teacher, soft)
    assert float(same) < float(losses.distillation(teacher + torch.randn_like(teacher), soft))
    divergence = float(same) - float(losses.soft_dice(soft, soft))
    assert divergence == pytest.approx(0, abs=1e-5)


def test_hard_loss_looks_at_the_block_through_the_interpolation():
    # logits that are sure of a half-space give full-resolution labels of the same half-space
    logits = torch.zeros(1, 14, 8, 8, 8)
    logits[:, 0] = 20
    logits[:, 1, :, :, 4:] = 40
    labels = torch.zeros(1, 16, 16, 16, dtype=torch.long)
    labels[..., 8:] = 1
    right = losses.hard(logits, labels, (2, 2, 2))
    assert float(right) < float(losses.hard(logits, 1 - labels, (2, 2, 2)))
    assert float(right) < 0.1


def test_hard_loss_moves_only_the_block():
    logits = torch.zeros(1, 14, 8, 8, 8, requires_grad=True)
    losses.hard(logits, torch.zeros(1, 16, 16, 16, dtype=torch.long), (0, 4, 4)).backward()
    moved = logits.grad.abs().sum((0, 1)) > 0
    assert moved[:4, 4:, 4:].any()
    assert not moved[4:].any()
    assert not moved[:, :4].any()
