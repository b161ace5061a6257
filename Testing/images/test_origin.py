"""A report tells where its CT is: enough to find it, nothing of a patient or of a home folder."""

import json
from pathlib import Path

import pytest

from FlareSegLib.base.errors import InputError
from FlareSegLib.images.origin import found_again, origin
from Testing.dicom_series import write_series


def image(folder):
    path = folder / "cts" / "p1" / "ct.nii.gz"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"voxels")
    return path


def test_a_ct_is_found_from_its_report_wherever_both_are_moved(tmp_path):
    ct, report = image(tmp_path / "a"), tmp_path / "a" / "out" / "p1.report.json"
    report.parent.mkdir()
    facts = {"source": origin(ct, None, report), "input": "ct.nii.gz"}
    assert facts["source"]["path"] == "../cts/p1/ct.nii.gz"
    assert found_again(facts, report).samefile(ct)
    (tmp_path / "a").rename(tmp_path / "b")
    moved = tmp_path / "b" / "out" / "p1.report.json"
    assert found_again(facts, moved).read_bytes() == b"voxels"


def test_a_ct_that_has_changed_is_not_taken_for_the_one_it_was(tmp_path):
    ct, report = image(tmp_path), tmp_path / "p1.report.json"
    facts = {"source": origin(ct, None, report), "input": "ct.nii.gz"}
    ct.write_bytes(b"others")
    with pytest.raises(InputError, match="has changed since"):
        found_again(facts, report)


def test_a_ct_that_is_gone_is_asked_for(tmp_path):
    ct, report = image(tmp_path), tmp_path / "p1.report.json"
    facts = {"source": origin(ct, None, report), "input": "ct.nii.gz"}
    ct.unlink()
    with pytest.raises(InputError, match="name the CT with --ct"):
        found_again(facts, report)


def test_a_patients_name_in_the_path_is_not_told_but_the_series_is(tmp_path):
    folder = write_series(tmp_path / "in" / "Doe_Jane", SeriesInstanceUID="1.2.3.4")
    report = tmp_path / "out" / "a.report.json"
    hidden = origin(folder, None, report)
    assert hidden == {"path": None, "sha256": None, "series_uid": "1.2.3.4"}
    assert "Doe" not in json.dumps(hidden)
    assert origin(folder, None, report, keep_ids=True)["path"] == "../in/Doe_Jane"


def test_what_lies_in_another_home_is_not_told(tmp_path, monkeypatch):
    ct, other = image(tmp_path / "anna"), tmp_path / "berta"
    monkeypatch.setattr(Path, "home", lambda: other)
    assert origin(ct, None, other / "a.report.json")["path"] is None
