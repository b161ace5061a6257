"""Which prediction belongs to which truth, by the names that programs give."""

import pytest

from FlareSegLib.base.errors import InputError
from FlareSegLib.images.case_files import bare_name, matched


def files(folder, *names):
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("x")
    return folder


@pytest.mark.parametrize(
    ("truth", "pred"),
    [
        ("p1.nii.gz", "p1.nii.gz"),
        ("p1.nii.gz", "p1_organs.nii.gz"),
        ("p1/label.nii.gz", "p1_ct_organs.nii.gz"),
        ("FLARE22_Tr_0001.nii.gz", "FLARE22_Tr_0001_0000_organs.nii.gz"),
        ("sub-01_dseg.nii.gz", "sub-01_ct_organs.seg.nrrd"),
        ("sub-01_ct.nii.gz", "sub-01_ct_organs.nii.gz"),
    ],
)
def test_what_batch_writes_fits_to_the_truth_of_the_usual_layouts(tmp_path, truth, pred):
    truths, preds = files(tmp_path / "truth", truth), files(tmp_path / "pred", pred)
    assert list(matched(truths, preds).values()) == [(truths / truth, preds / pred)]


def test_the_very_name_goes_first(tmp_path):
    truths = files(tmp_path / "truth", "a.nii.gz", "a_ct.nii.gz")
    preds = files(tmp_path / "pred", "a.nii.gz", "a_ct.nii.gz")
    assert {case: pred.name for case, (_, pred) in matched(truths, preds).items()} == {
        "a": "a.nii.gz", "a_ct": "a_ct.nii.gz",
    }  # fmt: skip


def test_two_predictions_that_fit_are_refused_by_name(tmp_path):
    truths = files(tmp_path / "truth", "a.nii.gz")
    preds = files(tmp_path / "pred", "a_organs.nii.gz", "a_ct_organs.nii.gz")
    with pytest.raises(InputError, match=r"2 labelmaps of a .*: leave one of them"):
        matched(truths, preds)


def test_a_case_that_is_called_after_an_ending_keeps_its_name():
    assert [bare_name(name) for name in ("_ct", "p_0000_organs", "p_seg_organs")] == [
        "_ct", "p", "p",
    ]  # fmt: skip
