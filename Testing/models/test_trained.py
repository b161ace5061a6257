"""What is read of plans.json and dataset.json, and what is refused with which words."""

import copy
import json
import re

import pytest

from FlareSegLib.base.errors import ModelError
from FlareSegLib.models.trained import classes, label_set, read_trained, to_facts

RESAMPLING = {
    "resampling_fn_data": "resample_data_or_seg_to_shape",
    "resampling_fn_data_kwargs": {
        "is_seg": False, "order": 3, "order_z": 0, "force_separate_z": None,
    },
    "resampling_fn_probabilities": "resample_data_or_seg_to_shape",
    "resampling_fn_probabilities_kwargs": {
        "is_seg": False, "order": 1, "order_z": 0, "force_separate_z": None,
    },
}  # fmt: skip
PLANS = {
    "dataset_name": "Dataset007_Things",
    "image_reader_writer": "SimpleITKIO",
    "transpose_forward": [2, 0, 1],
    "original_median_spacing_after_transp": [5.0, 0.8, 0.8],
    "foreground_intensity_properties_per_channel": {
        "0": {"mean": 80.0, "std": 40.0, "percentile_00_5": -20.0, "percentile_99_5": 200.0}
    },
    "configurations": {
        "3d_fullres": {
            "preprocessor_name": "DefaultPreprocessor",
            "patch_size": [16, 32, 48],
            "spacing": [3.0, 1.5, 1.2],
            "normalization_schemes": ["CTNormalization"],
            "use_mask_for_norm": [False],
            **RESAMPLING,
        },
        "3d_lowres": {"inherits_from": "3d_fullres", "spacing": [6.0, 3.0, 2.4]},
        "3d_cascade_fullres": {"inherits_from": "3d_fullres", "previous_stage": "3d_lowres"},
        "2d": {
            "preprocessor_name": "DefaultPreprocessor",
            "patch_size": [64, 80],
            "spacing": [0.7, 0.8],
            "normalization_schemes": ["ZScoreNormalization"],
            "use_mask_for_norm": [True],
            **RESAMPLING,
        },
    },
}
DATASET = {
    "channel_names": {"0": "CT"},
    "labels": {"background": 0, "Left Lung": 2, "liver": 1, "left-lung": 3},
}


def trained(tmp_path, configuration="3d_fullres", plans=None, dataset=None):
    folder = tmp_path / f"nnUNetTrainer__nnUNetPlans__{configuration}"
    folder.mkdir()
    (folder / "plans.json").write_text(json.dumps(plans or PLANS))
    (folder / "dataset.json").write_text(json.dumps(dataset or DATASET))
    return folder


def facts_of(folder):
    return to_facts(read_trained(folder), "things", "1")


def test_a_ct_model_has_spacing_patch_and_intensities_of_its_plan(tmp_path):
    facts = facts_of(trained(tmp_path))
    assert facts["spacing_mm"] == [3.0, 1.5, 1.2]
    assert facts["window"] == [16, 32, 48]
    assert (facts["hu_range"], facts["hu_mean"], facts["hu_sd"]) == ([-20.0, 200.0], 80.0, 40.0)
    assert facts["modality"] == "CT"
    recipe = facts["recipe"]
    assert recipe["axes"] == [2, 0, 1]
    assert recipe["normalization"] == "clip"
    assert recipe["orientation"] == "stored"
    assert (recipe["order"], recipe["order_z"], recipe["logits_order"]) == (3, 0, 1)


def test_a_configuration_has_what_it_inherits(tmp_path):
    facts = facts_of(trained(tmp_path, "3d_lowres"))
    assert facts["spacing_mm"] == [6.0, 3.0, 2.4]
    assert facts["window"] == [16, 32, 48]


def test_a_2d_model_of_mr_has_windows_of_one_slice_and_z_scores_in_the_mask(tmp_path):
    dataset = {**DATASET, "channel_names": {"0": "T2"}}
    facts = facts_of(trained(tmp_path, "2d", dataset=dataset))
    assert facts["window"] == [1, 64, 80]
    assert facts["spacing_mm"] == [5.0, 0.7, 0.8]
    assert facts["modality"] == "T2"
    assert "hu_mean" not in facts
    assert facts["recipe"]["normalization"] == "z_score_in_mask"


def test_labels_come_in_the_order_of_their_values_with_keys_of_their_own(tmp_path):
    found = read_trained(trained(tmp_path))
    assert classes(found) == [
        ("liver", "liver", 1),
        ("left_lung", "Left Lung", 2),
        ("left_lung_3", "left-lung", 3),
    ]
    organs = label_set(found).by_value
    assert organs[1].snomed == "10200004"  # of the liver, which FlareSeg knows
    assert organs[1].keep == "all"
    assert organs[2].name == "Left Lung"


def test_regions_have_the_values_of_their_order(tmp_path):
    dataset = {
        "channel_names": {"0": "CT"},
        "labels": {"background": 0, "whole": [1, 2, 3], "core": [2, 3], "ring": 3},
        "regions_class_order": [1, 3, 2],
    }
    found = read_trained(trained(tmp_path, dataset=dataset))
    assert [(key, value) for key, _, value in classes(found)] == [
        ("whole", 1),
        ("core", 3),
        ("ring", 2),
    ]
    assert to_facts(found, "a", "1")["recipe"]["has_regions"]


def test_an_ignore_label_is_no_class(tmp_path):
    dataset = {**DATASET, "labels": {**DATASET["labels"], "ignore": 4}}
    assert len(classes(read_trained(trained(tmp_path, dataset=dataset)))) == 3


def test_a_reader_that_turns_images_is_followed(tmp_path):
    plans = {**PLANS, "image_reader_writer": "NibabelIOWithReorient"}
    assert facts_of(trained(tmp_path, plans=plans))["recipe"]["orientation"] == "RAS"


def changed(**facts):
    plans = copy.deepcopy(PLANS)
    plans["configurations"]["3d_fullres"] |= facts
    return plans


@pytest.mark.parametrize(
    ("configuration", "plans", "dataset", "words"),
    [
        ("3d_cascade_fullres", None, None, "is a cascade"),
        (
            "3d_fullres",
            None,
            {**DATASET, "channel_names": {"0": "T1", "1": "T2"}},
            "takes 2 images",
        ),
        ("3d_fullres", changed(normalization_schemes=["Mine"]), None, "normalises by Mine"),
        ("3d_fullres", changed(preprocessor_name="Mine"), None, "preprocessed by Mine"),
        ("3d_fullres", changed(resampling_fn_data="mine"), None, "resamples by a function"),
        ("3d_fullres", {**PLANS, "image_reader_writer": "NaturalImage2DIO"}, None, "pictures"),
        ("3d_fullres", {"configurations": {}}, None, "is not of nnU-Net v2"),
    ],
)
def test_what_flareseg_cannot_do_as_nnunet_does_is_refused_with_the_reason(
    tmp_path, configuration, plans, dataset, words
):
    folder = trained(tmp_path, configuration, plans, dataset)
    with pytest.raises(ModelError, match=re.escape(words)):
        read_trained(folder)


def test_more_classes_than_a_labelmap_holds_are_refused(tmp_path):
    labels = {"background": 0, **{f"l{i}": i for i in range(1, 300)}}
    with pytest.raises(ModelError, match="299 classes, at most 254"):
        read_trained(trained(tmp_path, dataset={**DATASET, "labels": labels}))


def test_a_damaged_file_is_named(tmp_path):
    folder = trained(tmp_path)
    (folder / "plans.json").write_text("{")
    with pytest.raises(ModelError, match=r"plans\.json cannot be read"):
        read_trained(folder)
