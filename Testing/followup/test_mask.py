"""A mask is measured as a run would measure it, wherever it comes from."""

import json

import numpy as np
import pytest
import SimpleITK as sitk

from FlareSegLib.base.errors import InputError
from FlareSegLib.command.main import main
from FlareSegLib.followup.mask import MaskJob, measure_mask
from FlareSegLib.images.case_files import labels_in
from FlareSegLib.images.writing import to_image, write_labelmap
from FlareSegLib.measuring.measure import measure
from Testing.flare import BY_KEY, FLARE
from Testing.phantoms import abdomen, save

SHAPE, SPACING_MM = (40, 38, 48), (8.0, 8.0, 8.0)


@pytest.fixture
def pair(tmp_path):
    volume, labelmap = abdomen(SHAPE, SPACING_MM)
    save(volume, tmp_path / "ct.nii.gz")
    write_labelmap(labelmap, tmp_path / "mask.nii.gz", labels=FLARE)
    return volume, labelmap


def job(folder, mask="mask.nii.gz"):
    return MaskJob(folder / "ct.nii.gz", folder / mask, FLARE, folder / "m.report.json")


def test_the_rows_are_those_of_a_run(tmp_path, pair):
    volume, labelmap = pair
    found = measure_mask(job(tmp_path))
    assert found.organs == measure(labelmap, volume, FLARE).organs
    assert found.warnings == ()
    assert found.facts["source"]["path"] == "ct.nii.gz"


def test_a_mask_that_an_editor_has_cropped_is_put_in_its_place(tmp_path, pair):
    _, labelmap = pair
    liver = np.argwhere(labelmap.array == 1)
    low, high = liver.min(axis=0)[::-1].tolist(), (liver.max(axis=0) + 1)[::-1].tolist()
    image = to_image(labelmap)[low[0] : high[0], low[1] : high[1], low[2] : high[2]]
    sitk.WriteImage(image == 1, str(tmp_path / "part.nrrd"))
    found = measure_mask(job(tmp_path, "part.nrrd"))
    assert found.organs[0].volume_ml == measure_mask(job(tmp_path)).organs[0].volume_ml
    assert "another grid" in found.warnings[0]


def test_a_mask_of_another_patient_is_refused(tmp_path, pair):
    image = to_image(pair[1])
    image.SetOrigin((900.0, 0.0, 0.0))
    sitk.WriteImage(image, str(tmp_path / "far.nrrd"))
    with pytest.raises(InputError, match="give the CT that it was drawn in"):
        measure_mask(job(tmp_path, "far.nrrd"))


def test_values_that_mean_nothing_are_told(tmp_path, pair):
    _, labelmap = pair
    labelmap.array[0, 0, 0] = 77
    write_labelmap(labelmap, tmp_path / "mask.nii.gz", labels=FLARE)
    assert "values [77] mean no organ" in measure_mask(job(tmp_path)).warnings[0]


def test_a_seg_nrrd_tells_its_own_values_and_names(tmp_path):
    image = sitk.GetImageFromArray(np.ones((3, 3, 3), np.uint8))
    fields = {
        "Segment0_ID": "Segment_1", "Segment0_Name": "Left kidney", "Segment0_LabelValue": "1",
        "Segment1_ID": "x", "Segment1_Name": "Cyst", "Segment1_LabelValue": "2",
    }  # fmt: skip
    for key, value in fields.items():
        image.SetMetaData(key, value)
    sitk.WriteImage(image, str(tmp_path / "edited.seg.nrrd"))
    kidney, cyst = labels_in(tmp_path / "edited.seg.nrrd").organs
    assert (kidney.value, kidney.key, kidney.color) == (
        1,
        "left_kidney",
        BY_KEY["left_kidney"].color,
    )
    assert (cyst.value, cyst.name) == (2, "Cyst")


def test_the_command_prints_a_table_or_json_and_writes_what_is_asked_for(tmp_path, pair, capsys):
    words = ["measure", str(tmp_path / "ct.nii.gz"), str(tmp_path / "mask.nii.gz")]
    assert main(words) == 0
    assert "liver" in capsys.readouterr().out
    assert not list(tmp_path.glob("*.json"))
    assert main([*words, "--json", "--report", str(tmp_path / "r.json")]) == 0
    assert json.loads(capsys.readouterr().out) == json.loads((tmp_path / "r.json").read_text())
