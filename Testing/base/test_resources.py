import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from FlareSegLib.base import resources
from FlareSegLib.base.errors import ResourceError
from FlareSegLib.base.geometry import Grid
from FlareSegLib.base.recipe import Recipe
from FlareSegLib.base.resources import (
    free_mib,
    limit_seconds,
    needed_mib,
    peak_mib,
    physical_cores,
    threads_for,
)
from FlareSegLib.base.run_options import RunOptions
from FlareSegLib.inference import windows
from Testing.model_facts import a_config

ROOT = Path(__file__).parents[2]
MODEL_MM = (2.0, 1.5, 1.5)
USUAL = Grid((215, 512, 512), (2.0, 0.81, 0.81))


def with_machine(monkeypatch, cores, mib):
    monkeypatch.setattr(resources, "physical_cores", lambda: cores)
    monkeypatch.setattr(resources, "free_mib", lambda: mib)


def test_a_case_has_time_for_its_voxels_as_read_and_as_resampled():
    grid = Grid((10, 200, 500), (4.0, 1.0, 0.5))  # 40 x 200 x 250 mm: at 2 x 1 x 1 mm 1 million
    assert limit_seconds(grid, (2.0, 1.0, 1.0)) == pytest.approx(600 + 10 * (1 + 1))


def test_a_usual_ct_fits_into_two_gib():
    assert needed_mib(USUAL, MODEL_MM) < 2048


@pytest.mark.parametrize(
    ("shape", "spacing_mm", "speed", "peak_mib"),
    [
        ((24, 256, 256), (1.55, 1.41, 1.41), "balanced", 263),
        ((215, 512, 512), (1.55, 0.70, 0.70), "balanced", 631),
        ((215, 512, 512), (1.55, 0.70, 0.70), "accurate", 903),
        ((600, 512, 512), (0.55, 0.70, 0.70), "accurate", 1277),
        ((48, 1024, 1024), (1.55, 0.35, 0.35), "accurate", 648),
        ((500, 256, 256), (1.55, 1.41, 1.41), "accurate", 936),
        ((215, 340, 460), (2.0, 1.10, 1.10), "balanced", 699),
        ((215, 340, 460), (2.0, 1.41, 1.41), "balanced", 999),
    ],
)
def test_memory_that_was_measured_is_not_underestimated(shape, spacing_mm, speed, peak_mib):
    """Peaks of whole runs with two threads; in the last two the body fills the scan."""
    estimate = needed_mib(Grid(shape, spacing_mm), MODEL_MM, speed) + 2 * resources.THREAD_MIB
    assert peak_mib < estimate < 1.5 * peak_mib


@pytest.mark.parametrize("speed", ["fast", "balanced", "accurate"])
def test_a_slab_is_as_deep_as_the_plan_allows(speed):
    shape = (400, 480, 480)
    config = a_config(is_flat=True)
    deepest = windows.plan(shape, config, RunOptions(speed=speed)).window[0]
    assert deepest <= resources.DEEPEST_SLAB[speed]
    assert resources.USUAL_SLAB_VOXELS == windows.MOST_VOXELS


def test_threads_follow_the_cores_up_to_twelve(monkeypatch):
    with_machine(monkeypatch, 4, 64000)
    assert threads_for(USUAL, MODEL_MM) == 4
    with_machine(monkeypatch, 64, 64000)
    assert threads_for(USUAL, MODEL_MM) == 12


def test_a_user_can_ask_for_fewer_but_not_for_more(monkeypatch):
    with_machine(monkeypatch, 4, 64000)
    assert threads_for(USUAL, MODEL_MM, 2) == 2
    assert threads_for(USUAL, MODEL_MM, 40) == 4


def test_large_volumes_get_fewer_threads(monkeypatch):
    mib = needed_mib(USUAL, MODEL_MM) + 2.5 * resources.THREAD_MIB
    with_machine(monkeypatch, 8, mib)
    assert threads_for(USUAL, MODEL_MM) == 2
    assert threads_for(Grid((64, 512, 512), (2.0, 0.81, 0.81)), MODEL_MM) == 8


def test_too_little_memory_is_said_before_the_work_starts(monkeypatch):
    with_machine(monkeypatch, 8, 300)
    with pytest.raises(ResourceError, match="300 MiB are free"):
        threads_for(USUAL, MODEL_MM)


def test_a_large_network_counts_with_its_weights_and_window_before_the_work_starts(monkeypatch):
    config = a_config(window=(128, 128, 128), recipe=Recipe(), onnx_bytes=125_000_000)
    folds = replace(config, more_onnx=(("model_1.onnx", "0" * 64),))
    assert a_config(onnx_bytes=125_000_000).network_mib == 0
    # Measured on it alone, loaded and at work: onnxruntime 1288 MiB, OpenVINO 843
    assert 1288 < config.network_mib < 2000
    # The same of two folds: onnxruntime 1394 MiB
    assert 1394 < folds.network_mib < 2300
    needed = needed_mib(USUAL, MODEL_MM, network_mib=config.network_mib)
    assert needed == needed_mib(USUAL, MODEL_MM) + config.network_mib
    with_machine(monkeypatch, 8, needed - 100)
    assert threads_for(USUAL, MODEL_MM) == 8
    with pytest.raises(ResourceError, match=r"MiB, \d+ MiB of it for the network"):
        threads_for(USUAL, MODEL_MM, network_mib=config.network_mib)


def test_this_machine_is_measured():
    assert physical_cores() >= 1
    assert free_mib() > 100
    before = peak_mib()
    block = np.ones((128, 2**20), np.uint8)
    assert peak_mib() >= max(before, 100)
    del block


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux hands the peak of a parent on")
def test_the_peak_of_a_parent_is_not_that_of_its_child():
    block = np.ones((512, 2**20), np.uint8)
    command = [
        sys.executable,
        "-c",
        "from FlareSegLib.base import resources as r; print(r.peak_mib())",
    ]
    done = subprocess.run(command, capture_output=True, check=True, cwd=ROOT)
    assert 5 < float(done.stdout) < 300 < block.nbytes / 2**20
