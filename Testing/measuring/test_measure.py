"""Rows of numbers for each organ: worked out by hand, and on the phantom."""

import math
from dataclasses import replace

import numpy as np
import pytest

from FlareSegLib.base.geometry import IDENTITY, Grid, Labelmap, Volume
from FlareSegLib.measuring.measure import measure
from FlareSegLib.measuring.rows import OrganRow
from FlareSegLib.measuring.sides import orientation, wrong_sided
from Testing.flare import BY_KEY, FLARE
from Testing.phantoms import SHAPES, abdomen, organ_hu, organ_ml

GRID = Grid((7, 9, 11), (5.0, 2.0, 1.0), (-10.0, 20.0, 300.0))  # 0.01 ml per voxel
S, P, L = IDENTITY
R, I, A = ((-1.0, 0.0, 0.0), (0.0, 0.0, -1.0), (0.0, -1.0, 0.0))  # noqa: E741  I is inferior
TILT = math.radians(25)
OBLIQUE = (  # turned about the left-right axis, then seen with x to the right and y up
    (0.0, math.sin(TILT), math.cos(TILT)),
    (0.0, -math.cos(TILT), math.sin(TILT)),
    R,
)
DIRECTIONS = {
    "canonical": IDENTITY,
    "x to the right": (S, P, R),
    "all flipped": (I, A, R),
    "sagittal": (L, S, P),
    "sagittal flipped": (R, I, P),
    "oblique": OBLIQUE,
}


def scan(**boxes):
    """Return rows by key for organs painted as boxes: key=(z, y, x) slices; HU is 40."""
    labels = np.zeros(GRID.shape, np.uint8)
    for key, box in boxes.items():
        labels[box] = BY_KEY[key].value
    hu = np.full(GRID.shape, 40, np.int16)
    return {row.key: row for row in measure(Labelmap(labels, GRID), Volume(hu, GRID), FLARE).organs}


def row_of(key, labels, hu, grid=GRID):
    rows = measure(Labelmap(labels, grid), Volume(hu, grid), FLARE).organs
    return next(row for row in rows if row.key == key)


def at(z, y, x):
    return slice(z, z + 1), slice(y, y + 1), slice(x, x + 1)


def test_a_row_holds_what_is_worked_out_by_hand():
    labels = np.zeros(GRID.shape, np.uint8)
    labels[2:4, 3, 4:7] = BY_KEY["pancreas"].value  # 6 voxels, an L with the next two
    labels[2, 4:6, 4] = BY_KEY["pancreas"].value
    hu = np.full(GRID.shape, -1000, np.int16)
    hu[2], hu[3] = 100, 60  # 5 voxels of 100, 3 of 60: mean 85, variance (5 * 15^2 + 3 * 25^2) / 8
    row = row_of("pancreas", labels, hu)
    assert row.volume_ml == pytest.approx(0.08)
    assert row.mean_hu == pytest.approx(85.0)
    assert row.sd_hu == pytest.approx(math.sqrt(375.0))
    assert row.extent_mm == (2 * 5.0, 3 * 2.0, 3 * 1.0)
    z, y, x = (5 * 2 + 3 * 3) / 8, (6 * 3 + 4 + 5) / 8, (2 * (4 + 5 + 6) + 4 + 4) / 8
    assert row.centroid_mm == pytest.approx((-10 + x, 20 + 2 * y, 300 + 5 * z))
    assert row.components == 1
    assert row.flags == ("implausible_volume",)


def test_an_absent_organ_has_no_numbers():
    row = scan()["spleen"]
    assert row == OrganRow("spleen", "spleen", 3, flags=("absent",), plausible_ml=(40, 1200))
    assert (row.volume_ml, row.mean_hu, row.sd_hu, row.components) == (0.0, None, None, 0)


def test_pieces_that_share_a_corner_are_one_component():
    labels = np.zeros(GRID.shape, np.uint8)
    labels[2, 2, 2] = labels[3, 3, 3] = labels[5, 5, 5] = 1
    row = row_of("liver", labels, labels.astype(np.int16))
    assert row.components == 2
    assert "several_components" in row.flags


def test_pieces_are_only_flagged_where_one_is_expected():
    labels = np.zeros(GRID.shape, np.uint8)
    labels[2, 2, 2] = labels[4, 4, 4] = BY_KEY["pancreas"].value
    row = row_of("pancreas", labels, labels)
    assert row.components == 2
    assert "several_components" not in row.flags


@pytest.mark.parametrize(
    "touching", [at(0, 4, 5), at(6, 4, 5), at(3, 0, 5), at(3, 8, 5), at(3, 4, 0), at(3, 4, 10)]
)
def test_an_organ_at_any_edge_of_the_scan_is_flagged(touching):
    assert scan(liver=touching)["liver"].flags == ("touches_border",)
    assert "touches_border" not in scan(liver=at(1, 1, 1))["liver"].flags


def test_an_organ_that_is_cut_can_be_too_large_but_not_too_small():
    # adrenal gland: 0.8 to 20 ml, that is 80 to 2000 voxels of 0.01 ml
    key, coarse = "right_adrenal_gland", replace(GRID, spacing_mm=(50.0, 20.0, 1.0))  # 1 ml a voxel
    small, large = at(3, 4, 5), (slice(1, 4), slice(1, 4), slice(1, 4))  # 1 and 27 voxels
    assert scan(**{key: small})[key].flags == ("implausible_volume",)
    for box, flags in (
        (at(0, 4, 5), ("touches_border",)),
        (large, ("implausible_volume",)),
        ((slice(0, 3), *large[1:]), ("touches_border", "implausible_volume")),
        (at(3, 4, 5), ()),
    ):
        labels = np.zeros(coarse.shape, np.uint8)
        labels[box] = BY_KEY[key].value
        row = row_of(key, labels, labels, coarse)
        assert row.flags == flags


@pytest.mark.parametrize("direction", DIRECTIONS.values(), ids=DIRECTIONS)
def test_sides_are_told_in_the_world_not_in_the_array(direction):
    hu, labelmap = abdomen((36, 38, 40), (9.0, 9.5, 9.0), direction=direction)
    assert sides(labelmap, hu) == set()
    swapped = labelmap.array.copy()
    right, left = BY_KEY["right_kidney"].value, BY_KEY["left_kidney"].value
    swapped[labelmap.array == right] = left
    swapped[labelmap.array == left] = right
    assert sides(Labelmap(swapped, labelmap.grid), hu) == {"right_kidney", "left_kidney"}


def sides(labelmap, hu):
    rows = measure(labelmap, hu, FLARE).organs
    return {row.key for row in rows if "wrong_side" in row.flags}


@pytest.mark.parametrize(
    ("at_mm", "wrong"),
    [
        ({"liver": -60, "spleen": 90, "right_kidney": -50}, set()),
        ({"liver": -60, "spleen": 90, "left_kidney": 40}, set()),
        ({"liver": -60, "spleen": 90, "right_kidney": 50}, {"right_kidney"}),
        ({"liver": -60, "spleen": 90, "left_kidney": -50}, {"left_kidney"}),
        ({"liver": -60, "left_kidney": -50}, set()),  # nothing to compare with
        ({"left_adrenal_gland": -3, "right_adrenal_gland": 4},
         {"left_adrenal_gland", "right_adrenal_gland"}),
        ({"liver": -60, "spleen": 90, "left_kidney": 70, "right_kidney": 60}, set()),
    ],
)  # fmt: skip
def test_an_organ_without_its_partner_is_compared_with_liver_and_spleen(at_mm, wrong):
    assert wrong_sided(at_mm, FLARE.pairs) == wrong


def test_a_kidney_alone_is_told_to_be_on_the_wrong_side():
    hu, labelmap = abdomen((32, 30, 38), (10.0, 10.0, 10.0))
    labels = labelmap.array.copy()
    labels[labelmap.array == BY_KEY["left_kidney"].value] = BY_KEY["right_kidney"].value
    labels[labelmap.array == BY_KEY["right_kidney"].value] = 0
    assert "wrong_side" in row_of("right_kidney", labels, hu.array, labelmap.grid).flags


@pytest.mark.parametrize("direction", [IDENTITY, (L, S, P), (I, A, R)], ids=str)
def test_the_phantom_is_measured_as_it_was_drawn(direction):
    world = (110, 3.0), (100, 3.0), (80, 4.0)  # toward L, P, S: 330 x 300 x 320 mm
    shape, spacing_mm = zip(*(world[np.argmax(np.abs(axis))] for axis in direction), strict=True)
    hu, labelmap = abdomen(shape, spacing_mm, direction=direction)
    rows = {row.key: row for row in measure(labelmap, hu, FLARE).organs}
    for key, row in rows.items():
        expected_ml = organ_ml(key, hu.grid.extent_mm)
        assert row.volume_ml == pytest.approx(expected_ml, rel=0.08, abs=0.5)  # of voxels
        assert (row.mean_hu, row.sd_hu) == (organ_hu(row.value), 0.0)
        assert set(row.flags) <= {"touches_border"}
    x, y, z = (2 * radius for radius in SHAPES["spleen"].radii)
    assert rows["spleen"].extent_mm == pytest.approx((z, y, x * 330 / 380), abs=6)


def test_labelmap_and_ct_of_different_shape_are_refused():
    small = Grid((7, 9, 10), GRID.spacing_mm)
    with pytest.raises(ValueError, match="differ in shape"):
        measure(
            Labelmap(np.zeros(GRID.shape, np.uint8), GRID),
            Volume(np.zeros(small.shape), small),
            FLARE,
        )


@pytest.mark.parametrize(
    ("direction", "letters"),
    [(IDENTITY, "LPS"), ((S, A, R), "RAS"), ((L, I, P), "PIL"), (OBLIQUE, "RAS")],
)
def test_orientation_names_where_x_y_and_z_grow(direction, letters):
    assert orientation(replace(GRID, direction=direction)) == letters


def test_an_organ_of_one_hu_is_flagged_in_a_scan_with_noise():
    volume, labels = abdomen((32, 50, 60), (10.0, 6.0, 6.0), noise_hu=10)
    assert not [
        row.key for row in measure(labels, volume, FLARE).organs if "uniform_hu" in row.flags
    ]
    volume.array[labels.array == 1] = 0
    found = [row.key for row in measure(labels, volume, FLARE).organs if "uniform_hu" in row.flags]
    assert found == ["liver"]
