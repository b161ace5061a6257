"""Labels as a person decided."""

from __future__ import annotations

import numpy as np

from training.labelling.decisions import UNKNOWN, decided

KEYS = ("liver", "right_kidney", "spleen", "pancreas")


def labels(*values: int) -> np.ndarray:
    return np.tile(np.array(values, np.uint8), (9, 9, 1))


def test_second_opinion_is_taken_for_one_organ() -> None:
    decision = {"case": "a", "organ": "pancreas", "take": "other"}
    found = decided(labels(4, 2, 0), labels(0, 4, 1), [decision], KEYS)
    assert found[0, 0].tolist() == [0, 4, 0]


def test_where_two_differ_nothing_is_taught() -> None:
    decision = {"case": "a", "organ": "any", "take": "unknown"}
    found = decided(labels(4, 2, 0), labels(4, 3, 2), [decision], KEYS)
    assert found[0, 0].tolist() == [4, UNKNOWN, UNKNOWN]


def test_unknown_organ_is_grown_and_stays_in_its_box() -> None:
    decision = {"case": "a", "organ": "spleen", "take": "unknown", "box": [0, 9, 0, 9, 0, 6]}
    found = decided(labels(0, 0, 3, 0, 0, 0, 3), labels(0, 0, 0, 0, 0, 0, 3), [decision], KEYS)
    assert found[0, 0].tolist() == [UNKNOWN] * 5 + [0, 3]


def test_hollow_of_a_liver_is_filled_where_the_second_opinion_fills_it() -> None:
    mine, other = np.ones((9, 9, 9), np.uint8), np.ones((9, 9, 9), np.uint8)
    mine[4, 4, 4], mine[2, 2, 2], other[2, 2, 2] = 0, 0, 2
    found = decided(mine, other, [], KEYS)
    assert found[4, 4, 4] == 1
    assert found[2, 2, 2] == 0
