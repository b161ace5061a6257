"""Training of paper 4's way: slices, teacher, distillation, the 3-D protocols and the export."""

import json
from pathlib import Path

import numpy as np
import pytest
from scipy import ndimage

torch = pytest.importorskip("torch")

from Testing.phantoms import abdomen  # noqa: E402
from training.config import ConfigError  # noqa: E402
from training.networks.embed import EmbedSizes, student  # noqa: E402
from training.networks.repvit import RepVitSizes  # noqa: E402
from training.networks.swin import SwinSizes  # noqa: E402
from training.prompt.cases import to_case  # noqa: E402
from training.prompt.embed import slices as slices_of  # noqa: E402
from training.prompt.embed.export import OnnxNetwork, export  # noqa: E402
from training.prompt.embed.slices import Slices, SliceSource, boxes_of, shown, things  # noqa: E402
from training.prompt.embed.train import objective, train_embed  # noqa: E402
from training.prompt.embed.volume import EmbeddedVolume  # noqa: E402
from training.prompt.settings import EmbedSettings, read_settings  # noqa: E402

pytestmark = pytest.mark.torch
CPU = torch.device("cpu")
TINY = EmbedSizes(
    32, 16, 2, 32, 1, SwinSizes(2, (8, 16), (1, 1), (2, 2), 4), RepVitSizes((8, 16), (1, 1))
)


@pytest.fixture(scope="module")
def case():
    volume, labels = abdomen((40, 60, 80), (8.0, 5.0, 5.0), noise_hu=8)
    return to_case("phantom", volume.array, labels.array, CPU)


def settings(folder, **more):
    small = {"steps": 3, "student_steps": 3, "batch": 2, "things": 2, "warmup": 1, "sizes": TINY}
    return EmbedSettings((), folder, folder / "out", **{**small, **more})


@pytest.mark.slow
def test_a_student_has_the_teachers_decoder_to_the_bit(case, tmp_path):
    taught, found = train_embed(settings(tmp_path), [case], CPU, resume=False)
    pairs = zip(
        taught.decoder.state_dict().values(), found.decoder.state_dict().values(), strict=True
    )
    assert all(torch.equal(a, b) for a, b in pairs)


@pytest.mark.slow
def test_a_resumed_run_ends_where_an_unbroken_one_does(case, tmp_path):
    _, whole = train_embed(settings(tmp_path / "a"), [case], CPU, resume=False)
    stopped = train_embed(settings(tmp_path / "b", seconds=0.0), [case], CPU, resume=False)
    assert stopped[1] is None, "the teacher has steps left"
    _, resumed = train_embed(settings(tmp_path / "b"), [case], CPU, resume=True)
    for name, value in whole.state_dict().items():
        torch.testing.assert_close(resumed.state_dict()[name], value, rtol=0, atol=0)


@pytest.mark.slow
def test_distillation_halves_the_distance_of_the_embeddings(case, tmp_path):
    train_embed(settings(tmp_path, student_steps=60, rate=5e-3), [case], CPU, resume=False)
    lines = (tmp_path / "out" / "encoder.jsonl").read_text(encoding="utf-8").splitlines()
    losses = [json.loads(line)["loss"] for line in lines]
    assert np.mean(losses[-10:]) < 0.5 * losses[0]


def test_the_slices_of_a_step_do_not_depend_on_those_before(case, tmp_path):
    first, second = (SliceSource([case], settings(tmp_path), CPU) for _ in range(2))
    first.batch(0, 0)
    torch.testing.assert_close(second.batch(1, 0).images, first.batch(1, 0).images, rtol=0, atol=0)


def test_organs_that_are_left_out_are_never_shown():
    labels = np.zeros((60, 80), np.uint8)
    labels[10:30, 10:30], labels[40:50, 40:60] = 2, 1
    rng = np.random.default_rng(0)
    seen = [slices_of._organ(labels, (2, 3), rng) for _ in range(20)]
    assert all((mask == (labels == 1)).all() for mask in seen)
    assert not slices_of._organ(labels, (1, 2), rng).any()


def test_a_painted_lesion_changes_what_is_in_its_mask_alone():
    rng = np.random.default_rng(5)
    torch.manual_seed(0)
    hu = np.full((160, 160), 100, np.float32)
    found = hu.copy()
    labels = np.ones((160, 160), np.uint8)
    mask = slices_of._lesion(found, labels, rng)
    changed = np.abs(found - hu)
    assert mask.any()
    assert changed[mask].mean() > 5 * changed[~mask].mean()


def test_things_of_a_slice_are_as_many_as_asked(case):
    hu = case.hu[0, 20].numpy() * 1000
    labels = case.labels[20].numpy()
    for seed in range(5):
        shown_hu, masks = things(hu, labels, 4, (), np.random.default_rng(seed))
        assert len(masks) == 4
        assert shown_hu.shape == masks[0].shape == hu.shape


def test_a_slice_keeps_its_proportions_and_is_padded_right_and_below():
    hu = torch.full((1, 1, 60, 120), 240.0)
    found = shown(hu, 32, 32)[0, 0]
    assert found.shape == (32, 32)
    assert torch.allclose(found[:16], torch.ones(()))
    assert torch.all(found[16:] == 0)


def test_boxes_hold_their_thing_but_for_the_jitter():
    torch.manual_seed(0)
    mask = torch.zeros(50, 64, 64)
    mask[:49, 16:32, 8:48] = 1
    boxes, weight = boxes_of(mask)
    assert weight.tolist() == [1] * 49 + [0]
    tight = torch.tensor([8, 16, 48, 32]) / 64
    assert (boxes[:49] - tight).abs().max() <= 0.15 * 40 / 64
    assert (boxes[:49, 0] <= tight[0] + 0.02).float().mean() > 0.7


def test_the_loss_of_what_is_right_is_near_nought_and_padding_does_not_count():
    truth = torch.zeros(1, 2, 16, 16)
    truth[..., 4:9, 4:9] = 1
    batch = Slices(truth[:, :1], truth, torch.zeros(1, 2, 4), torch.tensor([[1.0, 0.0]]))
    right = (truth * 2 - 1) * 20
    right[:, 1] *= -1
    loss, dsc = objective(right, torch.tensor([[1.0, 7.0]]), batch)
    assert loss.item() == pytest.approx(0, abs=1e-3)
    assert dsc.item() == pytest.approx(1, abs=1e-3)
    wrong, _ = objective(right, torch.tensor([[0.5, 0.0]]), batch)
    assert wrong.item() == pytest.approx(0.25, abs=1e-3)


class BrightInBox:
    """Stands in for a network: bright pieces that the box touches; counts what is asked of it."""

    image = 32

    def __init__(self):
        self.embedded, self.boxes = 0, []

    def embed(self, slices):
        self.embedded += 1
        return slices

    def decode(self, embedding, boxes):
        self.boxes.append(boxes[0, 0].copy())
        x0, y0, x1, y1 = boxes[0, 0] * self.image
        at = np.arange(self.image) + 0.5
        inside = ((at > y0) & (at < y1))[:, None] & ((at > x0) & (at < x1))
        pieces, _ = ndimage.label(embedding[0, 0] > 0.9)
        seen = np.isin(pieces, np.unique(pieces[inside & (pieces > 0)]))
        return np.where(seen, 5, -5).astype(np.float32)[None, None]


@pytest.fixture
def leaning():
    """A bright block that moves by two pixels a slice, in a CT of 32 x 32."""
    hu = np.full((9, 32, 32), -160, np.int16)
    for z in range(9):
        hu[z, 12:20, 4 + 2 * z : 12 + 2 * z] = 240
    return hu


LOW, HIGH = np.array([-0.5, 11.5, 11.5]), np.array([8.5, 19.5, 19.5])
"""The box of the block in its middle slice."""


def test_propagation_follows_a_thing_that_leaves_the_box(leaning):
    truth = leaning > 0
    found = EmbeddedVolume(leaning, BrightInBox()).box(LOW, HIGH, propagate=True)
    np.testing.assert_array_equal(found, truth)
    fixed = EmbeddedVolume(leaning, BrightInBox()).box(LOW, HIGH, propagate=False)
    np.testing.assert_array_equal(fixed[1:8], truth[1:8])
    assert not fixed[[0, 8]].any()


def test_the_first_box_serves_again_after_an_empty_slice(leaning):
    leaning[5] = -160
    network = BrightInBox()
    EmbeddedVolume(leaning, network).box(LOW, HIGH, propagate=True)
    first, after_empty = network.boxes[0], network.boxes[2]  # slices 4, 5, 6
    np.testing.assert_array_equal(first, after_empty)


def test_a_slice_is_embedded_once_and_each_box_decoded(leaning):
    network = BrightInBox()
    volume = EmbeddedVolume(leaning, network)
    for _ in range(3):
        volume.box(LOW, HIGH, propagate=True)
    assert (network.embedded, len(network.boxes)) == (9, 27)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::FutureWarning")  # torch's own, while it exports
def test_exported_files_say_what_torch_says(tmp_path):
    network = student(TINY).eval()
    assert export(network, TINY, tmp_path) < 1e-3
    written = OnnxNetwork(tmp_path)
    assert written.image == 32
    slices = np.random.default_rng(0).random((1, 1, 32, 32), np.float32)
    box = np.array([[[0.1, 0.3, 0.5, 0.9]]], np.float32)
    with torch.no_grad():
        expected = network(torch.from_numpy(slices), torch.from_numpy(box))[0].numpy()
    np.testing.assert_allclose(written.decode(written.embed(slices), box), expected, atol=1e-3)


@pytest.mark.parametrize("name", ["small", "full"])
def test_the_configs_in_the_repository_load(name):
    folder = Path(__file__).parents[3] / "training" / "prompt" / "embed"
    found = read_settings(folder / f"{name}.toml")
    assert isinstance(found, EmbedSettings)
    assert (found.sizes == EmbedSizes()) == (name == "full")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('way = "crops"', "crop, embed"),
        ('way = "embed"\nthinks = 2', "did you mean things"),
        ("[sizes.swin]\npatch = 2", "a quarter of the image"),
        ("[sizes]\nimagine = 2", "has a wrong one"),
    ],
)
def test_a_wrong_config_is_told(tmp_path, text, said):
    whole = 'packs = []\nlabels = "a"\nout = "b"\n'
    way = "" if "way" in text else 'way = "embed"\n'
    path = tmp_path / "c.toml"
    path.write_text(way + whole + text, encoding="utf-8")
    with pytest.raises(ConfigError, match=said):
        read_settings(path)
