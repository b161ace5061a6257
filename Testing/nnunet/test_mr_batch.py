"""Many MR images with a model of MR: nobody asks whether their values are HU."""

import csv

import pytest

from FlareSegLib.command.main import main
from Testing.nnunet.oracle import agreement
from Testing.nnunet.test_against_nnunet import HERE
from Testing.nnunet.worlds import WORLDS, case
from Testing.phantoms import save

NUMBERS = (50, 51)


def rows_of(folder):
    with (folder / "summary.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.slow
def test_a_batch_of_mr_images_runs_with_a_model_of_mr_and_not_with_one_of_ct(tmp_path):
    images = tmp_path / "images"
    images.mkdir()
    for number in NUMBERS:
        save(case(WORLDS["flat"], number)[0], images / f"mr_{number}.nii.gz")

    def batch(target, *words):
        plain = ["--quiet", "--speed", "accurate", "--runtime", "onnxruntime", "--device", "cpu"]
        return main(["batch", str(images), str(target), *plain, *words])

    assert not batch(tmp_path / "mr", "--model", str(HERE / "converted" / "flat"))
    rows = rows_of(tmp_path / "mr")
    assert [row["status"] for row in rows] == ["ok"] * len(NUMBERS)
    assert not any("HU" in value for row in rows for value in row.values() if value)
    expected = HERE / "expected/flat_accurate.nii.gz"  # of case 50, by nnU-Net itself
    found = agreement(expected, tmp_path / "mr/mr_50_organs.nii.gz")
    assert found
    assert min(found.values()) >= 0.995
    assert batch(tmp_path / "ct")  # with the model that ships
    rows = rows_of(tmp_path / "ct")
    assert all(row["status"] == "failed" for row in rows)
    assert all("Hounsfield" in row["reason"] for row in rows), rows
