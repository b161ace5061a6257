"""Windows as nnU-Net lays them, and the mean of several networks."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import ndimage

from FlareSegLib.base.geometry import Box
from FlareSegLib.base.recipe import Recipe
from FlareSegLib.base.run_options import RunOptions
from FlareSegLib.inference import windows
from FlareSegLib.inference.runtimes import Mean, load_network
from FlareSegLib.inference.sliding import Sliding
from FlareSegLib.inference.stitch import nothing_seen
from Testing.model_facts import a_config
from Testing.tiny_model import constant_model, write_model

ACCURATE = RunOptions(speed="accurate", skip_air=False)


def facts(**changes):
    ways = changes.pop("recipe", {})
    return replace(a_config(**changes), recipe=Recipe(**ways))


class Recorder:
    """Gives its input as the logit of class 1, and keeps what it saw."""

    def __init__(self, channels):
        self.seen, self.channels = [], channels

    def __call__(self, window):
        self.seen.append(window.copy())
        logits = np.zeros((self.channels, *window.shape), np.float32)
        logits[min(1, self.channels - 1)] = window
        return logits


def run(array, config, options=ACCURATE):
    network = Recorder(config.channels)
    sliding = Sliding(network, config, options, array)
    return sliding.run(np.ones((1, 1, 1), bool), lambda _: None), network.seen


def test_a_scan_smaller_than_the_window_lies_in_its_middle_with_0_around():
    array = np.full((3, 5, 8), 7, np.float32)
    logits, seen = run(array, facts(window=(8, 8, 8)))
    assert len(seen) == 1
    expected = np.zeros((8, 8, 8))
    expected[2:5, 1:6, :] = 7
    np.testing.assert_array_equal(seen[0], expected)
    assert logits.shape[:3] == array.shape
    np.testing.assert_allclose(logits[..., 1], 7)


def test_in_2d_each_slice_is_seen_once_for_itself():
    array = np.arange(6, dtype=np.float32)[:, None, None] * np.ones((6, 10, 10), np.float32)
    logits, seen = run(array, facts(window=(1, 8, 8), recipe={"is_2d": True}))
    assert len(seen) == 6 * 4
    np.testing.assert_allclose(logits[..., 1], array, atol=1e-3)


def test_the_weights_are_a_gaussian_around_the_voxel_behind_the_middle():
    weights = windows.importance_for(facts(window=(8, 12, 16)))
    point = np.zeros((8, 12, 16))
    point[4, 6, 8] = 1
    expected = ndimage.gaussian_filter(point, (1.0, 1.5, 2.0), mode="constant")
    np.testing.assert_allclose(weights, np.maximum(expected / expected.max(), 6e-9), rtol=2e-2)


def test_every_speed_but_fast_goes_by_half_a_window():
    config = facts(window=(16, 16, 16), fine_windows_limit=1)
    counts = {
        speed: windows.plan((64, 64, 64), config, RunOptions(speed=speed)).count
        for speed in ("fast", "balanced", "accurate")
    }
    assert counts == {"fast": 5**3, "balanced": 7**3, "accurate": 7**3}


def test_no_neighbour_is_left_out_because_a_centre_saw_nothing():
    array = np.zeros((16, 40, 40), np.float32)
    _, seen = run(array, facts(window=(16, 16, 16)), RunOptions(skip_air=False))
    assert len(seen) == 4 * 4


def test_regions_that_were_not_looked_at_are_none():
    assert (nothing_seen(facts(recipe={"has_regions": True})) < 0).all()
    assert nothing_seen(facts()).argmax() == 0


def test_regions_have_a_logit_each_and_none_for_the_background():
    assert facts().channels == 14
    assert facts(recipe={"has_regions": True}).channels == 13


def test_a_box_in_the_padding_is_cut_at_the_volume():
    found = windows.moved_into(Box((0, 0, 4), (8, 8, 12)), (2, 0, 1), (4, 8, 9))
    assert found == Box((0, 0, 3), (4, 8, 9))


def test_the_mean_of_networks_is_that_of_their_logits():
    a, b = (lambda window, n=n: np.full((2, *window.shape), n, np.float32) for n in (1, 4))
    assert (Mean([a, b])(np.zeros((2, 2, 2), np.float32)) == 2.5).all()


def test_each_network_gives_its_memory_back_before_the_next_one_runs():
    said = []

    class Holding:
        def __init__(self, name):
            self.name = name

        def __call__(self, window):
            said.append(f"{self.name} runs")
            return np.zeros((2, *window.shape), np.float32)

        def give_back(self):
            said.append(f"{self.name} gives back")

    Mean([Holding("a"), Holding("b")])(np.zeros((2, 2, 2), np.float32))
    assert said == ["a runs", "a gives back", "b runs", "b gives back"]


@pytest.mark.parametrize("speed", ["fast", "accurate"])
def test_folds_are_averaged_but_at_speed_fast(tmp_path, speed):
    first = write_model(tmp_path / "a", constant_model((4, 4, 4), 1))
    second = write_model(tmp_path / "b", constant_model((4, 4, 4), 2))
    (tmp_path / "a" / "other.onnx").write_bytes((second / "model.onnx").read_bytes())
    from FlareSegLib.base.model_file import read_model_config

    config = replace(
        read_model_config(first),
        more_onnx=(("other.onnx", read_model_config(second).sha256),),
        recipe=Recipe(),
    ).at_speed(speed)
    logits = load_network(first, config, 1, "onnxruntime")(np.zeros((4, 4, 4), np.float32))
    expected = {"fast": (10, 0), "accurate": (5, 5)}[speed]
    assert (logits[1, 0, 0, 0], logits[2, 0, 0, 0]) == expected
