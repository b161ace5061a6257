"""Sums, differences and lengths, on bodies of known size."""

import math

import numpy as np
import pytest

from FlareSegLib.base.geometry import Grid, Labelmap, Volume
from FlareSegLib.base.runs import runs_of
from FlareSegLib.measuring.derived import length_mm, widest
from FlareSegLib.measuring.measure import measure
from Testing.flare import BY_KEY, FLARE
from Testing.phantoms import abdomen, organ_hu, organ_ml

S, P, L = (0.0, 0.0, 1.0), (0.0, 1.0, 0.0), (1.0, 0.0, 0.0)


def measures(labelmap, ct):
    return {one.key: one for one in measure(labelmap, ct, FLARE).derived}


def test_the_phantom_gives_its_own_numbers():
    ct, truth = abdomen((160, 150, 190), (2.0, 2.0, 2.0))
    found = measures(truth, ct)
    kidneys = sum(organ_ml(key, ct.grid.extent_mm) for key in ("left_kidney", "right_kidney"))
    assert found["kidneys_ml"].value == pytest.approx(kidneys, rel=0.03)
    assert found["liver_minus_spleen_hu"].value == organ_hu(1) - organ_hu(3)
    assert found["spleen_length_mm"].value == pytest.approx(90, abs=3)  # radii 32, 40, 45 mm
    assert found["aorta_diameter_mm"].value == pytest.approx(22, abs=1)
    assert not any(found[key].is_lower_bound for key in ("kidneys_ml", "spleen_length_mm"))


def test_the_sum_of_a_kidney_that_is_cut_is_a_lower_bound():
    ct, truth = abdomen((80, 75, 95), (4.0, 4.0, 4.0))
    labels = truth.array.copy()
    labels[: np.flatnonzero((labels == 13).any(axis=(1, 2)))[0] + 3] = 0
    z = int(np.flatnonzero((labels == 13).any(axis=(1, 2)))[0])
    cut = Grid((80 - z, 75, 95), (4.0, 4.0, 4.0))
    found = measures(Labelmap(labels[z:], cut), Volume(ct.array[z:], cut))
    assert found["kidneys_ml"].is_lower_bound


def test_no_kidney_or_spleen_gives_no_sum_and_no_length():
    ct, truth = abdomen((40, 38, 48), (8.0, 8.0, 8.0))
    labels = truth.array.copy()
    labels[(labels == BY_KEY["left_kidney"].value) | (labels == BY_KEY["spleen"].value)] = 0
    assert set(measures(Labelmap(labels, truth.grid), ct)) == {"aorta_diameter_mm"}


@pytest.mark.parametrize("angle", [0, 30, 60])
def test_the_length_follows_the_axis_of_a_tilted_rod(angle):
    grid = Grid((80, 80, 80), (2.0, 1.5, 1.5))
    z, y, x = np.indices(grid.shape) * np.array(grid.spacing_mm)[:, None, None, None]
    z, y, x = z - 80, y - 60, x - 60
    tilt = math.radians(angle)
    along = z * math.cos(tilt) + x * math.sin(tilt)
    across = np.hypot(x * math.cos(tilt) - z * math.sin(tilt), y)
    rod = (np.abs(along) <= 45) & (across <= 10)
    assert length_mm(runs_of(rod.astype(np.uint8)), grid) == pytest.approx(90, abs=4)


@pytest.mark.parametrize("angle", [0, 20, 40])
@pytest.mark.parametrize("mm", [1.0, 5.0])
def test_the_diameter_of_a_tilted_tube_is_taken_across_its_axis(angle, mm):
    labels, grid = tube(lambda z: math.tan(math.radians(angle)) * z, lambda _: 11.0, mm, angle)
    diameter, _ = widest(runs_of(labels), grid)
    assert diameter == pytest.approx(22, abs=0.8)


def test_the_widest_place_is_found_and_its_slice():
    def radius(z):
        return 10 + 9 * np.exp(-(((z - 30) / 15) ** 2))

    labels, grid = tube(lambda _: 0.0, radius, 2.5)
    diameter, at = widest(runs_of(labels), grid)
    assert diameter == pytest.approx(38, abs=1.5)
    assert at * 2.5 - 100 == pytest.approx(30, abs=5)


def test_one_slice_that_leaked_does_not_make_an_aorta_wide():
    labels, grid = tube(lambda _: 0.0, lambda _: 10.0, 2.5)
    labels[40, 40:80, 40:80] = 1
    assert widest(runs_of(labels), grid)[0] == pytest.approx(20, abs=1)


def test_another_vessel_beside_it_is_not_followed():
    labels, grid = tube(lambda _: 0.0, lambda _: 10.0, 2.5)
    labels[30:, 5:50, 5:50] = 1
    assert widest(runs_of(labels), grid)[0] == pytest.approx(20, abs=1)


def test_a_stump_of_two_slices_has_no_diameter():
    labels, grid = tube(lambda _: 0.0, lambda _: 10.0, 2.5)
    labels[2:] = 0
    assert widest(runs_of(labels), grid) is None


def tube(middle, radius, mm, angle=0):
    """Return a tube along z; radius is across its axis, which is tilted in the plane of x and z."""
    n = round(200 / mm)
    grid = Grid((n, 160, 240), (mm, 1.0, 1.0))
    y, x = np.indices((160, 240)).astype(float) - np.array([80.0, 120.0])[:, None, None]
    labels = np.zeros(grid.shape, np.uint8)
    for i in range(n):
        z = i * mm - 100
        across = np.hypot((x - middle(z)) * math.cos(math.radians(angle)), y)
        labels[i] = across <= radius(z)
    return labels, grid
