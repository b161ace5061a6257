"""117 classes: memory on a usual CT, and labels as the class-wise way restores them."""

import json
import subprocess
import sys

import numpy as np
import pytest
from scipy import ndimage

from FlareSegLib.base.geometry import Grid, Labelmap
from FlareSegLib.postprocessing import restore, restore_classwise
from Testing.command.conftest import ENVIRONMENT
from Testing.many_organs import write_flat_model

COUNT = 117
MEASURE = """
import json, sys
from pathlib import Path
import numpy as np
from FlareSegLib import pipeline
from FlareSegLib.base.model_file import read_model_config
from FlareSegLib.base.run_options import RunOptions
from FlareSegLib.base.resources import THREAD_MIB, needed_mib, peak_mib
from FlareSegLib.inference.runtimes import load_network
from Testing.many_organs import cubes

config = read_model_config(Path(sys.argv[1]))
ct, _ = cubes(len(config.labels), (215, 512, 512), (2.5, 0.8, 0.8))
network = load_network(Path(sys.argv[1]), config, 2, "onnxruntime")
found = pipeline.segment(ct, network, config, RunOptions(threads=2), threads=2).labelmap.array
estimate = needed_mib(ct.grid, config.spacing_mm, "balanced", config.logits_per_voxel)
facts = {"peak": peak_mib(), "estimate": estimate + 2 * THREAD_MIB}
print(json.dumps(facts | {"classes": len(np.unique(found)) - 1}))
"""


@pytest.mark.slow
def test_117_classes_on_a_usual_ct_stay_under_four_gib_and_under_the_estimate(tmp_path):
    folder = write_flat_model(tmp_path, COUNT)
    said = subprocess.run(
        [sys.executable, "-c", MEASURE, str(folder)],
        capture_output=True, encoding="utf-8", env=ENVIRONMENT, timeout=1200, check=True,
    )  # fmt: skip
    found = json.loads(said.stdout.splitlines()[-1])
    assert found["classes"] == COUNT
    assert 0 < found["peak"] < found["estimate"] < 4096


def test_117_classes_are_restored_as_by_the_class_wise_way():
    rng = np.random.default_rng(0)
    noise = rng.normal(size=(8, 16, 18, COUNT + 1))
    smooth = ndimage.gaussian_filter(noise, (1.5, 1.5, 1.5, 0)) * 40
    logits = smooth.astype(np.float16)
    grid = Grid((13, 64, 70), (2.5, 0.75, 0.75))
    found = []
    for to_labels in (restore.to_labels, restore_classwise.to_labels):
        target = Labelmap(np.zeros(grid.shape, np.uint8), grid)
        to_labels(logits, (4.0, 3.0, 3.0), target, 2)
        found.append(target.array)
    assert len(np.unique(found[0])) > 100
    assert np.array_equal(*found)


def test_class_255_is_restored_though_its_number_stands_for_mixed_cells():
    logits = np.zeros((4, 6, 6, 256), np.float16)
    logits[..., 255] = 1
    grid = Grid((8, 12, 12), (1.0, 1.0, 1.0))
    target = Labelmap(np.zeros(grid.shape, np.uint8), grid)
    restore.to_labels(logits, (2.0, 2.0, 2.0), target, 1)
    assert (target.array == 255).all()


def test_classes_become_the_values_of_the_label_set():
    grid = Grid((1, 1, 4), (1.0, 1.0, 1.0))
    target = Labelmap(np.array([[[0, 1, 2, 3]]], np.uint8), grid)
    restore.to_values(target, (0, 40, 2, 200))
    assert target.array.tolist() == [[[0, 40, 2, 200]]]
