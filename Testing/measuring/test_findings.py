"""Scans that are no abdomen of an adult, and abdomens that must not be called foreign."""

from dataclasses import replace

import numpy as np
import pytest

from FlareSegLib.base.geometry import Box, Labelmap, Volume
from FlareSegLib.measuring.evidence import evidence
from FlareSegLib.measuring.findings import findings
from FlareSegLib.measuring.measure import measure
from FlareSegLib.measuring.scan import scan_of
from FlareSegLib.measuring.trust import trusted
from FlareSegLib.measuring.usual import is_out_of_field, shipped
from FlareSegLib.preprocessing.body import body_box, body_mask
from FlareSegLib.preprocessing.orient import to_canonical
from Testing.flare import FLARE
from Testing.measuring.seen import GOOD_SCAN, gone, phantom_rows, with_core
from Testing.phantoms import abdomen


@pytest.fixture(scope="module")
def rows():
    found = phantom_rows()
    return {key: with_core(row, 60) for key, row in found.items()}


def keys(rows, scan):
    return {one.key for one in findings(rows, scan)}


def test_an_ordinary_abdomen_is_not_foreign(rows):
    assert keys(rows, GOOD_SCAN) == set()


def test_a_liver_in_a_thigh_is_told_by_what_is_missing(rows):
    thigh = {k: row if k in ("liver", "stomach") else gone(row) for k, row in rows.items()}
    assert "few_organs" in keys(thigh, GOOD_SCAN)


def test_organs_that_do_not_convince_do_not_count(rows):
    doubted = {key: replace(row, confidence=0.2) for key, row in rows.items()}
    assert "few_organs" in keys(doubted, GOOD_SCAN)
    assert keys({k: replace(r, confidence=0.9) for k, r in rows.items()}, GOOD_SCAN) == set()


def test_a_model_of_two_organs_does_not_make_every_scan_foreign(rows):
    assert keys({key: rows[key] for key in ("liver", "spleen")}, GOOD_SCAN) == set()


@pytest.mark.parametrize(("width", "depth"), [(150, 140), (200, 130), (260, 100)])
def test_a_child_or_a_limb_is_told_by_its_size(rows, width, depth):
    small = replace(GOOD_SCAN, width_mm=width, depth_mm=depth)
    found = findings(rows, small)
    assert [one.key for one in found] == ["small_body"]
    assert f"{width} x {depth} mm" in found[0].sentence


def test_lungs_below_a_whole_liver_mean_upside_down(rows):
    assert keys(rows, replace(GOOD_SCAN, air_low=0.3, air_high=0.0)) == {"upside_down"}
    cut = {key: replace(row, flags=("touches_border",)) for key, row in rows.items()}
    assert keys(cut, replace(GOOD_SCAN, air_low=0.3, air_high=0.0)) == set()  # a chest


@pytest.mark.parametrize(("axis", "key"), [(2, "upside_down"), (1, "front_to_back")])
def test_organs_in_reverse_tell_how_a_scan_lies(rows, axis, key):
    """Where lungs and bone tell nothing."""
    turned = {name: replace(row, centroid_mm=reversed_at(row, axis)) for name, row in rows.items()}
    assert keys(turned, GOOD_SCAN) == {key}
    unsure = {name: replace(row, confidence=0.1) for name, row in turned.items()}
    assert key not in keys(unsure, GOOD_SCAN)  # what hardly is there tells nothing


def reversed_at(row, axis):
    return tuple(-mm if i == axis else mm for i, mm in enumerate(row.centroid_mm))


def test_hu_that_no_organ_has_are_named(rows):
    hot = {**rows, "liver": with_core(rows["liver"], 400)}
    (found,) = findings(hot, GOOD_SCAN)
    assert found.key == "unusual_hu"
    assert "liver 400" in found.sentence


def test_liver_and_spleen_left_of_the_aorta_mean_mirrored_and_a_large_spleen_does_not(rows):
    at = {"liver": -10.0, "spleen": 90.0, "aorta": 10.0}  # as a network finds them in a mirrored CT
    moved = {k: replace(row, centroid_mm=(at.get(k, 0.0), 0.0, 0.0)) for k, row in rows.items()}
    sizes = {"liver": 900.0, "spleen": 700.0}
    sized = {k: replace(row, volume_ml=sizes.get(k, 1.0)) for k, row in moved.items()}
    assert "mirrored" in keys(sized, GOOD_SCAN)
    liver = replace(sized["liver"], centroid_mm=(-75.0, 0.0, 0.0))
    assert "mirrored" not in keys({**sized, "liver": liver}, GOOD_SCAN)
    assert "mirrored" not in keys({**sized, "aorta": gone(rows["aorta"])}, GOOD_SCAN)


def test_a_body_without_fat_has_a_wrong_scale(rows):
    (found,) = findings(rows, replace(GOOD_SCAN, fat=0.04))
    assert found.key == "unusual_hu"
    assert "4% of the body at -150 to -30, where fat is" in found.sentence


def test_much_noise_is_said(rows):
    (found,) = findings(rows, replace(GOOD_SCAN, noise_hu=70))
    assert found.key == "very_noisy"
    assert "70 HU" in found.sentence


def numbers(ct):
    canonical = to_canonical(ct)
    box = body_box(canonical)
    roi = canonical.crop(box)
    return scan_of(roi, body_mask(roi), box, canonical.grid), roi, box


@pytest.mark.parametrize("flip", [None, 0, 1, 2])
def test_the_phantom_is_found_where_its_bone_and_lungs_lie(flip):
    ct, _ = abdomen((160, 150, 190), (2.0, 2.0, 2.0))
    array = ct.array if flip is None else np.flip(ct.array, flip).copy()
    scan, _, _ = numbers(Volume(array, ct.grid))
    assert scan.width_mm == pytest.approx(336, abs=20)  # thin rims of fat are opened away
    assert scan.depth_mm == pytest.approx(236, abs=20)
    assert (scan.bone_behind < 0) == (flip == 1)
    high, low = (scan.air_low, scan.air_high) if flip == 0 else (scan.air_high, scan.air_low)
    assert high > 0.15
    assert low == 0
    assert scan.cut_sides == 0


def test_noise_is_measured_as_it_was_made():
    ct, _ = abdomen((40, 150, 190), (8.0, 2.0, 2.0), noise_hu=30)
    scan, _, _ = numbers(ct)
    assert scan.noise_hu == pytest.approx(30, rel=0.15)


def test_an_image_that_cuts_the_body_says_so():
    ct, _ = abdomen((40, 75, 95), (8.0, 4.0, 4.0))
    part = ct.crop(Box((0, 0, 30), (40, 75, 95)))
    scan, _, _ = numbers(part)
    assert scan.cut_sides > 0.9


def test_a_gallbladder_below_the_scan_is_out_of_field_and_one_that_is_gone_is_absent():
    ct, truth = abdomen((80, 75, 95), (4.0, 4.0, 4.0))
    labels = truth.array.copy()
    labels[labels == 9] = 0
    assert state_of(ct, labels, truth, 0) == "absent"
    assert state_of(ct, labels, truth, 44) == "out_of_field"


ENDS = (0.0, 300.0)


def at(rows, key, s):
    """Return only some organs, as if the scan showed no more; key is the one that lies at s."""
    usual, found = shipped(), {name: gone(row) for name, row in rows.items()}
    origin = s - usual[key]["position_mm"][2]
    for name in ("liver", "spleen", "aorta", "esophagus"):
        place = (0.0, 0.0, origin + usual[name]["position_mm"][2])
        found[name] = replace(rows[name], centroid_mm=place, confidence=0.9, flags=())
    return found


@pytest.mark.parametrize(
    ("s", "expected"), [(-5, True), (10, True), (25, False), (275, False), (295, True)]
)
def test_an_organ_is_outside_where_it_would_lie_beyond_an_end_or_near_it(rows, s, expected):
    found = at(rows, "gallbladder", s)  # its place is known to 16 mm
    assert is_out_of_field("gallbladder", found, GOOD_SCAN, ENDS) == expected


def test_vessels_do_not_tell_where_an_organ_would_lie(rows):
    found = at(rows, "gallbladder", 150)
    tubes = {k: row if k in ("aorta", "esophagus") else gone(row) for k, row in found.items()}
    sure = {**tubes, "gallbladder": replace(tubes["gallbladder"], confidence=0.9, flags=())}
    assert is_out_of_field("gallbladder", sure, GOOD_SCAN, ENDS)  # another part
    assert not is_out_of_field("gallbladder", tubes, GOOD_SCAN, ENDS)  # it may have been missed
    lungs = replace(GOOD_SCAN, air_low=0.4)
    assert is_out_of_field("gallbladder", tubes, lungs, ENDS)


def test_organs_that_do_not_convince_do_not_tell_where_others_lie(rows):
    found = at(rows, "gallbladder", -50)
    doubted = {k: replace(r, confidence=0.2, flags=("doubtful",)) for k, r in found.items()}
    assert not is_out_of_field("gallbladder", doubted, GOOD_SCAN, ENDS)


def state_of(ct, labels, truth, first):
    size = Box((first, 0, 0), truth.grid.shape)
    ct, labels = ct.crop(size), Labelmap(labels, truth.grid).crop(size)
    scan, _, _ = numbers(ct)
    logits = np.zeros((2, 2, 2, 14), np.float16)
    known = evidence(logits, (1e3, 1e3, 1e3), labels, tuple(range(14)))
    found = trusted(measure(labels, ct, FLARE), known, scan, {}, ct.grid, None)
    row = next(row for row in found.organs if row.key == "gallbladder")
    assert row.confidence is None
    assert row.flags == (row.state,)
    return row.state
