import itertools

import pytest

torch = pytest.importorskip("torch", reason="extra train is not installed")

from training.losses import targets  # noqa: E402
from training.sections import Distill as Sources  # noqa: E402

pytestmark = pytest.mark.torch
ALL = (True,) * 14


def some_labels():
    labels = torch.zeros(16, 16, 16, dtype=torch.long)
    labels[4:10, 4:10, 4:10] = 1
    labels[12:, 12:, 12:] = 3
    return labels


def test_the_eight_phases_are_the_voxels_of_the_trilinear_interpolation():
    cells = torch.randn(3, 4, 5, 6)
    larger = torch.nn.functional.interpolate(cells[None], scale_factor=2, mode="trilinear")[0]
    for phase, (z, y, x) in enumerate(itertools.product(range(2), repeat=3)):
        expected = larger[:, z::2, y::2, x::2]
        assert torch.allclose(targets.at_phase(cells, phase, 2), expected, atol=1e-5)
        assert torch.equal(targets.at_phase(larger, phase, 1), expected)


def test_trust_is_full_inside_and_a_quarter_and_a_bit_at_the_border():
    found = targets.trust((32, 40, 40))
    assert float(found[16, 20, 20]) == 1
    assert float(found[0, 20, 20]) == pytest.approx(0.25 + 0.75 * 0.5 / 6)
    assert float(found[16, 0, 20]) == pytest.approx(0.25 + 0.75 * 0.5 / 12)
    assert torch.equal(found, found.flip(0, 1, 2))


def test_near_holds_the_organ_and_its_surroundings_and_not_the_far_end():
    labels = torch.zeros(32, 32, 32, dtype=torch.long)
    labels[:10, :10, :10] = 1
    found = targets.near(labels, 14)
    assert found.shape == (14, 16, 16, 16)
    assert (found[1, :7, :7, :7] == 1).all()
    assert not found[1, 9:].any()
    assert not found[2].any()


def test_a_live_teacher_may_not_invent_an_organ_where_the_stored_labels_have_none():
    logits = torch.zeros(14, 16, 16, 16)
    logits[2] = 20.0  # right kidney everywhere
    held = targets.live_target(logits, some_labels(), ALL, 0)
    assert torch.allclose(held[0], torch.ones(1), atol=1e-4)
    known = (True, True, False, *[True] * 11)  # no one looked for kidneys
    free = targets.live_target(logits, some_labels(), known, 0)
    assert float(free[2].min()) > 0.99


@pytest.mark.parametrize("phase", [0, 7])
def test_hard_labels_alone_give_one_hot(phase):
    labels = some_labels()
    found = targets.mixture(labels, None, None, Sources(1, 0, 0), ALL, phase)
    assert torch.equal(found.argmax(0), targets.at_phase(labels[None], phase, 1)[0])
    assert set(found.unique().tolist()) == {0.0, 1.0}


def test_a_mixture_by_hand():
    labels = torch.zeros(32, 64, 64, dtype=torch.long)
    stored = torch.zeros(14, 16, 32, 32)
    stored[1] = 1
    live = torch.zeros(14, 16, 32, 32)
    live[2] = 1
    found = targets.mixture(labels, stored, live, Sources(1, 2, 1), ALL, 0)
    # in the middle the teacher is trusted fully: 1/4, 2/4, 1/4
    assert found[:3, 8, 16, 16].tolist() == pytest.approx([0.25, 0.5, 0.25])
    # at the first slice its weight falls to 0.3125, and the stored labels take the rest
    assert found[:3, 0, 16, 16].tolist() == pytest.approx([1.6875 / 4, 0.5, 0.3125 / 4])
    assert torch.allclose(found.sum(0), torch.ones(1))


def test_what_is_not_there_leaves_its_weight_to_the_rest():
    labels = some_labels()
    found = targets.mixture(labels, None, None, Sources(0, 1, 1), ALL, 0)
    assert torch.equal(found.argmax(0), labels[::2, ::2, ::2])


def test_original_partial_labels_win_and_the_teacher_completes_them():
    labels = some_labels()
    known = (True, True, False, False, *[True] * 10)
    live = torch.zeros(14, 8, 8, 8)
    live[2] = 1  # the teacher says right kidney everywhere
    found = targets.mixture(labels, None, live, Sources(0.5, 0, 0.5), known, 0)
    there = labels[::2, ::2, ::2]
    assert (found[1][there == 1] == 1).all()
    assert (found[2][there == 0] == 1).all()
