"""The fit: it finds what is there, never sees a patient twice, and its figures are right."""

import json

import numpy as np
import pytest

from FlareSegLib.base.confidence_file import read_confidence
from FlareSegLib.measuring.confidence import REASONS, predict
from training.doubt import fit
from training.doubt.phases import Known, learn, left_out, table
from training.doubt.table import Example
from training.doubt.trees import Growth, grow

FEW = Growth(trees=40, least=5, features=1.0)


def examples(count=600, patients=20, seed=0):
    """Return organs whose DSC is told by how sure the network was, by and large."""
    random, found = np.random.default_rng(seed), []
    for i in range(count):
        sure, patient = random.random(), f"p{i % patients}"
        known = {name: 0.0 for name in REASONS if name not in ("small", "large")}
        known |= {"volume": 0.0, "chance": sure, "other": random.random()}
        dsc = float(np.clip(sure + random.normal(0, 0.05), 0, 1))
        found.append(Example(f"c{i}", patient, "clean", i, "liver", True, known, dsc))
    return found


def test_trees_learn_a_step_and_send_what_is_missing_where_it_belongs():
    table_, dsc = np.array([[0.0], [1.0], [np.nan]] * 40), np.array([0.2, 0.8, 0.8] * 40)
    told = grow(
        table_, dsc, Growth(trees=60, depth=2, least=5, shrink=0.1, rate=0.3, features=1), 0
    )
    told["features"] = ["x"]
    assert predict([{"x": 0.0}, {"x": 1.0}, {}], told) == pytest.approx([0.2, 0.8, 0.8], abs=0.02)


def test_growing_twice_gives_the_same_trees():
    rows = examples(200)
    assert fit.fit(rows, 3, FEW) == fit.fit(rows, 3, FEW)


def test_all_examples_of_a_patient_are_in_one_fold():
    rows = examples()
    fold = fit.folds(rows, 0)
    for patient in {row.patient for row in rows}:
        mine = [f for f, row in zip(fold, rows, strict=True) if row.patient == patient]
        assert len(set(mine)) == 1
    assert len(set(fold)) == fit.FOLDS


def test_what_tells_the_dsc_is_found_and_what_does_not_is_not():
    rows = examples()
    said = fit.left_out(rows, 0, FEW)
    every = np.ones(len(rows), bool)
    found = fit.figures(rows, said, every)
    assert found["spearman"] > 0.9
    assert found["auroc_poor"] > 0.95
    assert found["good_flagged"] <= 0.1
    blind = [Example(*vars(row).values()) for row in rows]
    for row in blind:
        row.features["chance"] = 0.0
    said = fit.left_out(blind, 0, FEW)
    assert abs(fit.figures(blind, said, every)["spearman"]) < 0.25


def test_a_patient_who_is_left_out_cannot_help_himself():
    rows = examples(100, patients=20)
    marked = [row for row in rows if row.patient == "p1"]
    for row in rows:
        row.features["mark"] = float(row in marked)
        row.features["chance"] = 0.0
    honest = [Example(r.case, r.patient, r.way, r.seed, r.key, True, r.features,
                      0.0 if r in marked else 0.9) for r in rows]  # fmt: skip
    said = fit.left_out(honest, 0, FEW)
    assert said.confidence[[r.patient == "p1" for r in rows]].min() > 0.8  # nobody could know


def test_auroc_is_the_share_of_pairs_in_order():
    assert fit.auroc(np.array([1.0, 2.0, 3.0, 4.0]), np.array([False, False, True, True])) == 1
    assert fit.auroc(np.array([1.0, 2.0, 3.0, 4.0]), np.array([True, False, True, False])) == 0.25
    assert fit.auroc(np.array([1.0, 1.0]), np.array([True, False])) == 0.5


def test_calibration_counts_every_organ_once():
    rows = examples(300)
    said = fit.left_out(rows, 0, FEW)
    tenths = fit.calibration(rows, said)
    assert sum(n for _, _, n in tenths) == 300
    assert all(abs(mean - dsc) < 0.15 for mean, dsc, n in tenths if n > 15)


def test_what_is_written_can_be_read(tmp_path):
    facts = {"schema_version": 1, "sha256": "ab" * 32, "doubtful_below": 0.6, "absent_below": 0.5}
    told = {**facts, **fit.fit(examples(200), 0, FEW)}
    (tmp_path / "confidence.json").write_text(fit.to_json(told), encoding="utf-8")
    assert read_confidence(tmp_path, "ab" * 32) == json.loads(json.dumps(told))


def cases(phase, aorta, patients):
    return [Known(f"{phase}{i}", f"{p}", phase, {"aorta": aorta + 5.0 * i, "liver": 60.0 + i})
            for i, p in enumerate(patients)]  # fmt: skip


def test_phases_are_told_without_the_patient():
    known = cases("unenhanced", 40, "abcd") + cases("arterial", 320, "aefg")
    known += cases("portal_venous", 150, "bhij")
    found = left_out(known)
    assert all(found[one.case][0] == one.phase for one in known)
    assert "12 of 12 right." in table(known, found)
    assert learn(known)["arterial"]["aorta"][0] == pytest.approx(327.5)


def test_a_wrong_phase_is_counted_as_wrong():
    known = cases("unenhanced", 40, "abcd") + cases("arterial", 320, "aefg")
    known.append(Known("odd", "z", "arterial", {"aorta": 42.0, "liver": 60.0}))
    assert "8 of 9 right." in table(known, left_out(known))
