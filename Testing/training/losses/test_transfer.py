import math

import pytest

torch = pytest.importorskip("torch", reason="extra train is not installed")

from training.losses import transfer  # noqa: E402

pytestmark = pytest.mark.torch


def test_divergence_is_zero_where_the_student_equals_the_teacher_and_else_positive():
    torch.manual_seed(0)
    teacher = torch.randn(2, 14, 4, 4, 4) * 3
    soft = teacher.softmax(1)
    assert float(transfer.divergence(teacher, soft)) == pytest.approx(0, abs=1e-5)
    assert float(transfer.divergence(teacher + torch.randn_like(teacher), soft)) > 0.1


def test_a_weight_picks_the_voxels_that_count():
    logits, soft = torch.zeros(1, 2, 1, 1, 2), torch.full((1, 2, 1, 1, 2), 0.5)
    soft[0, :, 0, 0, 1] = torch.tensor([1.0, 0.0])
    weight = torch.tensor([1.0, 3.0]).reshape(1, 1, 1, 1, 2)
    found = transfer.divergence(logits, soft, weight=weight)
    assert float(found) == pytest.approx(0.75 * math.log(2), abs=1e-6)


def test_tempered_probabilities_are_the_softmax_of_smaller_logits():
    torch.manual_seed(0)
    logits = torch.randn(1, 5, 2, 2, 2) * 3
    found = transfer.tempered(logits.softmax(1), 3.0)
    assert torch.allclose(found, (logits / 3).softmax(1), atol=1e-5)


def test_divergence_by_hand():
    # teacher 0.9 / 0.1, student 0.5 / 0.5
    soft = torch.tensor([0.9, 0.1]).reshape(1, 2, 1, 1, 1)
    logits = torch.zeros(1, 2, 1, 1, 1)
    plain = 0.9 * math.log(0.9 / 0.5) + 0.1 * math.log(0.1 / 0.5)
    assert float(transfer.divergence(logits, soft)) == pytest.approx(plain, abs=1e-6)
    # T = 2: 3 to 1 instead of 9 to 1, and four times as much
    warm = 4 * (0.75 * math.log(0.75 / 0.5) + 0.25 * math.log(0.25 / 0.5))
    assert float(transfer.divergence(logits, soft, 2.0)) == pytest.approx(warm, abs=1e-6)


def test_feature_distance_sums_the_levels_and_bridges_grids():
    student = [torch.zeros(1, 2, 4, 4, 4), torch.full((1, 3, 2, 2, 2), 1.0)]
    teacher = [torch.full((1, 2, 2, 2, 2), 2.0), torch.full((1, 3, 2, 2, 2), 4.0)]
    assert float(transfer.feature_distance(student, teacher)) == pytest.approx(4.0 + 9.0)


def test_attention_is_blind_to_scale_and_to_the_number_of_channels():
    torch.manual_seed(0)
    one = torch.rand(2, 1, 3, 3, 3)
    many = one.repeat(1, 5, 1, 1, 1) * 7
    assert float(transfer.attention_distance([one], [many])) == pytest.approx(0, abs=1e-5)
    assert float(transfer.attention_distance([one], [torch.rand(2, 5, 3, 3, 3)])) > 0.01


def test_attention_distance_by_hand():
    student = torch.zeros(1, 1, 1, 1, 2)
    student[..., 0] = 3.0
    teacher = torch.zeros(1, 2, 1, 1, 2)
    teacher[..., 1] = 5.0
    # unit vectors (1, 0) and (0, 1): |difference|^2 = 2
    assert float(transfer.attention_distance([student], [teacher])) == pytest.approx(2, abs=1e-5)


def test_the_teacher_gets_no_gradient():
    student = torch.rand(1, 2, 2, 2, 2, requires_grad=True)
    teacher = torch.rand(1, 2, 2, 2, 2, requires_grad=True)
    loss = transfer.feature_distance([student], [teacher])
    loss = loss + transfer.attention_distance([student], [teacher])
    loss.backward()
    assert student.grad.abs().sum() > 0
    assert teacher.grad is None
