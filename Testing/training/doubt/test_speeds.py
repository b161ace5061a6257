"""Figures of other speeds: trees of other patients, told of the same ones."""

import numpy as np

from Testing.training.doubt.test_fit import FEW, examples
from training.doubt import fit, speeds


def test_examples_of_another_speed_are_told_by_trees_without_their_patient():
    rows = examples()
    same = fit.left_out(rows, 0, FEW)
    again = fit.left_out(rows, 0, FEW, rows[:50])
    assert np.array_equal(again.confidence, same.confidence[:50])
    assert np.array_equal(again.doubtful, same.doubtful[:50])


def test_each_column_has_the_figures_of_its_own_copies():
    rows = examples()
    others = {"fast, these": rows[:100], "accurate, these": rows[:40]}
    columns = speeds.by_column(rows, others)
    found, missed = speeds.figures(columns, 0, FEW)
    names = ["balanced", "balanced, the 100 copies", "fast, these", "accurate, these"]
    assert list(found) == list(missed) == names
    assert [one["organs"] for one in found.values()] == [600, 100, 100, 40]
    assert {one["organs"] for one in missed.values()} == {0}
    assert found["fast, these"] == found["balanced, the 100 copies"] != found["balanced"]
    assert found["balanced"] == fit.figures(rows, fit.left_out(rows, 0, FEW), np.ones(600, bool))


def test_a_column_per_speed():
    figures = dict.fromkeys(speeds.FOUND, 0.5)
    found = speeds.table("organs", speeds.FOUND, {"fast": figures, "accurate": figures})
    lines = found.splitlines()
    assert lines[0] == "| organs | fast | accurate |"
    assert len(lines) == 2 + len(speeds.FOUND)
    assert all(line.count("|") == 4 for line in lines)
