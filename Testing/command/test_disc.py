"""A whole disc as a clinic hands it out: flareseg batch takes its CTs, and counts the rest."""

import csv
import os
import shutil

import numpy as np
import pytest
import SimpleITK as sitk

from Testing.command.conftest import SPACING_MM
from Testing.dicom_disc import write_disc
from Testing.dicom_series import height_mm

OBJECTS = ("11.1", "88.59", "88.11", "481.3")
"""Presentation state, key object selection, report, structure set."""


@pytest.fixture(scope="module")
def disc(phantom, tmp_path_factory):
    """Two patients with a CT each, what refers to it, and a viewer for Windows."""
    volume = phantom[0]
    step_mm = SPACING_MM[0]
    tags = {"array": volume.array, "PixelSpacing": list(SPACING_MM[1:]), "step_mm": step_mm}
    folder = tmp_path_factory.mktemp("disc") / "CD"
    write_disc(folder, {"1.2.3": tags, "1.2.4": tags}, OBJECTS)
    (folder / "VIEWER").mkdir()
    for name in ("VIEWER/VIEWER.EXE", "VIEWER/QT5.DLL", "VIEWER/HELP.PDF", "SETUP.EXE"):
        (folder / name).write_bytes(b"MZ" + bytes(5000))
    (folder / "AUTORUN.INF").write_text("[autorun]\nopen=SETUP.EXE\n")
    (folder / "INDEX.HTM").write_text("<html>")
    (folder / "VIEWER" / "LOGO.JPG").write_bytes(b"\xff\xd8\xff" + bytes(300))
    return folder


def rows(out):
    with (out / "summary.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def voxels(path):
    return sitk.GetArrayFromImage(sitk.ReadImage(str(path)))


@pytest.mark.slow
def test_a_batch_of_a_disc_segments_its_cts_and_counts_the_rest(
    flareseg, disc, model, phantom, tmp_path
):
    done = flareseg("batch", disc, tmp_path / "out", "--model", model)
    assert done.returncode == 0, done.stderr
    assert "2 CTs: 2 ok, 0 failed" in done.stdout
    found = sorted((tmp_path / "out").glob("*_organs.nii.gz"))
    assert len(found) == 2
    for path in found:
        assert "Doe" not in path.name
        assert set(np.unique(voxels(path))) > {0}
    assert [row["status"] for row in rows(tmp_path / "out")] == ["ok", "ok"]
    assert (
        "left out: 2 key object selection, 2 presentation state, 2 radiotherapy object, 2 report"
        in done.stderr
    )
    assert "left out 7 files that are no image: 2 .exe" in done.stderr
    assert not list(disc.rglob("*organs*"))


@pytest.mark.slow
def test_a_disc_that_can_only_be_read_is_segmented(flareseg, disc, model, tmp_path):
    """As a real one: nothing is written there; and one series alone by its DICOMDIR."""
    copy = shutil.copytree(disc, tmp_path / "CD")
    places = [copy, *copy.rglob("*")]
    for place in places:
        place.chmod(0o555 if place.is_dir() else 0o444)
    try:
        words = ("segment", copy / "DICOMDIR", "-o", tmp_path / "o.nii.gz", "--model", model)
        listed = flareseg(*words)
        done = flareseg(*words, "--series", "1.2.4")
    finally:
        for place in places:
            os.chmod(place, 0o777)  # noqa: PTH101
    assert listed.returncode == 1
    assert "holds 2 series: 1.2.3" in listed.stderr
    assert done.returncode == 0, done.stderr
    assert voxels(tmp_path / "o.nii.gz").any()


@pytest.mark.slow
def test_a_disc_on_which_slices_are_gone_has_a_failed_row(flareseg, disc, model, tmp_path):
    copy = shutil.copytree(disc, tmp_path / "CD")
    slices = [path for path in copy.rglob("IM*") if "PT000001" in path.parts]
    top = max(slices, key=height_mm)
    top.unlink()
    done = flareseg("batch", copy, tmp_path / "out", "--model", model)
    assert done.returncode == 1
    assert [row["status"] for row in rows(tmp_path / "out")] == ["ok", "failed"]
    assert f"names {len(slices)} files of this series, 1 of them" in done.stdout + done.stderr
