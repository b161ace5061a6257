"""Training of prompts: what is drawn, clicked and resumed."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import ndimage

torch = pytest.importorskip("torch")

from FlareSegLib.prompting import channels as shipped  # noqa: E402
from FlareSegLib.prompting.prompt_network import load_prompt_network  # noqa: E402
from Testing.phantoms import abdomen  # noqa: E402
from training.config import ConfigError  # noqa: E402
from training.machine.device import has_bfloat16  # noqa: E402
from training.networks.prompt import CropNet, slice_net  # noqa: E402
from training.prompt import lesions, regions, scenes, source  # noqa: E402
from training.prompt.__main__ import Run, train  # noqa: E402
from training.prompt.cases import to_case  # noqa: E402
from training.prompt.clicks import channels, click  # noqa: E402
from training.prompt.crops import KNOTS_HU, RECOLOURED, Crops, crops, recoloured  # noqa: E402
from training.prompt.export import export  # noqa: E402
from training.prompt.scenes import between  # noqa: E402
from training.prompt.settings import Settings, read_settings  # noqa: E402
from training.prompt.source import Source  # noqa: E402
from training.prompt.tubes import tube  # noqa: E402

pytestmark = pytest.mark.torch
CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def case():
    volume, labels = abdomen((80, 100, 128), (4.0, 3.0, 3.0), noise_hu=8)
    return to_case("phantom", volume.array, labels.array, CPU)


def settings(folder, **more):
    small = {"grid": (8, 16, 16), "batch": 3, "fresh": 2, "ring": 4, "checkpoint_steps": 2}
    return Settings((), folder, folder / "out", **{**small, "steps": 4, "warmup": 1, **more})


def test_some_steps_without_a_click_show_the_network_its_own_mask(case, tmp_path):
    run = Run(settings(tmp_path), torch.device("cpu"))
    crop = Source([case], run.settings, run.device).batch(0)
    shown = []
    for run.step in range(60):
        made = run._inputs(crop)
        if not made[:, 5:].any():
            shown.append(bool(made[:, 4].any()))
    assert 0.2 < np.mean(shown) < 0.6
    assert len(shown) > 15


@pytest.mark.slow
def test_a_resumed_run_ends_where_an_unbroken_one_does(case, tmp_path):
    whole = train(settings(tmp_path / "a"), [case], CPU, resume=False)
    stopped = settings(tmp_path / "b", seconds=0.0)
    train(stopped, [case], CPU, resume=False)
    resumed = train(settings(tmp_path / "b"), [case], CPU, resume=True)
    assert resumed.step == 4
    for name, value in whole.average.state_dict().items():
        torch.testing.assert_close(resumed.average.state_dict()[name], value, rtol=0, atol=0)


@pytest.mark.slow
def test_the_crops_of_a_step_do_not_depend_on_those_before(case, tmp_path):
    first, second = (Source([case], settings(tmp_path), CPU) for _ in range(2))
    for step in range(3):
        drawn = first.batch(step)
    torch.testing.assert_close(second.batch(2).hu, drawn.hu, rtol=0, atol=0)


def test_organs_that_are_left_out_are_never_drawn(case):
    rng = np.random.default_rng(1)
    drawn = [scenes.draw([case], np.ones(1), (1, 2, 3, 5, 9, 13), rng) for _ in range(150)]
    organs = {scene.organ for scene in drawn if scene.kind == "organ"}
    assert organs
    assert not organs & {1, 2, 3, 5, 9, 13}


def test_a_scene_of_an_organ_shows_it(case):
    rng = np.random.default_rng(2)
    scene = next(
        s for s in (scenes.draw([case], np.ones(1), (), rng) for _ in range(300)) if s.organ == 1
    )
    hu, mask = scenes.cut(scene)
    assert hu[mask > 0].median() == pytest.approx(72, abs=4)  # see phantoms.organ_hu
    assert 0.02 < mask.mean() < 0.6


def test_the_mask_of_a_bent_organ_bends_with_it(case):
    rng = np.random.default_rng(2)
    drawn = (scenes.draw([case], np.ones(1), (), rng) for _ in range(900))
    scene = next(s for s in drawn if s.organ == 1 and s.bend is not None and s.bend[0].any())
    hu, mask = scenes.cut(scene)
    level, other = scenes.cut(replace(scene, bend=None))
    assert hu[mask > 0].median() == pytest.approx(72, abs=4)
    assert (mask != other).float().mean() > 0.01
    assert hu[other > 0].std() > 1.1 * level[other > 0].std(), "the old mask is no longer right"


def test_a_bent_piece_stays_level(case):
    rng = np.random.default_rng(5)
    drawn = (scenes.draw([case], np.ones(1), (), rng) for _ in range(900))
    pieces = [s for s in drawn if s.bend is not None and not s.bend[0].any()]
    assert pieces
    for scene in pieces[:5]:
        _, mask = scenes.cut(scene)
        _, other = scenes.cut(replace(scene, bend=None))
        torch.testing.assert_close(mask.any(2).any(2), other.any(2).any(2))


def test_a_tinted_organ_changes_as_a_whole_and_nothing_else_does():
    mask = torch.zeros(1, *scenes.SHAPE)
    mask[:, 10:30, 20:60, 30:70] = 1
    rng, changes = np.random.default_rng(0), []
    for _ in range(20):
        change = source.tinted(torch.zeros_like(mask), mask, rng)
        assert not change[:, :8].any()
        inner = change[:, 12:28, 22:58, 32:68]
        assert inner.std() < 1e-3
        changes.append(float(inner.mean()))
    assert {-1, 0, 1} == set(np.sign(changes))
    assert 10 <= min(abs(c) for c in changes if c) <= max(map(abs, changes)) <= 120


def test_a_tube_goes_from_end_to_end_of_its_half_of_the_scene_in_one_piece():
    rng, kept_apart = np.random.default_rng(1), 0
    for _ in range(12):
        half = np.array([2 * between(20, 50, rng), 60.0, 60.0])
        own, other = tube(half, rng)
        inside = (own < 1)[0].numpy()
        held = np.flatnonzero(inside.any((1, 2)))
        assert held[0] == pytest.approx(scenes.SHAPE[0] / 4, abs=3)
        assert held[-1] == pytest.approx(scenes.SHAPE[0] * 3 / 4, abs=3)
        sides = np.flatnonzero(inside.any((0, 1)))
        assert scenes.SHAPE[2] / 4 - 3 <= sides[0] <= sides[-1] <= scenes.SHAPE[2] * 3 / 4 + 3
        near = ndimage.binary_dilation(inside, np.ones((3, 3, 3)))
        assert ndimage.label(near)[1] == 1
        kept_apart += bool((other < 1).any())
    assert 1 < kept_apart < 12


def test_a_tube_beside_the_one_that_is_wanted_is_painted_and_is_not_in_the_mask():
    torch.manual_seed(0)
    own, other = (torch.full((1, *scenes.SHAPE), 9.0) for _ in range(2))
    own[:, 11:33, 40:52, 40:52], other[:, 11:33, 40:52, 60:72] = 0, 0
    tissue = torch.full((1, 1, *scenes.SHAPE), 40.0)
    hu, mask = lesions.paint(tissue, ["tube"], np.random.default_rng(1), {0: (own, other)})
    assert mask[0, 0, 15:30, 42:50, 42:50].all()
    assert not mask[..., 56:].any()
    change = (hu - tissue)[0, 0].abs()
    assert change[15:30, 42:50, 62:70].mean() > 20
    assert change[15:30, 42:50, 76:].mean() < 1


def test_a_painted_lesion_lies_in_its_mask():
    rng, tissue = np.random.default_rng(3), torch.full((6, 1, *scenes.SHAPE), 100.0)
    torch.manual_seed(0)
    hu, mask = lesions.paint(tissue, ["nodule"] * 6, rng)
    changed = (hu - tissue).abs()
    for one, inside in zip(changed, mask > 0, strict=True):
        assert one[inside].mean() > 5 * one[~inside].mean()
        assert bool(inside[0, 22, 46, 46])
        assert not inside[0, [0, -1]].any()


def test_a_painted_lesion_keeps_the_grain_of_the_scanner():
    torch.manual_seed(3)
    hu = 20 * torch.randn(6, 1, *scenes.SHAPE) + 60
    painted, mask = lesions.paint(hu.clone(), ["soft"] * 6, np.random.default_rng(2))

    def grain(shown, where):
        steps, both = shown.diff(dim=4), where[..., 1:] * where[..., :-1] > 0
        return torch.stack([row[its].std() for row, its in zip(steps, both, strict=True)])

    inner = -torch.nn.functional.max_pool3d(-mask, 7, 1, 3)
    ratio = grain(painted, inner) / grain(hu, inner)
    assert ratio.median() == pytest.approx(1, abs=0.05)
    assert ratio.min() > 0.9


def test_hu_beyond_the_ends_of_a_curve_stay_and_a_curve_is_one_for_the_crop():
    torch.manual_seed(0)
    low, high = KNOTS_HU
    line = torch.linspace(low - 300, high + 300, 4096).reshape(1, 1, 16, 16, 16)
    moved = recoloured(line.repeat(200, 1, 1, 1, 1)) - line
    beyond = ((line < low) | (line > high)).expand_as(moved)
    assert moved[beyond].abs().max() < 0.5
    share = (moved.abs().amax((1, 2, 3, 4)) > 1).float().mean()
    assert share == pytest.approx(RECOLOURED, abs=0.1)
    steps = moved.flatten(1).diff().abs().max()
    assert 0 < steps < 2, "it has no jump"


def test_a_region_is_what_is_connected_to_the_middle_up_to_its_edge():
    hu = torch.full((1, 1, *scenes.SHAPE), 40.0)
    hu[..., 15:30, 30:60, 30:60] = 200
    hu[..., 35:38, 10:14, 10:14] = 200
    mask = regions.grow(hu, ["bright"], np.random.default_rng(0))
    box = mask.new_zeros(mask.shape)
    box[..., 15:30, 30:60, 30:60] = 1
    assert (mask * (1 - box)).sum() == 0
    assert mask.sum() > 0.9 * box.sum(), "smoothing costs edges and corners alone"


def test_a_region_without_end_is_empty():
    hu = torch.full((1, 1, *scenes.SHAPE), 40.0)
    assert not regions.grow(hu, ["soft"], np.random.default_rng(0)).any()


def test_boxes_hold_their_thing_but_for_the_jitter():
    mask = torch.zeros(40, 1, *scenes.SHAPE)
    mask[..., 10:30, 20:60, 30:70] = 1
    found = crops(mask * 100, mask, torch.zeros(40, dtype=torch.bool), (16, 32, 32))
    assert found.weight.min() == 1
    both = (found.truth * found.box).sum((1, 2, 3, 4))
    assert (both / found.truth.sum((1, 2, 3, 4)))[:].median() > 0.9
    assert (both / found.box.sum((1, 2, 3, 4))).median() > 0.6


def test_a_thing_that_reaches_the_edge_does_not_count_unless_it_may():
    mask = torch.zeros(2, 1, *scenes.SHAPE)
    mask[..., :30, 20:60, 30:70] = 1
    found = crops(mask, mask, torch.tensor([False, True]), (16, 32, 32))
    assert found.weight.tolist() == [0, 1]


@pytest.mark.skipif(not has_bfloat16(CPU), reason="this processor has no bfloat16")
def test_gradients_in_bfloat16_are_those_in_float32(tmp_path):
    run = Run(settings(tmp_path), CPU)
    crop, found = torch.randn(2, 7, 32, 64, 64), []
    for is_half in (True, False):
        run.network.zero_grad()
        with torch.autocast("cpu", torch.bfloat16, enabled=is_half):
            run.network(crop).float().square().mean().backward()
        found.append(torch.cat([p.grad.flatten() for p in run.network.parameters()]))
    assert torch.nn.functional.cosine_similarity(*found, dim=0) > 0.99


def test_a_flat_crop_shows_a_slice_of_the_thing_in_both_planes():
    mask = torch.zeros(30, 1, *scenes.SHAPE)
    mask[..., 10:20, 20:60, 30:70] = 1
    mask[..., 20:30, 35:45, 45:55] = 1
    hu = torch.arange(44.0)[:, None, None].expand(30, 1, *scenes.SHAPE)
    torch.manual_seed(0)
    found = crops(hu, mask, torch.zeros(30, dtype=torch.bool), (2, 96, 96), flat=True)
    torch.testing.assert_close(found.hu[:, :, 0], found.hu[:, :, 1])
    torch.testing.assert_close(found.truth[:, :, 0], found.truth[:, :, 1])
    at = found.hu[:, 0, 0, 0, 0]
    assert ((at >= 10) & (at < 20)).all(), "slices of a sixteenth are not drawn"
    torch.testing.assert_close(at, at.round())
    both = (found.truth * found.box).sum((1, 2, 3, 4))
    assert (both / found.box.sum((1, 2, 3, 4))).median() > 0.8
    assert (both / found.truth.sum((1, 2, 3, 4))).min() > 0.85


@pytest.mark.slow
def test_a_network_of_one_slice_learns(case, tmp_path):
    run = train(settings(tmp_path, flat=True, grid=(2, 32, 32)), [case], CPU, resume=False)
    shown = torch.randn(1, 7, 2, 32, 32)
    assert run.step == 4
    assert run.average(shown).shape == (1, 1, 2, 32, 32)


def test_flat_crops_are_two_planes_deep(tmp_path):
    with pytest.raises(ConfigError, match="give a depth of 2"):
        settings(tmp_path, flat=True)


def test_channels_are_those_that_ship():
    rng = np.random.default_rng(4)
    hu = rng.normal(40, 60, (8, 16, 16)).astype(np.float32)
    box = np.zeros_like(hu)
    box[2:6, 4:12, 5:11] = 1
    others = [rng.random(hu.shape).astype(np.float32) for _ in range(3)]
    expected = shipped.channels(hu, box, *others)
    as_tensor = [torch.from_numpy(a)[None, None] for a in (hu, box, *others)]
    batch = Crops(as_tensor[0], as_tensor[1], as_tensor[1], torch.ones(1))
    np.testing.assert_allclose(channels(batch, *as_tensor[2:])[0].numpy(), expected, atol=1e-4)


def test_a_click_lies_in_the_largest_error_on_the_right_side():
    truth = torch.zeros(2, 1, 16, 32, 32)
    truth[0, ..., 4:12, 8:24, 8:24] = 1
    mask = torch.zeros_like(truth)
    mask[1, ..., 2:9, 3:14, 3:14] = 1
    inside, outside = click(mask, truth, torch.zeros_like(truth), torch.zeros_like(truth))
    assert (inside[0].max(), outside[0].max()) == (1, 0)
    assert (inside[1].max(), outside[1].max()) == (0, 1)
    assert truth[0].flatten()[inside[0].argmax()] == 1
    assert mask[1].flatten()[outside[1].argmax()] == 1


def test_the_network_has_half_a_million_weights_and_a_logit_for_each_voxel():
    network = CropNet()
    assert sum(weight.numel() for weight in network.parameters()) == 507_776
    assert network(torch.zeros(1, 7, 16, 32, 32)).shape == (1, 1, 16, 32, 32)


@pytest.mark.parametrize(
    ("name", "corrects", "flat"),
    [
        ("prompt", False, False),
        ("correct", True, False),
        ("slice", False, True),
    ],
)
def test_the_configs_in_the_repository_load(name, corrects, flat):
    from pathlib import Path

    found = read_settings(Path(__file__).parents[3] / "training" / "prompt" / f"{name}.toml")
    assert (found.results is not None, found.flat) == (corrects, flat)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::FutureWarning")  # torch's own, while it exports
def test_exported_networks_say_what_torch_says_and_are_half_as_large_or_a_quarter(tmp_path):
    torch.manual_seed(0)
    folder = tmp_path / "m"
    others = {"one_slice": slice_net(), "correction": CropNet()}
    assert export(CropNet(), (8, 16, 16), folder, "1", others) < 0.1
    assert (folder / "model.onnx").stat().st_size < 2.4 * 507_776
    assert (folder / "model_slice.onnx").stat().st_size < 1.4 * 875_240
    assert (folder / "model_correction.onnx").stat().st_size < 1.4 * 507_776
    loaded = load_prompt_network(folder)
    assert loaded.one_slice.config.grid == (2, 96, 96)
    assert loaded.correction.config.grid == (24, 40, 40)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("stepz = 3", "did you mean steps"),
        ("steps = 3", "lacks a key"),
        ('steps = "3"', "steps is '3': it needs int"),
        ("x =", "no config"),
    ],
)
def test_a_wrong_config_is_told(tmp_path, text, said):
    path = tmp_path / "c.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError, match=said):
        read_settings(path)
