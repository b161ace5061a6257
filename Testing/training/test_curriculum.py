"""Reliability and Difficulty Scores by hand, and the stage that sorts cases by them."""

import csv
import dataclasses
import json

import numpy as np
import pytest

from FlareSegLib.base.errors import InputError
from Testing.training.small import a_config
from training import curriculum
from training.cases.index import Entry, courses, write_index
from training.cases.store import save_labels, save_source, save_truth
from training.labelling.reliability import compared, dice, difficulty, most_reliable, reliability
from training.sections import Curriculum


def row(*values):
    return np.array([[values]], np.uint8)


ONE, TWO, THREE = row(1, 1, 1, 1, 0, 0), row(1, 1, 1, 0, 0, 0), row(0, 1, 1, 0, 0, 0)
# Dice(1, 2) = 2 * 3 / 7, Dice(2, 3) = 2 * 2 / 5, Dice(1, 3) = 2 * 2 / 6
D12, D23, D13 = 6 / 7, 4 / 5, 2 / 3


def test_reliability_score_is_equation_1():
    scores = reliability({"one": ONE, "two": TWO, "three": THREE})
    assert scores["one"] == pytest.approx((D12 + D13) / 2)
    assert scores["two"] == pytest.approx((D12 + D23) / 2)
    assert scores["three"] == pytest.approx((D13 + D23) / 2)
    assert most_reliable(scores) == "two"


def test_difficulty_score_is_equation_2():
    labels = {"one": ONE, "two": TWO, "three": THREE}
    assert difficulty(labels, "two") == pytest.approx((D12 + D23) / 2)


def test_dice_is_the_mean_over_the_classes_that_any_label_holds():
    first, second = row(1, 1, 0, 2, 0), row(1, 1, 0, 0, 0)
    assert dice(first, second, [1, 2]) == pytest.approx(0.5)  # 1 and 0
    scores = reliability({"a": second, "b": second, "c": first})
    assert scores["a"] == pytest.approx((1 + 0.5) / 2)  # a and b agree that 2 is not there
    assert dice(row(0, 0), row(0, 0), []) == 1.0


def test_one_label_cannot_be_judged():
    with pytest.raises(ValueError, match="two or more"):
        reliability({"one": ONE})


def test_which_labels_are_compared():
    looks = ["look_0", "look_1", "teacher"]
    assert compared(looks) == ["look_0", "look_1"]
    assert compared([*looks, "x"]) == ["look_0", "look_1", "x"]
    assert compared([*looks, "x", "y"]) == ["teacher", "x", "y"]  # as in paper 2
    assert compared([*looks, "x"], ["x", "teacher"]) == ["teacher", "x"]


@pytest.mark.parametrize(
    ("score", "group"),
    [(0.95, "easy"), (0.9, "easy"), (0.89, "hard"), (0.5, "hard"), (0.49, "erroneous")],
)
def test_groups(score, group):
    assert curriculum.group_of(score, Curriculum()) == group


def block(shift):
    """A cube of 4 voxels; moved by 1 its DSC is 3/4, by 3 it is 1/4."""
    labels = np.zeros((6, 6, 12), np.uint8)
    labels[1:5, 1:5, 2 + shift : 6 + shift] = 1
    return labels


@pytest.fixture
def config(tmp_path):
    options = Curriculum(use=True, easy=0.9, erroneous=0.5)
    config = a_config(tmp_path, curriculum=options)
    shifts = {"easy": (0, 0, 0), "hard": (0, 0, 1), "wrong": (0, 3, 6)}
    for case, moved in shifts.items():
        for i, shift in enumerate(moved):
            save_source(config.work, case, f"look_{i}", block(shift))
        save_labels(config.work, case, block(0))
    save_labels(config.work, "own", block(0))
    save_truth(config.work, "own", block(0))
    nothing, everything = (False,) * 14, (True,) * 14
    entries = [Entry(case, case, "train", nothing, "") for case in shifts]
    write_index(config.work, [*entries, Entry("own", "own", "train", everything, "")])
    return config


def test_the_stage_sorts_cases_and_writes_table_and_plot(config, capsys):
    curriculum.main(config)
    folder = config.work / "curriculum"
    assert json.loads((folder / "curriculum.json").read_text(encoding="utf-8")) == {
        "easy": ["easy", "own"],
        "hard": ["hard"],
        "erroneous": ["wrong"],
    }
    with (folder / "scores.csv").open(newline="", encoding="utf-8") as file:
        rows = {line["case"]: line for line in csv.DictReader(file)}
    assert list(rows) == ["wrong", "hard", "easy", "own"]
    assert float(rows["hard"]["difficulty"]) == pytest.approx((1 + 3 / 4) / 2)
    assert float(rows["hard"]["rs_look_2"]) == pytest.approx(3 / 4)
    assert float(rows["wrong"]["difficulty"]) == pytest.approx(1 / 4)  # of the one in the middle
    assert rows["wrong"]["most_reliable"] == "look_1"
    assert (folder / "scores.png").read_bytes().startswith(b"\x89PNG")
    assert "1 hard, 1 erroneous" in capsys.readouterr().out


def test_courses_leave_erroneous_cases_out(config, capsys):
    curriculum.main(config)
    assert courses(config) == {"easy": ["easy", "own"], "hard": ["hard"]}
    off = dataclasses.replace(config, curriculum=Curriculum(use=False))
    assert sorted(courses(off)["hard"]) == ["easy", "hard", "own", "wrong"]
    capsys.readouterr()


def test_a_course_without_cases_and_a_missing_curriculum_are_said(config, capsys):
    with pytest.raises(InputError, match=r"run training\.curriculum"):
        courses(config)
    strict = dataclasses.replace(config, curriculum=Curriculum(use=True, easy=1.0, erroneous=0.9))
    curriculum.main(strict)
    with pytest.raises(InputError, match="hard course has no case"):
        courses(strict)
    capsys.readouterr()


def test_too_few_labels_are_said(config):
    save_labels(config.work, "alone", block(0))
    entries = [Entry("alone", "alone", "train", (False,) * 14, "")]
    write_index(config.work, entries)
    with pytest.raises(InputError, match="alone has 0 labels to compare"):
        curriculum.main(config)
