"""Networks of paper 4: their sizes, and what must hold of each."""

import pytest

torch = pytest.importorskip("torch")

from training.networks.cost import gmac, parameters  # noqa: E402
from training.networks.embed import EmbedSizes, student, teacher  # noqa: E402
from training.networks.prompt_decoder import PromptDecoder  # noqa: E402
from training.networks.repvit import RepVit, RepVitSizes  # noqa: E402
from training.networks.swin import Swin, SwinBlock, SwinSizes  # noqa: E402

pytestmark = pytest.mark.torch

TINY = EmbedSizes(
    32, 16, 2, 32, 2, SwinSizes(2, (8, 16), (2, 2), (2, 2), 4), RepVitSizes((8, 16), (2, 1))
)


def test_the_encoder_of_the_student_has_the_size_of_paper_4():
    encoder = RepVit()
    assert parameters(encoder) == pytest.approx(2.32e6, rel=0.05)
    assert parameters(encoder.fused()) < parameters(encoder)
    assert 9.0 < gmac(encoder, (1, 1, 256, 256)) < 9.5


def test_prompt_encoder_and_mask_decoder_have_the_size_of_sams():
    decoder = PromptDecoder()
    assert parameters(decoder) == pytest.approx(4.06e6, rel=0.05)
    assert gmac(decoder, (1, 256, 64, 64), (1, 1, 4)) == pytest.approx(1.81, rel=0.05)


@pytest.mark.slow
def test_the_encoder_of_the_teacher_has_the_size_of_paper_4s_program():
    encoder = Swin()
    assert parameters(encoder) == pytest.approx(11.19e6, rel=0.02)
    assert gmac(encoder, (1, 1, 256, 256)) == pytest.approx(42.85, rel=0.05)


@pytest.mark.slow
def test_the_full_student_embeds_a_slice_in_64_by_64_and_decodes_a_box_in_256_by_256():
    network = student(EmbedSizes()).eval()
    with torch.no_grad():
        embedding = network.encoder(torch.rand(1, 1, 256, 256))
        logits, iou = network.decoder(embedding, torch.tensor([[[0.2, 0.2, 0.5, 0.6]]]))
    assert embedding.shape == (1, 256, 64, 64)
    assert logits.shape == (1, 1, 256, 256)
    assert iou.shape == (1, 1)


def test_a_fused_encoder_says_what_the_one_before_says():
    encoder = RepVit(16, TINY.repvit).train()
    for _ in range(3):
        encoder(torch.randn(4, 1, 32, 32))  # moves the means of BatchNorm
    slices = torch.randn(2, 1, 32, 32)
    with torch.no_grad():
        expected, found = encoder.eval()(slices), encoder.fused()(slices)
    assert (found - expected).abs().max() < 1e-4
    assert not any(isinstance(part, torch.nn.BatchNorm2d) for part in encoder.fused().modules())


def test_teacher_and_student_embed_alike_and_share_their_decoder():
    one, other = teacher(TINY), student(TINY)
    slices = torch.rand(2, 1, 32, 32)
    assert one.encoder(slices).shape == other.encoder(slices).shape == (2, 16, 8, 8)
    other.decoder.load_state_dict(one.decoder.state_dict())


def test_boxes_of_a_slice_do_not_see_one_another():
    network = teacher(TINY).eval()
    slices, boxes = torch.rand(1, 1, 32, 32), torch.rand(1, 3, 4)
    with torch.no_grad():
        together = network(slices, boxes)[0]
        alone = torch.cat([network(slices, boxes[:, i : i + 1])[0] for i in range(3)], 1)
    torch.testing.assert_close(together, alone, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("shifted", [False, True])
def test_a_token_sees_its_window_alone(shifted):
    block = SwinBlock(8, 2, 4, shifted=shifted).eval()
    maps = torch.randn(1, 10, 10, 8)  # is padded to 12
    moved = maps.clone()
    moved[0, 5, 5, 0] += 1  # of all channels LayerNorm would not see it
    with torch.no_grad():
        changed = (block(moved) - block(maps)).abs().amax(-1)[0] > 1e-6
    rows = torch.nonzero(changed.any(1)).flatten().tolist()
    assert rows == ([2, 3, 4, 5] if shifted else [4, 5, 6, 7])
    assert changed.sum() == 16


def test_tokens_of_opposite_sides_stay_apart_in_a_shifted_window():
    block = SwinBlock(8, 2, 4, shifted=True).eval()
    maps = torch.randn(1, 8, 8, 8)
    moved = maps.clone()
    moved[0, 0, 0, 0] += 1
    with torch.no_grad():
        changed = (block(moved) - block(maps)).abs().amax(-1)[0] > 1e-6
    assert changed.sum() == 4
    assert changed[:2, :2].all()
