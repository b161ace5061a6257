"""pseudo_label on phantoms, with a teacher that tells organs by their HU."""

import dataclasses
import json

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="extra train is not installed")

from FlareSegLib.base.errors import FlareSegError, InputError  # noqa: E402
from Testing.training.world import (  # noqa: E402
    truth,
    with_data,
    with_teacher,
    write_case,
    write_image,
)
from training import prepare, pseudo_label  # noqa: E402
from training.cases.index import taught  # noqa: E402
from training.cases.store import load_ct, load_labels, load_soft, load_sources, load_truth  # noqa: E402
from training.labelling import completing  # noqa: E402

pytestmark = pytest.mark.torch
WRONG = (slice(2, 8), slice(28, 34), slice(28, 34))
"""A block of tissue low in the phantom, outside the organs that are looked at."""


def with_options(config, **changes):
    options = dataclasses.replace(config.pseudo_label, **changes)
    return dataclasses.replace(config, pseudo_label=options)


@pytest.fixture(scope="module")
def config(tmp_path_factory):
    """a: unlabelled; none: holds no organ by the config; full: all labels; part: liver, spleen."""
    folder = tmp_path_factory.mktemp("pseudo")
    config = with_teacher(folder)
    config = with_data(config, without_organs=("none",), partial={"part": ("liver", "spleen")})
    cases = config.data.cases
    write_case(cases, "a")
    write_case(cases, "none")
    shifted = np.roll(truth(), 1, axis=2)  # an original that the teacher would not agree with
    write_case(cases, "full", labels=shifted)
    partial = truth()
    partial[partial == 3] = 0
    partial[WRONG] = 3  # the original says: the spleen is here, and nowhere else
    write_case(cases, "part", labels=partial)
    config = with_options(config, flips=((), (2,)))
    prepare.main(config)
    pseudo_label.main(config)
    return config


def test_labels_follow_the_teacher(config):
    hu, labels = load_ct(config.work, "a"), load_labels(config.work, "a")
    assert labels.shape == hu.shape
    assert set(np.unique(labels)) >= set(range(14)) - {7, 8}  # adrenals: less than half a cell
    for value in (1, 3, 5, 11, 13):
        assert abs(float(np.median(hu[labels == value])) - (60 + 12 * value)) < 2


def test_soft_labels_are_the_labels_at_half_resolution(config):
    labels, soft = load_labels(config.work, "a"), load_soft(config.work, "a") / 255
    assert soft.shape == (14, *(n // 2 for n in labels.shape))
    assert np.allclose(soft.sum(axis=0), 1, atol=0.03)
    z, y, x = soft.shape[1:]
    for value in (1, 3, 11):
        share = (labels == value).reshape(z, 2, y, 2, x, 2).mean(axis=(1, 3, 5))
        assert np.abs(soft[value] - share).mean() < 0.01


def test_a_case_without_organs_has_none_whatever_the_teacher_says(config):
    assert not load_labels(config.work, "none").any()
    assert (load_soft(config.work, "none")[0] == 255).all()


def test_a_case_with_all_labels_keeps_them(config):
    assert np.array_equal(load_labels(config.work, "full"), load_truth(config.work, "full"))


def test_a_partial_label_is_completed_and_wins_every_conflict(config):
    labels, original = load_labels(config.work, "part"), load_truth(config.work, "part")
    told = np.isin(original, (1, 3))
    assert np.array_equal(labels[told], original[told])
    assert np.array_equal(labels == 3, original == 3)  # the teacher's own spleen is gone
    assert np.array_equal(labels == 1, original == 1)
    assert (labels == 11).sum() > 500  # and the stomach came from the teacher
    soft = load_soft(config.work, "part")
    assert soft[3][original[::2, ::2, ::2] == 3].min() > 0
    assert np.allclose(soft.sum(axis=0, dtype=int), 255, atol=3)


def test_every_case_that_was_taught_knows_all_organs(config):
    known = taught(config)
    assert sorted(known) == ["a", "full", "none", "part"]
    assert all(all(classes) for classes in known.values())


def test_what_each_look_says_is_kept_and_looks_agree(config):
    sources = load_sources(config.work, "a")
    assert sorted(sources) == ["look_0", "look_1", "teacher"]
    table = json.loads((config.work / "labels.json").read_text(encoding="utf-8"))
    assert min(table["agreement"]["a"].values()) > 0.95  # no context: indifferent to flips


def test_an_organ_that_looks_do_not_agree_on_is_dropped_and_not_taught(config):
    entry = next(e for e in prepare_index(config) if e.case == "a")
    labels, soft = load_labels(config.work, "a"), load_soft(config.work, "a") / np.float32(255)
    trust = [1.0] * 13
    trust[4] = 0.3  # the aorta
    strict = with_options(config, least_agreement=0.5)
    said = pseudo_label.judged(entry, strict, labels, soft, trust, (True,) * 14)
    assert [i for i, known in enumerate(said.known) if not known] == [5]
    assert not (said.labels == 5).any()
    assert not said.soft[5].any()
    assert np.allclose(said.soft.sum(axis=0), soft.sum(axis=0), atol=1e-6)


def prepare_index(config):
    from training.cases.index import read_index

    return read_index(config)


def test_resume_labels_only_what_is_left_and_refuses_another_teacher(config, monkeypatch, capsys):
    def fail(_):
        raise AssertionError("labelled again")

    monkeypatch.setattr(pseudo_label, "load_labeller", fail)
    pseudo_label.main(config, resume=True)
    other = with_options(config, overlap=0.6)
    with pytest.raises(FlareSegError, match=r"pseudo_label\.overlap was 0\.34, is 0\.6"):
        pseudo_label.main(other, resume=True)
    capsys.readouterr()


def test_two_steps_label_the_partial_cases_first(config):
    entries = {entry.case: entry for entry in prepare_index(config)}
    first = [name for name, e in entries.items() if pseudo_label.wanted(e, "partial")]
    second = [name for name, e in entries.items() if pseudo_label.wanted(e, "unlabelled")]
    assert first == ["part"]
    assert second == ["a", "none"]


def test_the_most_reliable_of_several_sources_can_be_the_label(tmp_path):
    config = with_teacher(tmp_path)
    write_case(config.data.cases, "a")
    for name, shift in (("near", 1), ("far", 6)):
        write_image(np.roll(truth(), shift, axis=2), tmp_path / name / "a.nii.gz")
    sources = {name: tmp_path / name for name in ("near", "far")}
    config = with_options(config, flips=((),), sources=sources, pick="reliable")
    prepare.main(config)
    pseudo_label.main(config)
    labels, sources = load_labels(config.work, "a"), load_sources(config.work, "a")
    # near lies between the two others, so it agrees with them most (paper 2, eq. 1)
    assert np.array_equal(labels, sources["near"])


def test_a_source_without_the_case_is_said(tmp_path):
    config = with_teacher(tmp_path)
    write_case(config.data.cases, "a")
    write_image(truth(), tmp_path / "other" / "b.nii.gz")
    config = with_options(config, flips=((),), sources={"other": tmp_path / "other"})
    prepare.main(config)
    with pytest.raises(InputError, match="has no label of a"):
        pseudo_label.main(config)


def test_clean_drops_what_lies_outside_the_body_and_small_pieces():
    soft = np.zeros((14, 20, 20, 20), np.float32)
    soft[1, 4:12, 4:12, 4:12] = 1
    soft[1, 17, 10, 10] = 1  # a small piece inside the body
    soft[11, 2:8, 15:19, 2:8] = 1  # a large piece outside
    soft[0] = 1 - soft[1:].sum(axis=0)
    body = np.zeros((20, 20, 20), bool)
    body[:, 3:13, 3:13] = True
    cleaned = completing.clean(soft, body, 0.1)
    assert (cleaned[1, 4:12, 4:12, 4:12] == 1).all()
    assert cleaned[1].sum() == 8**3
    assert not cleaned[11].any()
    assert np.allclose(cleaned.sum(axis=0), 1)


def test_agreement_is_the_mean_dsc_with_the_mean():
    mean = np.array([[[1, 1, 2, 0]]], np.uint8)
    looks = [mean, np.array([[[1, 0, 2, 2]]], np.uint8)]
    # class 1: 1 and 2 * 1 / 3; class 2: 1 and 2 * 1 / 3; class 3 is nowhere: 1
    found = completing.agreement(looks, mean, 4)
    assert found == pytest.approx([(1 + 2 / 3) / 2, (1 + 2 / 3) / 2, 1.0])


def test_completing_by_hand():
    """One row of four cells; the original knows class 1 alone, and has it in the first cell."""
    pseudo = np.zeros((2, 2, 8), np.uint8)
    pseudo[..., 2:6] = 1  # the teacher's class 1 is elsewhere
    pseudo[..., 0:2] = 2  # and its class 2 lies where the original has class 1
    pseudo[..., 6:8] = 2
    truth = np.zeros((2, 2, 8), np.uint8)
    truth[..., 0:2] = 1
    soft = np.zeros((3, 1, 1, 4), np.float32)
    soft[2, ..., (0, 3)] = 1
    soft[1, ..., 1:3] = 1
    labels, mixed = completing.complete(pseudo, soft, truth, (True, True, False))
    assert labels[0, 0].tolist() == [1, 1, 0, 0, 0, 0, 2, 2]
    assert mixed[:, 0, 0].tolist() == [[0, 1, 1, 0], [1, 0, 0, 0], [0, 0, 0, 1]]
