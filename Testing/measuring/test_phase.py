"""The contrast phase, from HU that a radiologist would expect."""

import json

import pytest

from FlareSegLib.base.paths import RESOURCES
from FlareSegLib.measuring.phase import NAMES, likeliest, phase_of, readings, shipped
from Testing.measuring.seen import gone, phantom_rows, with_core

HU = {  # aorta, vena cava, liver, spleen, pancreas, kidneys
    "unenhanced": (42, 40, 58, 50, 42, 32),
    "arterial": (330, 90, 68, 110, 100, 150),
    "portal_venous": (155, 120, 110, 125, 95, 180),
    "delayed": (98, 97, 88, 92, 78, 140),
}
KEYS = ("aorta", "inferior_vena_cava", "liver", "spleen", "pancreas", "right_kidney")


def rows_with(hu):
    rows = phantom_rows()
    found = {key: with_core(rows[key], value) for key, value in zip(KEYS, hu, strict=True)}
    return {**found, "left_kidney": with_core(rows["left_kidney"], hu[-1])}


@pytest.mark.parametrize("phase", HU)
def test_textbook_hu_give_their_phase(phase):
    found = phase_of(rows_with(HU[phase]))
    assert found.key == phase
    assert found.name == NAMES[phase]
    assert sum(found.probabilities.values()) == pytest.approx(1)
    assert max(found.probabilities, key=found.probabilities.get) == phase


def test_organs_that_are_missing_are_left_out():
    rows = {key: row for key, row in rows_with(HU["arterial"]).items() if key != "spleen"}
    rows["aorta"] = gone(rows["aorta"])
    assert "aorta_minus_liver" not in readings(rows)
    assert phase_of({"liver": rows["liver"]}) is None
    assert phase_of({}) is None


def test_two_phases_of_equal_fit_are_equally_likely():
    told = {"a": {"liver": (50.0, 10.0), "aorta": (0.0, 1.0)}, "b": {"liver": (70.0, 10.0)}}
    found = likeliest({"liver": 60.0, "spleen": 0.0}, told)
    assert found.probabilities == {"a": pytest.approx(0.5), "b": pytest.approx(0.5)}


def test_what_ships_knows_every_phase_by_the_same_readings():
    text = (RESOURCES / "Trust" / "phase.json").read_text(encoding="utf-8")
    assert set(json.loads(text)["phases"]) == set(NAMES)
    names = {frozenset(told) for told in shipped().values()}
    assert names == {frozenset(readings(rows_with(HU["arterial"])))}
    assert all(sd > 0 for told in shipped().values() for _, sd in told.values())
