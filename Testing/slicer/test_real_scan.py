"""The panel on a real CT with the weights that ship, through the real worker process."""

import numpy as np
import pytest

from FlareSegLib.base.errors import FlareSegError
from FlareSegLib.command.sample import fetch_sample
from FlareSegLib.images.writing import write_labelmap
from Testing.sample_truth import sample_truth
from Testing.slicer.conftest import wait_until
from Testing.slicer.screenshots import draw_3d, load

pytestmark = pytest.mark.slow
FLOORS = {"liver": 0.90, "right_kidney": 0.80, "spleen": 0.85, "left_kidney": 0.80}
"""Least DSC, as in Testing/test_real_ct.py."""


@pytest.fixture(scope="module")
def path():
    try:
        return fetch_sample()
    except FlareSegError as error:
        pytest.skip(f"the sample CT cannot be fetched: {error}")


def test_apply_finds_the_organs_of_a_real_ct(panel, path, tmp_path):
    import slicer

    from Testing.flare import BY_KEY

    ct = load(path)
    panel._parameterNode.inputVolume = ct
    panel.ui.applyButton.click()
    shares = []
    tell = panel.ui.progressBar.connect
    tell("valueChanged(int)", shares.append)
    wait_until(lambda: not panel.job.isRunning, seconds=600)
    found = panel._parameterNode.outputSegmentation
    assert found is not None, panel.ui.statusLabel.text
    assert len(set(shares)) > 10
    assert max(np.diff([0, *shares])) <= 30  # percent: the bar does not stand still for long
    write_labelmap(sample_truth(path.parent), tmp_path / "truth.nii.gz")
    truth = slicer.util.arrayFromVolume(load(tmp_path / "truth.nii.gz"))  # Slicer turns z round
    for key, floor in FLOORS.items():
        mask = slicer.util.arrayFromSegmentBinaryLabelmap(found, key, ct) > 0
        true = truth == BY_KEY[key].value
        assert 2 * np.sum(mask & true) / (mask.sum() + true.sum()) > floor, key
    draw_3d(found, tmp_path / "organs.png")
    assert_all_are_drawn(tmp_path / "organs.png")


def assert_all_are_drawn(path):
    """A tenth of the picture or more is organs, in many hues: they are neither hidden nor grey."""
    from Testing.slicer.rig import qt

    image = qt.QImage(str(path))
    columns, rows = range(0, image.width(), 5), range(0, image.height(), 5)
    colors = [image.pixelColor(x, y) for x in columns for y in rows]
    organs = [color for color in colors if color.value() > 60]
    assert len(organs) > len(colors) / 10
    assert len({color.hue() // 20 for color in organs}) >= 6


def test_cancel_half_way_through_a_real_ct(panel, path):
    import slicer

    panel._parameterNode.inputVolume = load(path)
    panel.ui.applyButton.click()
    wait_until(lambda: panel.ui.statusLabel.text.startswith("Finding the organs"), seconds=300)
    panel.ui.applyButton.click()
    wait_until(lambda: not panel.job.isRunning, seconds=30)
    assert panel.ui.statusLabel.text == "Cancelled; nothing was changed"
    assert slicer.mrmlScene.GetNumberOfNodesByClass("vtkMRMLSegmentationNode") == 0
