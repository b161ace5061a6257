"""What is usual: as the copies say, or as it ships, by which every run tells its features."""

from dataclasses import asdict, replace

import numpy as np
import pytest

from FlareSegLib.measuring.confidence import features
from FlareSegLib.measuring.usual import shipped
from Testing.measuring.seen import GOOD_SCAN, phantom_rows
from training.doubt.table import examples, seen_of, usual_by
from training.sections.trust import Confidence


def line(number):
    """Return a good run of a phantom that lies elsewhere and is larger each time."""
    moved = {
        key: replace(row, centroid_mm=tuple(np.add(row.centroid_mm, 7.0 * number)))
        for key, row in phantom_rows().items()
    }
    organs = {
        key: {
            **asdict(replace(row, volume_ml=row.volume_ml * (1 + number))),
            "evidence": {}, "true_ml": 1.0, "dsc": 0.9,
        }
        for key, row in moved.items()
    }  # fmt: skip
    return {
        "case": f"c{number}", "patient": f"p{number}", "split": "train", "way": "clean",
        "seed": 0, "organs": organs, "scan": asdict(GOOD_SCAN), "removed_ml": {},
    }  # fmt: skip


@pytest.fixture(scope="module")
def lines():
    return [line(number) for number in range(3)]


def test_copies_say_what_is_usual_wherever_their_origin_lies(lines):
    usual, rows = usual_by(lines, Confidence()), phantom_rows()
    whole = [key for key, row in rows.items() if row.state == "whole"]
    assert set(usual) == set(whole)
    for key in whole:
        assert usual[key]["ml"] == pytest.approx(2 * rows[key].volume_ml, abs=0.01)  # the median
        apart = np.subtract(usual[key]["position_mm"], usual["liver"]["position_mm"])
        expected = np.subtract(rows[key].centroid_mm, rows["liver"].centroid_mm)
        assert apart == pytest.approx(expected, abs=0.2)


def test_with_what_ships_trees_learn_from_the_features_that_a_run_tells(lines):
    usual = usual_by(lines, Confidence(shipped_usual=True))
    assert usual is shipped()
    (liver,) = [one for one in examples(lines[:1], usual, "") if one.key == "liver"]
    of_run = features("liver", seen_of(lines[0]), shipped())
    assert {name: liver.features[name] for name in of_run} == pytest.approx(of_run, nan_ok=True)
    own = features("liver", seen_of(lines[0]), usual_by(lines, Confidence()))
    assert own["volume"] != pytest.approx(of_run["volume"])
