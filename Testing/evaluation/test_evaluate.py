"""From files to scores: rules by hand, folders, orientations, tables and pictures."""

import csv
import logging
import math

import numpy as np
import pytest
import SimpleITK as sitk

from FlareSegLib.base.errors import InputError, OutputError
from FlareSegLib.base.geometry import Grid, Labelmap
from FlareSegLib.evaluation.evaluate import EvaluationJob, evaluate, score_case, score_folder
from FlareSegLib.evaluation.scores import Rules
from FlareSegLib.images.writing import write_labelmap
from Testing.flare import BY_KEY, FLARE, ORGANS
from Testing.phantoms import abdomen

SPACING_MM = (3.0, 2.0, 1.0)
SHAPE = (19, 17, 21)
BIG = (40, 38, 48)


def labelmap(**boxes):
    """Return organs as boxes ((z, z), (y, y), (x, x)), half open."""
    array = np.zeros(SHAPE, np.uint8)
    for key, edges in boxes.items():
        array[tuple(slice(*edge) for edge in edges)] = BY_KEY[key].value
    return Labelmap(array, Grid(SHAPE, SPACING_MM))


def scores_of(truth, pred, rules=None):
    return {row.organ: row for row in score_case("a", truth, pred, rules or Rules(FLARE))}


def test_dsc_and_volumes_of_two_boxes():
    truth = labelmap(liver=((2, 6), (3, 8), (4, 10)))  # 4 x 5 x 6 = 120 voxels of 0.006 ml
    pred = labelmap(liver=((2, 6), (3, 8), (4, 9)))  # 100 voxels, all inside
    liver = scores_of(truth, pred)["liver"]
    assert liver.dsc == pytest.approx(2 * 100 / 220)
    assert (liver.truth_ml, liver.pred_ml) == (pytest.approx(0.72), pytest.approx(0.6))
    assert liver.nsd == 1.0  # 1 mm off, 5 mm are tolerated
    assert liver.hd95_mm == 1.0


def test_nsd_takes_the_tolerance_of_each_organ():
    # a slice of 3 mm more on top: within the liver's 5 mm, beyond the gallbladder's 2 mm
    for key, is_within in (("liver", True), ("gallbladder", False)):
        truth = labelmap(**{key: ((2, 6), (3, 8), (4, 10))})
        pred = labelmap(**{key: ((2, 7), (3, 8), (4, 10))})
        assert (scores_of(truth, pred)[key].nsd == 1.0) is is_within


@pytest.mark.parametrize("key", ["aorta", "inferior_vena_cava", "esophagus"])
def test_a_tube_is_scored_where_the_truth_has_it(key):
    # truth in slices 5 to 9; the prediction runs on from 1 to 15, and is 1 of 4 voxels too narrow
    truth = labelmap(**{key: ((5, 10), (6, 10), (6, 10))})  # 5 x 16 = 80
    pred = labelmap(**{key: ((1, 16), (6, 10), (6, 9))})  # 5 x 12 = 60 in these slices
    row = scores_of(truth, pred)[key]
    assert row.dsc == pytest.approx(2 * 60 / 140)
    assert row.hd95_mm == 1.0
    assert row.pred_ml == pytest.approx(15 * 12 * 0.006)  # all of it


def test_another_organ_is_scored_everywhere():
    truth = labelmap(liver=((5, 10), (6, 10), (6, 10)))
    pred = labelmap(liver=((1, 16), (6, 10), (6, 10)))
    assert scores_of(truth, pred)["liver"].dsc == pytest.approx(2 * 80 / (80 + 240))


def test_the_last_slice_of_a_tube_counts():
    # FLARE's script leaves it out: it would see equals here, and nothing at all for one slice
    truth = labelmap(aorta=((5, 7), (6, 10), (6, 10)))
    pred = labelmap(aorta=((5, 6), (6, 10), (6, 10)))
    assert scores_of(truth, pred)["aorta"].dsc == pytest.approx(2 * 16 / 48)
    one = labelmap(aorta=((5, 6), (6, 10), (6, 10)))
    assert scores_of(one, one)["aorta"].dsc == 1.0


def test_empty_cases_follow_flare():
    truth = labelmap(liver=((2, 6), (3, 8), (4, 10)))
    pred = labelmap(aorta=((2, 6), (3, 8), (4, 10)))
    rows = scores_of(truth, pred)
    assert [(rows[key].dsc, rows[key].nsd) for key in ("liver", "aorta", "spleen")] == [
        (0.0, 0.0),  # missed
        (0.0, 0.0),  # invented
        (1.0, 1.0),  # neither
    ]
    assert [rows[key].hd95_mm for key in ("liver", "aorta", "spleen")] == [math.inf, math.inf, 0.0]


def test_a_tube_predicted_in_other_slices_only_is_missed():
    truth = labelmap(aorta=((2, 6), (3, 8), (4, 10)))
    pred = labelmap(aorta=((8, 12), (3, 8), (4, 10)))
    row = scores_of(truth, pred)["aorta"]
    assert (row.dsc, row.nsd, row.hd95_mm) == (0.0, 0.0, math.inf)


def test_slivers_and_absent_organs_can_be_left_out():
    truth = labelmap(liver=((2, 6), (3, 8), (4, 10)), spleen=((10, 12), (3, 5), (3, 5)))
    rows = scores_of(
        truth, truth, Rules(FLARE, absent="skip", sliver_ml=0.1)
    )  # 0.72 ml and 0.048 ml
    assert [row.organ for row in rows.values() if row.is_counted] == ["liver"]
    assert len(rows) == len(ORGANS)


def test_only_the_chosen_organs_are_scored():
    truth = labelmap(liver=((2, 6), (3, 8), (4, 10)))
    assert list(scores_of(truth, truth, Rules(FLARE, ("spleen",)))) == ["spleen"]


@pytest.fixture
def folders(tmp_path):
    """Two phantoms: truth and prediction, which is one voxel (8 mm) off in y."""
    for case, shape in (("a", BIG), ("b", (42, 38, 47))):
        hu, truth = abdomen(shape, (8.0, 8.0, 8.0))
        write_labelmap(truth, tmp_path / "truth" / case / "label.nii.gz")
        moved = Labelmap(np.roll(truth.array, 1, axis=1), truth.grid)
        write_labelmap(moved, tmp_path / "pred" / f"{case}.nii.gz")
        image = sitk.ReadImage(str(tmp_path / "truth" / case / "label.nii.gz"), sitk.sitkInt16)
        ct = sitk.GetImageFromArray(hu.array)
        ct.CopyInformation(image)
        sitk.WriteImage(ct, str(tmp_path / "truth" / case / "ct.nii.gz"))
    return tmp_path


def test_a_folder_gives_a_row_per_case_and_organ(folders):
    rows = score_folder(folders / "truth", folders / "pred", Rules(FLARE))
    assert [(row.case, row.organ) for row in rows] == [
        (case, organ.key) for case in "ab" for organ in ORGANS
    ]
    assert all(0 < row.dsc < 1 for row in rows if row.truth_ml > 20)


def test_truth_against_itself_is_perfect_however_it_is_laid_out(folders):
    path = folders / "truth" / "a" / "label.nii.gz"
    for letters in ("RAS", "PIR"):
        folder = folders / letters
        folder.mkdir()
        for case in "ab":
            image = sitk.ReadImage(str(path).replace("/a/", f"/{case}/"))
            sitk.WriteImage(sitk.DICOMOrient(image, letters), str(folder / f"{case}.nrrd"))
        rows = score_folder(folders / "truth", folder, Rules(FLARE))
        assert {(row.dsc, row.nsd, row.hd95_mm) for row in rows} == {(1.0, 1.0, 0.0)}


def test_a_missing_prediction_is_an_error_and_an_extra_one_a_warning(folders, caplog):
    (folders / "pred" / "b.nii.gz").rename(folders / "pred" / "c.nii.gz")
    with pytest.raises(InputError, match=r"lacks 1 of 2 cases \(b\)"):
        score_folder(folders / "truth", folders / "pred", Rules(FLARE))
    (folders / "truth" / "b" / "label.nii.gz").unlink()
    with caplog.at_level(logging.WARNING):
        assert score_folder(folders / "truth", folders / "pred", Rules(FLARE))
    assert "1 cases without truth" in caplog.text


def test_another_grid_is_an_error(folders):
    _, truth = abdomen(BIG, (8.0, 8.0, 8.0))
    write_labelmap(Labelmap(truth.array[:-1], Grid((39, 38, 48), truth.grid.spacing_mm)),
                   folders / "pred" / "a.nii.gz")  # fmt: skip
    with pytest.raises(InputError, match="a has 48 x 38 x 39 voxels, its truth 48 x 38 x 40"):
        score_folder(folders / "truth", folders / "pred", Rules(FLARE))
    write_labelmap(Labelmap(truth.array, Grid(BIG, (8.0, 8.0, 8.0))), folders / "pred" / "a.nii.gz")
    with pytest.raises(InputError, match=r"lie up to .* mm apart"):
        score_folder(folders / "truth", folders / "pred", Rules(FLARE))


def test_a_ct_in_the_place_of_a_labelmap_is_an_error(folders):
    (folders / "truth" / "a" / "ct.nii.gz").rename(folders / "pred" / "a.nii.gz")
    with pytest.raises(InputError, match=r"a\.nii\.gz has the value -1000: .* not the CT"):
        score_folder(folders / "truth", folders / "pred", Rules(FLARE))


@pytest.mark.parametrize(
    ("names", "reason"),
    [
        ([], "has no labelmap: give a folder with <case>.nii.gz"),
        (["a.txt", ".a.nii.gz"], "has no labelmap"),
        (["a.nii.gz", "a.nrrd"], "two labelmaps of a"),
        (["a.nii.gz", "a/label.nii.gz"], "two labelmaps of a"),
    ],
)
def test_an_unusable_folder_is_an_error(tmp_path, names, reason):
    for name in names:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    with pytest.raises(InputError, match=reason):
        score_folder(tmp_path, tmp_path, Rules(FLARE))
    with pytest.raises(InputError, match="nowhere is no folder"):
        score_folder(tmp_path / "nowhere", tmp_path, Rules(FLARE))


def test_values_that_are_no_organ_are_told_and_ignored(tmp_path, caplog):
    truth = labelmap(liver=((2, 6), (3, 8), (4, 10)))
    write_labelmap(truth, tmp_path / "truth" / "a.nii.gz")
    truth.array[0] = 14
    write_labelmap(truth, tmp_path / "pred" / "a.nii.gz")
    with caplog.at_level(logging.WARNING):
        rows = score_folder(tmp_path / "truth", tmp_path / "pred", Rules(FLARE))
    assert {row.dsc for row in rows} == {1.0}
    assert "values that the label set lacks (14)" in caplog.text


def read_csv(path):
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_all_files_are_written(folders):
    out = folders / "out"
    job = EvaluationJob(
        folders / "truth",
        folders / "pred",
        against=folders / "truth",
        folder=out,
        csv=folders / "mine.csv",
        has_plots=True,
    )
    evaluation = evaluate(job, Rules(FLARE, absent="skip"))
    assert sorted(path.name for path in out.iterdir()) == [
        "boxes.png", "evaluation.md", "means.csv", "paired.csv", "scores.csv",
        *[f"worst_{rank}_{case}.png" for rank, case in enumerate(_worst(evaluation), start=1)],
    ]  # fmt: skip
    rows = read_csv(out / "scores.csv")
    assert rows == read_csv(folders / "mine.csv")
    assert len(rows) == 2 * len(ORGANS)
    assert float(rows[0]["dsc"]) == pytest.approx(evaluation.scores[0].dsc, rel=1e-5)
    means = {row["organ"]: row for row in read_csv(out / "means.csv")}
    liver = [row.dsc for row in evaluation.scores if row.organ == "liver"]
    assert float(means["liver"]["dsc"]) == pytest.approx(np.mean(liver), rel=1e-5)
    assert means["liver"]["dsc_cases"] == "2"
    paired = read_csv(out / "paired.csv")
    assert all(float(row["difference"]) <= 0 for row in paired)  # the other one is the truth
    text = (out / "evaluation.md").read_text(encoding="utf-8")
    assert "| left kidney " in text
    assert "Organs that the truth lacks are left out." in text


def _worst(evaluation):
    mean = {
        case: np.mean([row.dsc for row in evaluation.scores if row.case == case and row.is_counted])
        for case in "ab"
    }
    return sorted(mean, key=mean.get)


def test_infinite_hd95_is_inf_in_the_table(tmp_path):
    write_labelmap(labelmap(liver=((2, 6), (3, 8), (4, 10))), tmp_path / "truth" / "a.nii.gz")
    write_labelmap(labelmap(), tmp_path / "pred" / "a.nii.gz")
    job = EvaluationJob(tmp_path / "truth", tmp_path / "pred", csv=tmp_path / "scores.csv")
    evaluate(job, Rules(FLARE, ("liver",)))
    assert (tmp_path / "scores.csv").read_text(encoding="utf-8") == (
        "case,organ,dsc,nsd,hd95_mm,volume_error_percent,truth_ml,pred_ml,is_counted\na,liver,0.0,0.0,inf,-100.0,0.72,0.0,1\n"
    )


def test_pictures_need_no_ct(tmp_path):
    write_labelmap(labelmap(liver=((2, 6), (3, 8), (4, 10))), tmp_path / "truth" / "a.nii.gz")
    job = EvaluationJob(
        tmp_path / "truth", tmp_path / "truth", folder=tmp_path / "out", has_plots=True
    )
    evaluate(job, Rules(FLARE))
    assert (tmp_path / "out" / "worst_1_a.png").stat().st_size > 1000


def test_cts_are_found_by_the_names_of_nnunet(folders):
    (folders / "cts").mkdir()
    for case in "ab":
        ct = folders / "truth" / case / "ct.nii.gz"
        ct.rename(folders / "cts" / f"{case}_0000.nii.gz")
    (folders / "cts" / "b_0000.nii.gz").write_bytes(b"broken")
    job = EvaluationJob(
        folders / "truth",
        folders / "pred",
        folder=folders / "out",
        images=folders / "cts",
        has_plots=True,
    )
    with pytest.raises(InputError, match=r"b_0000\.nii\.gz is no CT"):
        evaluate(job, Rules(FLARE))
    assert (folders / "out" / "scores.csv").exists()  # what took long is kept


def test_a_place_that_cannot_be_written_is_told_before_the_work(folders):
    (folders / "file").touch()
    job = EvaluationJob(folders / "nowhere", folders / "pred", folder=folders / "file")
    with pytest.raises(OutputError, match="a file is where a folder should be"):
        evaluate(job, Rules(FLARE))
