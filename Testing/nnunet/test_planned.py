"""Networks as nnU-Net plans them: low resolution, residual encoders, turned axes.

nnunetv2's own planners make the plans, its trainer the checkpoints; patches are made small.
"""

import json
from importlib.util import find_spec

import pytest

from FlareSegLib.base.job import Job
from FlareSegLib.base.model_file import read_model_config
from FlareSegLib.base.run_options import RunOptions
from FlareSegLib.models.sources import Wanted, import_from
from FlareSegLib.pipeline import segment_file
from Testing.nnunet import oracle
from Testing.nnunet.planned import Wish, untrained
from Testing.phantoms import abdomen, save

LEAST_DSC = 0.995
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not (find_spec("torch") and find_spec("nnunetv2")),
        reason="needs torch and nnunetv2: make nnunet-compare",
    ),
]


def both(wish, tmp_path, shape, spacing_mm):
    """Return the facts of the imported model, and the DSC of FlareSeg's and nnU-Net's labels."""
    trained = untrained(wish, tmp_path)
    model = import_from(trained, Wanted(name=wish.name), tmp_path / "models")
    image = tmp_path / "scan.nii.gz"
    save(abdomen(shape, spacing_mm, noise_hu=10.0, seed=5)[0], image)
    theirs = oracle.predict(trained, image, tmp_path / "theirs", mirrored=False)
    ours = tmp_path / "ours.nii.gz"
    options = RunOptions(speed="balanced", runtime="onnxruntime", device="cpu", clean=False)
    segment_file(Job(image, ours), model, options)
    plans = json.loads((trained / "plans.json").read_text(encoding="utf-8"))
    return plans, read_model_config(model), oracle.agreement(theirs, ours)


def test_thick_coronal_slices_are_turned_as_the_plan_says(tmp_path):
    wish = Wish(821, "turned", (110, 33, 120), (3.0, 9.5, 3.1), patch=(16, 64, 64))
    plans, config, found = both(wish, tmp_path, (100, 31, 110), (3.2, 9.7, 3.4))
    assert plans["transpose_forward"] == [1, 0, 2]
    assert config.recipe.axes == (1, 0, 2)
    assert config.spacing_mm == (9.5, 3.0, 3.1)
    assert len(found) > 1
    assert min(found.values()) >= LEAST_DSC


def test_the_low_resolution_of_a_large_data_set_is_run(tmp_path):
    wish = Wish(
        822, "low", (400, 512, 512), (0.9, 0.8, 0.8), configuration="3d_lowres", patch=(64, 64, 64)
    )
    plans, config, found = both(wish, tmp_path, (44, 52, 56), (3.5, 3.0, 3.0))
    assert min(config.spacing_mm) > 1.2 * max(plans["configurations"]["3d_fullres"]["spacing"])
    assert "previous_stage" not in plans["configurations"]["3d_lowres"]
    assert len(found) > 1
    assert min(found.values()) >= LEAST_DSC


@pytest.mark.parametrize("size", ["M", "L", "XL"])
def test_a_preset_with_residual_encoder_gives_the_labels_of_nnunet(size, tmp_path):
    wish = Wish(
        823, "residual", (222, 240, 240), (4.5, 4.5, 4.5), f"nnUNetPlannerResEnc{size}",
        patch=(64, 64, 64),
    )  # fmt: skip
    plans, config, found = both(wish, tmp_path, (52, 60, 68), (5.0, 5.0, 5.0))
    network = plans["configurations"]["3d_fullres"]["architecture"]
    assert network["network_class_name"].endswith("ResidualEncoderUNet")
    assert plans["plans_name"] == f"nnUNetResEncUNet{size}Plans"
    assert config.window == (64, 64, 64)
    assert len(found) > 1
    assert min(found.values()) >= LEAST_DSC
