"""From a folder of CTs to a table of scores and the viewer: each command takes what one gives."""

import json
import zipfile

import pytest

from FlareSegLib.images.case_files import to_view
from FlareSegLib.images.reading import read_volume
from FlareSegLib.images.writing import write_labelmap
from Testing.command.conftest import LEAN


@pytest.mark.slow
def test_batch_feeds_evaluate_and_view_with_a_training_layout(
    flareseg, ct, phantom, model, tmp_path
):
    for case in ("p1", "p2"):
        (tmp_path / "cts" / case).mkdir(parents=True)
        (tmp_path / "cts" / case / "ct.nii.gz").write_bytes(ct.read_bytes())
        write_labelmap(phantom[1], tmp_path / "cts" / case / "label.nii.gz")
    done = flareseg("batch", "cts", "out", "--model", model, *LEAN, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "left out 2 labelmaps" in done.stderr
    assert "2 CTs: 2 ok" in done.stdout
    done = flareseg("evaluate", "cts", "out", "-o", "scores", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "lacks" not in done.stderr
    lines = (tmp_path / "scores" / "scores.csv").read_text("utf-8").splitlines()
    assert len(lines) == 1 + 2 * 13
    found = to_view(tmp_path / "out" / "p1_ct_organs.nii.gz")
    assert found[0].samefile(tmp_path / "cts" / "p1" / "ct.nii.gz")
    report = json.loads((tmp_path / "out" / "p1_ct_organs.report.json").read_text("utf-8"))
    assert report["run"]["source"]["path"] == "../cts/p1/ct.nii.gz"


def test_a_file_that_is_no_model_is_told_with_what_to_give(flareseg, ct, tmp_path):
    (tmp_path / "m.zip").write_bytes(b"PK")
    done = flareseg("segment", ct, "-o", tmp_path / "o.nrrd", "--model", tmp_path / "m.zip")
    assert done.returncode == 1
    assert "give a model folder, a zip file" in done.stderr


def test_zip_file_is_segmented_and_found_again(flareseg, ct, model, tmp_path):
    with zipfile.ZipFile(tmp_path / "Doe Jane.zip", "w") as made:
        made.write(ct, "export/ct.nii.gz")
    words = ("--preview", "--model", model, *LEAN)
    done = flareseg("segment", "Doe Jane.zip", "-o", "organs.nii.gz", *words, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    alone = flareseg("segment", ct, "-o", "alone.nii.gz", "--model", model, *LEAN, cwd=tmp_path)
    assert alone.returncode == 0, alone.stderr
    assert (tmp_path / "organs.nii.gz").read_bytes() == (tmp_path / "alone.nii.gz").read_bytes()
    run = json.loads((tmp_path / "organs.report.json").read_text("utf-8"))["run"]
    assert run["source"]["path"] == "Doe Jane.zip"
    found, _ = to_view(tmp_path / "organs.nii.gz")
    assert read_volume(found).grid.shape == read_volume(ct).grid.shape
