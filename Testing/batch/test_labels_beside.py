"""Labelmaps beside CTs are told and left out; what is alone stays."""

import logging

import numpy as np
import pytest
import SimpleITK as sitk

from FlareSegLib.batch.cases import find_cases
from FlareSegLib.batch.manifest import cases_of


def image(path, kind=np.int16):
    path.parent.mkdir(parents=True, exist_ok=True)
    sitk.WriteImage(sitk.GetImageFromArray(np.zeros((16, 16, 16), kind)), str(path))


def names(cases):
    return [case.name for case in cases]


@pytest.mark.parametrize("kind", [np.uint8, np.int16])
def test_a_training_layout_gives_its_cts_alone_and_says_so(tmp_path, caplog, kind):
    for case in ("a", "b"):
        image(tmp_path / case / "ct.nii.gz")
        image(tmp_path / case / "label.nii.gz", kind)
    with caplog.at_level(logging.WARNING):
        assert names(find_cases(tmp_path)) == ["a_ct", "b_ct"]
    assert "left out 2 labelmaps (called so, or 8-bit) beside CTs: a/label.nii.gz" in caplog.text


def test_raw_data_of_nnunet_give_their_images_alone(tmp_path):
    for case in ("a", "b"):
        image(tmp_path / "imagesTr" / f"{case}_0000.nii.gz")
        image(tmp_path / "labelsTr" / f"{case}.nii.gz", np.uint8)
    assert names(find_cases(tmp_path)) == ["imagesTr_a_0000", "imagesTr_b_0000"]
    assert names(cases_of(tmp_path / "*Tr" / "*")) == ["imagesTr_a_0000", "imagesTr_b_0000"]


def test_masks_of_any_name_are_known_by_their_8_bits(tmp_path):
    image(tmp_path / "p" / "ct.nii.gz")
    image(tmp_path / "p" / "segmentations" / "liver.nii.gz", np.uint8)
    image(tmp_path / "p" / "spleen.mha", np.uint8)
    assert names(find_cases(tmp_path)) == ["p_ct"]


def test_without_a_ct_beside_them_they_stay_to_be_refused_with_a_reason(tmp_path):
    image(tmp_path / "a.nii.gz", np.uint8)
    image(tmp_path / "deep" / "down" / "label.nii.gz")
    assert names(find_cases(tmp_path)) == ["a", "deep_down_label"]


def test_cts_whose_names_hold_such_words_stay(tmp_path):
    for name in ("labelled_patient.nii.gz", "masked man.nii.gz", "p1.nii.gz"):
        image(tmp_path / name)
    assert len(find_cases(tmp_path)) == 3
