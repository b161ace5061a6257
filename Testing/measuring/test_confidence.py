"""Confidence: trees worked out by hand, reasons in words, and the file that ships."""

import math
from dataclasses import replace

import numpy as np
import pytest

from FlareSegLib.measuring.confidence import Seen, features, judge, predict
from FlareSegLib.measuring.measure import Measured
from FlareSegLib.measuring.trust import trusted
from FlareSegLib.measuring.usual import expected_mm, shipped
from Testing.measuring.seen import GOOD_SCAN, GRID, evidence_of, gone, phantom_rows

TREE = {"feature": [0, 1, 1], "threshold": [0.5, 10, 20], "missing": [1, 0, 0],
        "leaf": [-0.4, -0.2, 0.1, 0.3]}  # fmt: skip
TOLD = {"organs": ["liver", "spleen"], "features": ["chance", "noise_hu"], "base": 0.6,
        "trees": [TREE], "doubtful_below": 0.5, "absent_below": 0.5,
        "good": {"liver": {"noise_hu": [10.0, 5.0], "unsure": [0.02, 0.02]}}}  # fmt: skip


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        ({"chance": 0.4, "noise_hu": 10}, 0.2),
        ({"chance": 0.4, "noise_hu": 11}, 0.4),
        ({"chance": 0.5, "noise_hu": 5}, 0.2),
        ({"chance": 0.6, "noise_hu": 20}, 0.7),
        ({"chance": 0.6, "noise_hu": 21}, 0.9),
        ({"noise_hu": 21}, 0.9),  # missing goes on to the right
        ({"chance": 0.6}, 0.7),  # and here to the left
        ({"chance": math.nan, "noise_hu": math.nan, "more": 3}, 0.7),
    ],
)
def test_a_tree_gives_what_is_worked_out_by_hand(row, expected):
    assert predict([row, {"chance": 0.4, "noise_hu": 0}], TOLD) == pytest.approx([expected, 0.2])


@pytest.mark.parametrize(("chance", "share"), [(0.4, 0), (0.45, 0.25), (0.5, 0.5), (0.6, 1)])
def test_near_a_threshold_a_row_goes_both_ways_in_shares(chance, share):
    told = {**TOLD, "width": [0.2, 0.0]}
    expected = 0.2 * (1 - share) + 0.7 * share
    assert predict([{"chance": chance, "noise_hu": 5}], told) == pytest.approx([expected])


def test_a_confidence_stays_between_0_and_1():
    told = {**TOLD, "base": 5.0}
    assert predict([{}], told) == [1.0]
    assert predict([{}], {**told, "base": -5.0}) == [0.0]


def seen(chance=0.9, noise=12.0, **more):
    rows = phantom_rows()
    known = {
        row.value: {"cells": 100.0, "chance": chance, "unsure": 0.01, **more}
        for row in rows.values()
    }
    return Seen(rows, known, replace(GOOD_SCAN, noise_hu=noise), {})


def test_without_numbers_nothing_is_said():
    assert judge(seen(), None) == {}
    assert set(judge(seen(), TOLD)) == {"liver", "spleen"}


def test_a_doubtful_organ_says_why():
    assert judge(seen(noise=30), TOLD)["liver"].reasons == ()
    found = judge(seen(chance=0.3, noise=40, unsure=0.3), TOLD)["liver"]
    assert found.confidence == pytest.approx(0.4)
    assert found.reasons == (
        "the network was unsure in 30% of it",
        "the scan is noisy (40 HU)",
    )
    unknown = judge(seen(chance=0.3, noise=40), TOLD)["spleen"]
    assert unknown.reasons == ("several signs together are unusual",)


def test_an_organ_that_is_absent_against_the_signs_is_doubtful():
    one = seen(chance=0.3)
    one = replace(one, rows={**one.rows, "liver": gone(one.rows["liver"])})
    assert judge(one, TOLD)["liver"].reasons == ("it was not found, but may be there",)


def test_every_feature_is_a_number_for_every_organ_there_or_not():
    one = seen()
    absent = replace(one, rows={key: gone(row) for key, row in one.rows.items()})
    names = None
    for case in (one, absent):
        for key in case.rows:
            found = features(key, case, shipped())
            assert all(isinstance(value, float) for value in found.values())
            assert names in (None, set(found))
            names = set(found)


def test_doubt_becomes_a_flag_with_its_sentence():
    one = seen(chance=0.3, noise=40, unsure=0.3)
    measured = Measured(tuple(one.rows.values()), ())
    found = trusted(measured, evidence_of(one.evidence), one.scan, {}, GRID, TOLD)
    liver = found.organs[0]
    assert "doubtful" in liver.flags
    assert liver.sentence("doubtful").startswith("is doubtful: the network was unsure in 30% of it")
    assert "doubtful" not in found.organs[3].flags
    assert found.organs[3].confidence is None


def test_an_organ_outside_of_the_scan_that_may_be_there_all_the_same_stays_doubtful():
    one = seen()
    rows = {key: gone(row) for key, row in one.rows.items()}
    scan = replace(one.scan, air_low=0.5)  # a chest
    measured = Measured(tuple(rows.values()), ())
    for below, flags in ((0.9, ("out_of_field", "doubtful")), (0.0, ("out_of_field",))):
        told = {**TOLD, "absent_below": below, "base": 0.5}
        liver = trusted(measured, evidence_of({}), scan, {}, GRID, told).organs[0]
        assert liver.state == "out_of_field"
        assert liver.flags == flags
        assert liver.confidence is not None


def test_an_organ_that_moved_is_far_from_where_it_usually_lies():
    rows = phantom_rows()
    at = np.array(rows["spleen"].centroid_mm)
    expected = expected_mm("spleen", rows, shipped())
    moved = {**rows, "spleen": replace(rows["spleen"], centroid_mm=tuple(at + 300))}
    assert expected_mm("spleen", moved, shipped()) == pytest.approx(expected)
    here, there = (
        features("spleen", Seen(some, {}, GOOD_SCAN, {}), shipped())["away"]
        for some in (rows, moved)
    )
    assert there > here + 5
