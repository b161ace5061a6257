"""prepare on phantoms: what it writes, and what it refuses."""

import json
import logging

import numpy as np
import pytest

from FlareSegLib.base.errors import FlareSegError, InputError
from Testing.flare import ORGANS
from Testing.training.small import SHAPE, SPACING_MM, a_config
from Testing.training.world import truth, with_data, write_case, write_image
from training import prepare
from training.cases.index import read_index
from training.cases.store import load_ct, load_truth


@pytest.fixture
def config(tmp_path):
    return a_config(tmp_path)


def test_prepared_cases_are_even_and_in_hu(config):
    write_case(config.data.cases, "a", labels=truth())
    prepare.main(config)
    hu, labels = load_ct(config.work, "a"), load_truth(config.work, "a")
    assert hu.dtype == np.int16
    assert all(n % 2 == 0 for n in hu.shape)
    assert labels.shape == hu.shape
    for organ in ORGANS:  # HU tells the organ, so labels lie where they belong
        if organ.value in (1, 3, 5, 11, 13):
            assert abs(np.median(hu[labels == organ.value]) - (60 + 12 * organ.value)) <= 1


def test_values_that_are_not_ours_become_background_and_are_logged(config, caplog):
    labels = truth()
    labels[:2, :2, :3] = 14
    labels[-1, -1, -1] = 200
    write_case(config.data.cases, "a", labels=labels)
    with caplog.at_level(logging.WARNING):
        prepare.main(config)
    assert "12 voxels have the value 14" in caplog.text
    assert "1 voxels have the value 200" in caplog.text
    assert load_truth(config.work, "a").max() == 13


def test_lesion_is_kept_where_it_is_a_class(config):
    labels = truth()
    labels[18:24, 28:34, 28:34] = 14
    write_case(config.data.cases, "a", labels=labels)
    prepare.main(with_data(config, lesion=True))
    assert (load_truth(config.work, "a") == 14).sum() > 100


def test_a_partial_label_tells_its_classes_only(config):
    write_case(config.data.cases, "msd_1", labels=truth())
    write_case(config.data.cases, "full_1", labels=truth())
    config = with_data(config, partial={"msd_": ("liver", "spleen")})
    prepare.main(config)
    assert set(np.unique(load_truth(config.work, "msd_1"))) == {0, 1, 3}
    full, partial = read_index(config)
    assert (full.is_full, full.is_partial, partial.is_full, partial.is_partial) == (1, 0, 0, 1)
    assert [i for i, known in enumerate(partial.known) if known] == [0, 1, 3]


def test_nnunets_raw_layout_is_read_with_its_own_values(config):
    raw, labels = config.data.cases, truth()
    theirs = np.zeros_like(labels)
    theirs[labels == 2] = 1  # there the right kidney is 1, the liver 2
    theirs[labels == 1] = 2
    theirs[labels == 5] = 3  # and 3 is no organ of ours
    volume_of = write_case(raw / "temporary", "a")
    assert volume_of.shape == SHAPE
    (raw / "imagesTr").mkdir(parents=True)
    (raw / "temporary" / "a" / "ct.nii.gz").rename(raw / "imagesTr" / "a_0000.nii.gz")
    write_image(theirs, raw / "labelsTr" / "a.nii.gz")
    names = {"background": 0, "Right Kidney": 1, "liver": 2, "spine": 3}
    (raw / "dataset.json").write_text(json.dumps({"labels": names}), encoding="utf-8")
    prepare.main(config)
    found = load_truth(config.work, "a")
    assert set(np.unique(found)) == {0, 1, 2}
    assert (found == 1).sum() > (found == 2).sum()  # the liver is larger
    assert [i for i, known in enumerate(read_index(config)[0].known) if known] == [0, 1, 2]


def test_the_fingerprint_tells_spacing_and_hu_of_the_organs(config):
    write_case(config.data.cases, "a", labels=truth())
    prepare.main(config)
    path = config.work / "prepare" / "fingerprint.json"
    found = json.loads(path.read_text(encoding="utf-8"))
    assert found["spacing_mm_median"] == pytest.approx(SPACING_MM)
    assert 50 < found["hu_percentiles"]["0.5"] < 100  # liver 72 HU, left kidney 216 HU, noise 2
    assert 200 < found["hu_percentiles"]["99.5"] < 230


def test_resume_does_not_prepare_again_and_refuses_another_grid(config, monkeypatch):
    write_case(config.data.cases, "a")
    prepare.main(config)

    def fail(*_):
        raise AssertionError("prepared again")

    monkeypatch.setattr(prepare, "prepare_case", fail)
    prepare.main(config, resume=True)
    with pytest.raises(FlareSegError, match=r"data\.spacing_mm was \[8.0, 5.0, 6.0\], is \[4"):
        prepare.main(with_data(config, spacing_mm=(4.0, 4.0, 4.0)), resume=True)


def test_the_origin_of_a_run_is_written(config):
    write_case(config.data.cases, "a")
    prepare.main(config)
    folder = config.work / "prepare"
    assert json.loads((folder / "config.json").read_text())["data.spacing_mm"] == list(SPACING_MM)
    (run,) = json.loads((folder / "run.json").read_text())
    assert run["seed"] == 0
    assert "numpy" in run["versions"]
    assert len(run["git_commit"]) in (0, 40)


def test_patients_are_split_whole_and_always_alike(config):
    for case in ("a1", "a2", "b1", "c1", "d1"):
        write_case(config.data.cases, case, labels=truth())
    config = with_data(config, val_share=0.4, patients={"a1": "a", "a2": "a"})
    sides = []
    for _ in range(2):
        prepare.main(config)
        sides.append({entry.case: entry.split for entry in read_index(config)})
    assert sides[0] == sides[1]
    assert sides[0]["a1"] == sides[0]["a2"]
    assert len({e.patient for e in read_index(config, "val")}) == 2  # 0.4 of 4 patients, rounded


class TestRefused:
    def said(self, config):
        with pytest.raises(InputError) as error:
            prepare.main(config)
        return str(error.value)

    def test_an_empty_folder(self, config):
        config.data.cases.mkdir(parents=True)
        assert "no CT in" in self.said(config)
        assert "is no folder" in self.said(with_data(config, cases=config.work / "none"))

    def test_a_missing_label(self, config):
        write_case(config.data.cases, "a", labels=truth())
        write_case(config.data.cases, "b")
        assert "1 of 2 cases have no label (b)" in self.said(
            with_data(config, labels_required=True)
        )
        assert "validation cases ['b'] have no label" in self.said(with_data(config, val=("b",)))

    def test_a_label_of_another_grid(self, config):
        write_case(config.data.cases, "a", labels=truth()[:-1])
        assert "the label of a has the shape (39, 60, 64) (z, y, x), its CT (40" in self.said(
            config
        )

    def test_a_label_that_lies_elsewhere(self, config):
        write_case(config.data.cases, "a")
        write_image(truth(), config.data.cases / "a" / "label.nii.gz", shift_mm=7.0)
        assert "lies up to 7.0 mm beside its CT" in self.said(config)

    def test_a_patient_on_both_sides_of_the_split(self, config):
        for case in ("a1", "a2"):
            write_case(config.data.cases, case, labels=truth())
        config = with_data(config, val=("a1",), patients={"a1": "p", "a2": "p"})
        assert "patient p is on both sides of the split: a1 (val), a2 (train)" in self.said(config)

    def test_a_validation_case_that_is_not_there(self, config):
        write_case(config.data.cases, "a")
        assert "data.val names ['z']" in self.said(with_data(config, val=("z",)))

    def test_a_dataset_json_without_our_organs(self, config):
        (config.data.cases / "imagesTr").mkdir(parents=True)
        path = config.data.cases / "dataset.json"
        path.write_text('{"labels": {"background": 0, "lung": 1}}', encoding="utf-8")
        assert "names none of liver, right_kidney" in self.said(config)
