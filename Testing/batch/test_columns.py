"""A cohort's table can be analysed alone."""

import csv

import pytest

from FlareSegLib.batch.columns import details, organ_columns, shown
from FlareSegLib.batch.summary import Measured, Row, row_of, write_summary, write_tidy
from FlareSegLib.images.dicom.acquisition import acquisition
from Testing.dicom_series import write_series
from Testing.flare import BY_KEY

ORGANS = (BY_KEY["liver"], BY_KEY["spleen"])
REPORT = {
    "flags": {},
    "phase": {"name": "portal venous"},
    "run": {
        "model": {"name": "m", "version": "3", "sha256": "f"}, "speed": "fast",
        "dicom": {"kernel": "B30f", "kvp": 120.0},
    },
    "organs": [
        {"key": "liver", "state": "cut", "mean_hu": 50.123, "core_hu": {"median": 60.0}},
        {"key": "spleen", "state": "absent", "mean_hu": None, "core_hu": None},
    ],
}  # fmt: skip
FOUND = Measured(1.0, {"liver": 1234.567, "spleen": 0.0}, (), details(REPORT))
ROWS = [Row("a", "a.nii", "", "ok", "", FOUND), Row("b", "b.nii", "", "failed", "no CT")]


def read(path):
    return list(csv.DictReader(path.read_text("utf-8").splitlines()))


def test_absent_is_empty_and_never_zero_and_cut_is_a_column(tmp_path):
    write_summary(ROWS, ORGANS, tmp_path / "s.csv")
    first, second = read(tmp_path / "s.csv")
    assert (first["liver_ml"], first["liver_state"], first["liver_core_hu"]) == (
        "1234.6",
        "cut",
        "60.0",
    )
    assert (first["spleen_ml"], first["spleen_state"], first["spleen_mean_hu"]) == (
        "",
        "absent",
        "",
    )
    assert (first["phase"], first["kernel"], first["kvp"]) == ("portal venous", "B30f", "120.0")
    assert second["liver_ml"] == second["model"] == ""


def test_the_tidy_form_has_a_line_for_each_organ_of_what_went_well(tmp_path):
    write_tidy(ROWS, ORGANS, tmp_path / "t.csv")
    rows = read(tmp_path / "t.csv")
    assert [(row["case"], row["organ"], row["ml"]) for row in rows] == [
        ("a", "liver", "1234.6"), ("a", "spleen", ""),
    ]  # fmt: skip


def test_details_travel_between_processes():
    assert row_of(ROWS[0].to_dict()).measured.details == ROWS[0].measured.details


def test_decimals_say_no_more_than_is_known():
    assert [shown("liver_ml", ml) for ml in (1234.567, 4.567, 0.0, None)] == [
        1234.6,
        4.57,
        None,
        None,
    ]
    assert organ_columns(ORGANS)[:3] == ["liver_ml", "spleen_ml", "liver_state"]


@pytest.mark.parametrize("with_person", [False, True])
def test_what_the_scanner_says_is_told_and_the_person_only_if_allowed(tmp_path, with_person):
    tags = {"KVP": 120, "ConvolutionKernel": "B30f", "ContrastBolusAgent": "IOMERON"}
    person = {"StudyDate": "20260101", "PatientSex": "F", "PatientAge": "044Y"}
    source = write_series(tmp_path / "ct", **tags, **person)
    found = acquisition(source, None, with_person=with_person)
    expected = {"slice_thickness_mm": 3, "kernel": "B30f", "kvp": 120, "contrast": "IOMERON"}
    told = {"study_date": "20260101", "sex": "F", "age": "044Y"} if with_person else {}
    assert found == {**expected, **told}
    assert acquisition(tmp_path / "ct" / "none", None) == {}
