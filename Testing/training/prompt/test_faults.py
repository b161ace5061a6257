"""Corrections of organs as they are learned: where the errors are, and what of a crop counts."""

from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from FlareSegLib.prompting.channels import box_channel, click_channel  # noqa: E402
from FlareSegLib.prompting.crop import Frame, read  # noqa: E402
from FlareSegLib.prompting.prompts import Extent  # noqa: E402
from Testing.phantoms import abdomen  # noqa: E402
from training.config import ConfigError  # noqa: E402
from training.prompt import faults  # noqa: E402
from training.prompt.__main__ import train  # noqa: E402
from training.prompt.cases import SPACING, to_case  # noqa: E402
from training.prompt.faults import FaultSource, objective, taken  # noqa: E402
from training.prompt.results import load_results, worsened, write_results  # noqa: E402
from training.prompt.settings import Settings  # noqa: E402
from training.prompt.spots import spots_of  # noqa: E402

pytestmark = pytest.mark.torch
CPU = torch.device("cpu")
GRID = (8, 16, 16)


@pytest.fixture(scope="module")
def case():
    volume, labels = abdomen((80, 100, 128), (4.0, 3.0, 3.0), noise_hu=8)
    return to_case("phantom", volume.array, labels.array, CPU)


@pytest.fixture(scope="module")
def results(case, tmp_path_factory):
    """A folder with a result: the liver lacks a block, the spleen has one too many."""
    folder, found = tmp_path_factory.mktemp("results"), case.labels.numpy().copy()
    for organ, value in ((1, 0), (3, 3)):
        low = case.boxes[organ][0].astype(int)
        part = found[tuple(slice(a, a + 12) for a in low)]
        part[(part == organ) if value == 0 else (part == 0)] = value
    hu = (case.hu[0].numpy() * 1000).astype(np.int16)
    np.savez(folder / "phantom_0.npz", hu=hu, found=found)
    return folder


def settings(results, out, **more):
    small = {"grid": GRID, "batch": 3, "steps": 4, "warmup": 1, "checkpoint_steps": 2}
    return Settings((), results, out, results=results, **{**small, **more})


def test_spots_are_where_found_and_truth_differ_and_say_which_way(case, results):
    (result,) = load_results(results, [case])
    spots = spots_of(result.found, case.labels.numpy())
    assert {(spot.organ, spot.inside) for spot in spots} >= {(1, True), (3, False)}
    for spot in spots:
        at = tuple(spot.points.T)
        assert np.all((case.labels.numpy()[at] == spot.organ) == spot.inside)
        assert np.all((result.found[at] == spot.organ) != spot.inside)


def test_what_is_unknown_is_no_error():
    truth, found = np.zeros((2, 20, 20, 20), np.uint8)
    truth[5:15, 5:15, 5:15] = found[5:15, 5:15, 5:15] = 1
    found[5:15, 5:15, 15:19] = 1
    assert [spot.inside for spot in spots_of(found, truth)] == [False]
    truth[truth == 0] = 255
    assert spots_of(found, truth) == []


def test_a_crop_is_what_the_network_is_shown_when_it_is_used(case):
    """The same frame, box and click as FlareSegLib makes of a click at that voxel."""
    from FlareSegLib.base.geometry import Grid

    at, side, shape = np.array((30.0, 40.0, 50.0)), 30.0, (24, 40, 40)
    extent = Extent.about(at * SPACING, np.full(3, side))
    frame = Frame.about(extent, faults.RATIO, shape)
    grid = Grid(tuple(case.labels.shape), tuple(SPACING))
    hu = case.hu[0].float() * 1000
    there = read(hu.numpy(), grid, frame)
    here = taken(hu, at, side, shape)[0].numpy()
    np.testing.assert_allclose(here, there, atol=0.5)
    np.testing.assert_array_equal(faults._cube(shape)[0].numpy(), box_channel(extent, frame))
    clicked = click_channel([at * SPACING], frame)
    np.testing.assert_allclose(faults._click(shape)[0].numpy(), clicked, atol=1e-6)


def test_every_click_lies_in_an_error_and_says_its_kind(case, results, tmp_path):
    source = FaultSource([case], settings(results, tmp_path, batch=24), CPU)
    batch = source.batch(0)
    assert {float(value) for value in batch.inside.flatten()} == {0.0, 1.0}
    shown = batch.shown[:, 5] + batch.shown[:, 6]
    assert shown.amax((1, 2, 3)).tolist() == [1.0] * 24
    inside = batch.shown[:, 5].amax((1, 2, 3))
    torch.testing.assert_close(inside, batch.inside.flatten())
    middle = (slice(None), 0, slice(3, 5), slice(7, 9), slice(7, 9))  # mirrored or not
    wrong = (batch.former != batch.truth)[middle].flatten(1)
    assert wrong.any(1).all()


def test_only_what_the_click_may_change_is_learned_from(case, results, tmp_path):
    source = FaultSource([case], settings(results, tmp_path), CPU)
    batch = source.batch(0)
    logits = torch.zeros_like(batch.truth, requires_grad=True)
    objective(logits, batch)[0].backward()
    may = torch.where(batch.inside > 0, batch.former == 0, batch.former > 0)
    may &= batch.apart_mm < faults.REACH_MM
    assert (logits.grad[~may] == 0).all()
    assert (logits.grad[may] != 0).all()
    best = objective((batch.truth * 2 - 1) * 20, batch)
    assert best[0] < 1e-3
    assert best[1] > 0.999


def test_a_made_bite_is_missing_from_the_organ_and_a_made_bump_lies_beside_it(
    case, results, tmp_path
):
    source = FaultSource([case], settings(results, tmp_path), CPU)
    rng, seen = np.random.default_rng(0), set()
    while len(seen) < 2:
        fault = source._made(source._found[0], rng)
        if fault is None or torch.equal(fault.former, fault.truth):
            continue
        seen.add(fault.inside)
        lost, added = fault.truth > fault.former, fault.former > fault.truth
        assert fault.inside or added.any()
        middle = (0, *(n // 2 for n in GRID))
        if fault.inside and fault.truth[middle]:
            assert lost[middle]


def test_the_crops_of_a_step_do_not_depend_on_those_before(case, results, tmp_path):
    first, second = (FaultSource([case], settings(results, tmp_path), CPU) for _ in range(2))
    for step in range(3):
        drawn = first.batch(step)
    torch.testing.assert_close(second.batch(2).shown, drawn.shown, rtol=0, atol=0)


@pytest.mark.slow
def test_a_network_learns_corrections_and_goes_on(case, results, tmp_path):
    whole = train(settings(results, tmp_path / "a"), [case], CPU, resume=False)
    stopped = settings(results, tmp_path / "b", seconds=0.0)
    train(stopped, [case], CPU, resume=False)
    resumed = train(settings(results, tmp_path / "b"), [case], CPU, resume=True)
    for name, value in whole.average.state_dict().items():
        torch.testing.assert_close(resumed.average.state_dict()[name], value, rtol=0, atol=0)


def test_without_results_it_is_said_how_they_are_made(case, tmp_path):
    with pytest.raises(ConfigError, match=r"training\.prompt\.results"):
        FaultSource([replace(case, name="other")], settings(tmp_path, tmp_path), CPU)


def test_a_worsened_ct_keeps_air_and_bone_and_blurs_the_rest():
    hu = np.full((20, 40, 40), 60.0, np.float32)
    hu[:, :10], hu[:, 30:] = -1000, 900
    seen = worsened(hu, np.random.default_rng(1))
    assert seen.dtype == np.int16
    assert seen[:, :5].mean() == pytest.approx(-1000, abs=30)
    assert seen[:, 35:].mean() == pytest.approx(900, abs=15)
    assert np.abs(seen[:, 15:25].mean() - 60) < 60
    assert seen[:, 15:25].std() > 5
    again = worsened(hu, np.random.default_rng(1))
    np.testing.assert_array_equal(again, seen)


@pytest.mark.slow
def test_results_are_written_once(case, tmp_path):
    write_results(case, 2, tmp_path)
    (path,) = tmp_path.glob("*")
    before = path.stat().st_mtime_ns
    write_results(case, 2, tmp_path)
    assert path.stat().st_mtime_ns == before
    (result,) = load_results(tmp_path, [case])
    assert result.found.shape == result.hu.shape == tuple(case.labels.shape)
    assert result.found.any()
