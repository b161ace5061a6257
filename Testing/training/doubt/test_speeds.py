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


def test_a_column_per_speed():
    figures = dict.fromkeys(speeds.NAMES, 0.5)
    lines = speeds.table({"fast": figures, "accurate": figures}).splitlines()
    assert lines[0] == "| | fast | accurate |"
    assert len(lines) == 2 + len(speeds.NAMES)
    assert all(line.count("|") == 4 for line in lines)
