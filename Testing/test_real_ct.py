"""The whole program on a real CT with the weights that ship: the sample, against its own mask."""

import numpy as np
import pytest

from FlareSegLib.base.errors import FlareSegError
from FlareSegLib.base.job import Job
from FlareSegLib.command.sample import fetch_sample
from FlareSegLib.evaluation.metrics import dice_per_organ
from FlareSegLib.images.writing import write_labelmap
from FlareSegLib.pipeline import default_model, segment_file
from Testing.flare import ORGANS
from Testing.sample_truth import sample_truth

FLOORS = {
    "liver": 0.90,
    "right_kidney": 0.80,
    "spleen": 0.85,
    "pancreas": 0.45,
    "aorta": 0.50,  # the mask holds the arch, the labels of FLARE that the network learned do not
    "inferior_vena_cava": 0.65,
    "right_adrenal_gland": 0.45,
    "left_adrenal_gland": 0.45,
    "esophagus": 0.60,
    "stomach": 0.70,
    "duodenum": 0.50,
    "left_kidney": 0.80,
}
"""Least DSC; the mask is TotalSegmentator's. The gallbladder is not in the scan."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    try:
        fetch_sample()
    except FlareSegError as error:
        pytest.skip(f"the sample CT cannot be fetched: {error}")
    return fetch_sample().parent


def test_the_sample_is_segmented_above_the_floor_of_each_organ(folder, tmp_path):
    import SimpleITK as sitk

    out = tmp_path / "organs.nii.gz"
    report = segment_file(Job(folder / "sample_ct.nii.gz", out), default_model())
    truth = sample_truth(folder)
    write_labelmap(truth, tmp_path / "truth.nii.gz")
    labels = sitk.GetArrayFromImage(sitk.ReadImage(str(out)))
    assert labels.shape == truth.array.shape
    scores = dice_per_organ(truth.array, labels.astype(np.uint8), ORGANS)
    found = {key: round(scores[key] or 0.0, 3) for key in FLOORS}
    assert {key for key in FLOORS if found[key] < FLOORS[key]} == set(), found
    assert np.mean(list(found.values())) > 0.74, found
    assert "no_organ_found" not in report.flags
    assert "mirrored" not in report.flags
    assert not [row.key for row in report.organs if "wrong_side" in row.flags]
