"""Means, intervals and paired tests, on scores with numbers that can be worked out by hand."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from FlareSegLib.evaluation.scores import (
    ALL,
    Rules,
    Score,
    by_case,
    compare,
    estimate,
    means,
    wilcoxon_p,
    worst_cases,
)
from Testing.flare import FLARE


def score(case, organ, dsc, nsd=1.0, hd95_mm=2.0, truth_ml=9.0, is_counted=True):
    return Score(case, organ, dsc, nsd, hd95_mm, truth_ml, 9.0, is_counted)


SCORES = [
    score("a", "liver", 0.9, hd95_mm=4.0),
    score("a", "spleen", 0.5, hd95_mm=math.inf),
    score("b", "liver", 0.7, hd95_mm=2.0),
    score("b", "spleen", 0.1, is_counted=False),
    score("b", "aorta", 1.0, hd95_mm=0.0, truth_ml=0.0),  # neither has it
]


def found(organ):
    return next(mean for mean in means(SCORES) if mean.organ == organ)


def test_mean_of_an_organ_is_over_the_cases_that_count():
    assert found("liver").dsc.mean == pytest.approx((0.9 + 0.7) / 2)
    assert (found("spleen").dsc.mean, found("spleen").dsc.cases) == (0.5, 1)
    assert [mean.organ for mean in means(SCORES)] == ["liver", "spleen", "aorta", ALL]


def test_mean_over_all_is_over_the_means_of_cases():
    # case a has the mean of 0.9 and 0.5, case b that of 0.7 and 1.0
    assert found(ALL).dsc.mean == pytest.approx((0.7 + 0.85) / 2)
    assert found(ALL).dsc.cases == 2


def test_hd95_is_averaged_where_both_have_the_organ():
    assert found("liver").hd95_mm.mean == 3.0
    assert found("spleen").hd95_mm is None
    assert found("aorta").hd95_mm is None
    assert found(ALL).hd95_mm.mean == 3.0


def test_nothing_counted_is_none():
    only = means([score("a", "liver", 0.9, is_counted=False)])
    assert [(mean.organ, mean.dsc) for mean in only] == [("liver", None), (ALL, None)]
    assert means([])[0].dsc is None


def test_one_case_has_no_interval():
    assert (estimate([0.5]).low, estimate([0.5]).high) == (None, None)
    assert estimate([]) is None


def test_interval_of_two_cases_are_the_cases():
    # a quarter of all draws of two from two is (0, 0), a quarter (1, 1)
    assert (estimate([0.0, 1.0]).low, estimate([0.0, 1.0]).high) == (0.0, 1.0)


def test_interval_of_many_cases_is_that_of_the_normal_distribution():
    values = np.random.default_rng(5).normal(0.8, 0.1, 400)
    half = 1.96 * values.std() / 20
    interval = estimate(list(values))
    assert interval.low == pytest.approx(interval.mean - half, abs=0.1 * half)
    assert interval.high == pytest.approx(interval.mean + half, abs=0.1 * half)


@given(st.lists(st.floats(0, 1), min_size=2, max_size=30))
def test_interval_holds_the_mean_and_comes_again(values):
    interval = estimate(values)
    assert interval.low - 1e-12 <= interval.mean <= interval.high + 1e-12
    assert estimate(values) == interval


def test_paired_difference_and_p_are_those_of_scipy():
    rng = np.random.default_rng(3)
    mine, theirs = rng.uniform(0.5, 1, (2, 12)).round(4)
    rows = [
        [score(f"c{i}", "liver", dsc, nsd=dsc**2) for i, dsc in enumerate(values)]
        for values in (mine, theirs)
    ]
    paired = {(row.organ, row.measure): row for row in compare(*rows)}
    assert set(paired) == {(organ, m) for organ in ("liver", ALL) for m in ("dsc", "nsd")}
    liver = paired["liver", "dsc"]
    assert liver.difference.mean == pytest.approx((mine - theirs).mean())
    assert liver.p == pytest.approx(stats.wilcoxon(mine, theirs).pvalue)
    assert paired["liver", "nsd"].p == pytest.approx(stats.wilcoxon(mine**2, theirs**2).pvalue)


def test_five_gains_of_five_have_a_p_of_a_sixteenth():
    # two-sided: 2 of the 2^5 = 32 patterns of signs are as extreme
    assert wilcoxon_p([0.1, 0.2, 0.3, 0.4, 0.5]) == pytest.approx(2 / 32)


def test_equal_predictions_have_a_p_of_one():
    assert wilcoxon_p([0.0, 0.0, 0.0]) == 1.0
    assert {row.p for row in compare(SCORES, SCORES)} == {None}  # two cases prove nothing


def test_only_cases_of_both_are_compared():
    others = [score("b", "liver", 0.6), score("c", "liver", 0.9)]
    paired = {row.organ: row for row in compare(SCORES, others) if row.measure == "dsc"}
    assert set(paired) == {"liver", ALL}
    assert paired["liver"].difference.cases == 1
    assert paired["liver"].difference.mean == pytest.approx(0.1)


def test_worst_cases_come_first_and_ties_by_name():
    rows = [score(case, "liver", dsc) for case, dsc in (("b", 0.5), ("a", 0.5), ("c", 0.2))]
    assert worst_cases(rows, 2) == ["c", "a"]
    assert list(by_case(rows, "dsc")["liver"]) == ["b", "a", "c"]


def test_what_counts_follows_the_rules():
    volumes_ml = (0.0, 0.5, 3.0, 40.0)
    assert [Rules(FLARE).counts(ml) for ml in volumes_ml] == [True] * 4
    assert [Rules(FLARE, absent="skip").counts(ml) for ml in volumes_ml] == [
        False,
        True,
        True,
        True,
    ]
    assert [Rules(FLARE, sliver_ml=3).counts(ml) for ml in volumes_ml] == [True, False, True, True]
    with pytest.raises(ValueError, match="sliver_ml is -1"):
        Rules(FLARE, ("liver",), sliver_ml=-1)


def test_the_volume_error_keeps_its_sign_and_needs_a_truth():
    found = [
        Score("a", "liver", 0.9, 0.9, 1.0, truth_ml=100.0, pred_ml=120.0),
        Score("b", "liver", 0.9, 0.9, 1.0, truth_ml=100.0, pred_ml=90.0),
        Score("c", "liver", 0.0, 0.0, 9.0, truth_ml=0.0, pred_ml=50.0),
    ]
    error = means(found)[0].volume_error_percent
    assert (error.mean, error.cases) == (pytest.approx(5.0), 2)


def test_six_pairs_have_a_p_and_five_have_none():
    def pairs(count):
        mine = [score(str(i), "liver", 0.9) for i in range(count)]
        theirs = [score(str(i), "liver", 0.8 - i / 100) for i in range(count)]
        return compare(mine, theirs)[0].p

    assert pairs(5) is None
    assert pairs(6) == pytest.approx(2 / 64)
