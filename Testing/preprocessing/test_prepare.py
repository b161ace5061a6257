"""What a network with a recipe gets: intensities, box and spacing as nnU-Net makes them."""

from dataclasses import replace

import numpy as np
import pytest

from FlareSegLib.base.geometry import Grid, Labelmap, Volume
from FlareSegLib.base.recipe import Recipe
from FlareSegLib.preprocessing import body, orient, prepare
from FlareSegLib.preprocessing.intensity import not_zero, slices_of
from Testing.model_facts import a_config

VALUES = np.array([[[0, 10, 20], [0, 30, 40]]] * 2, np.int16)


def config(**changes):
    facts = a_config(hu_range=(-100.0, 30.0), hu_mean=10.0, hu_sd=5.0)
    return replace(facts, recipe=Recipe(**changes))


@pytest.mark.parametrize(
    ("way", "expected"),
    [
        ("clip", [[-2, 0, 2], [-2, 4, 4]]),
        ("none", [[0, 10, 20], [0, 30, 40]]),
        ("to_0_1", [[0, 0.25, 0.5], [0, 0.75, 1]]),
    ],
)
def test_intensities_by_hand(way, expected):
    np.testing.assert_allclose(slices_of(VALUES, config(normalization=way))(0), expected)


def test_z_scores_have_mean_0_and_sd_1():
    one = slices_of(VALUES, config(normalization="z_score"))
    found = np.stack([one(0), one(1)])
    assert found.mean() == pytest.approx(0, abs=1e-6)
    assert found.std() == pytest.approx(1, abs=1e-6)


def test_z_scores_in_a_mask_leave_what_is_0_at_0():
    """10, 20, 30, 40: mean 25, SD 11.18."""
    found = slices_of(VALUES, config(normalization="z_score_in_mask"))(0)
    sd = np.std([10, 20, 30, 40])
    expected = [[0, -15 / sd, -5 / sd], [0, 5 / sd, 15 / sd]]
    np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_holes_belong_to_what_is_not_0():
    ring = np.zeros((5, 5, 5), np.int16)
    ring[1:4, 1:4, 1:4] = 7
    ring[2, 2, 2] = 0
    assert not_zero(ring).sum() == 27


def test_a_recipe_keeps_exactly_the_box():
    grid = Grid((20, 31, 17), (3.0, 1.1, 0.9))
    found = prepare.covering(grid, (2.0, 1.5, 1.5))
    assert found.shape == (30, 23, 10)
    np.testing.assert_allclose(found.extent_mm, grid.extent_mm)


def test_a_scan_at_the_spacing_of_the_model_stays_as_it_is():
    array = np.random.default_rng(0).integers(-90, 30, (9, 8, 7)).astype(np.int16)
    facts = config()
    roi = Volume(array, Grid(array.shape, facts.spacing_mm))
    found = prepare.prepared(roi, facts, 1)
    np.testing.assert_allclose(found.array, (array - 10.0) / 5.0, atol=1e-5)


def test_a_spline_goes_nowhere_beyond_the_values_given():
    array = np.where(np.indices((12, 12, 12)).sum(0) % 5 < 2, -100, 30).astype(np.int16)
    facts = replace(config(), spacing_mm=(1.0, 1.0, 1.0))
    found = prepare.prepared(Volume(array, Grid(array.shape, (1.7, 1.7, 1.7))), facts, 1)
    assert found.array.min() >= -22 - 1e-5
    assert found.array.max() <= 4 + 1e-5


def test_threads_do_not_change_the_input():
    array = np.random.default_rng(0).integers(-90, 30, (21, 18, 27)).astype(np.int16)
    roi = Volume(array, Grid(array.shape, (3.0, 1.0, 1.0)))
    one, three = (prepare.prepared(roi, config(), n).array for n in (1, 3))
    np.testing.assert_array_equal(one, three)


def test_slices_of_2d_stay_where_they_are():
    facts = replace(config(is_2d=True), spacing_mm=(99.0, 2.0, 2.0), window=(1, 8, 8))
    array = np.random.default_rng(0).integers(-90, 30, (7, 16, 16)).astype(np.int16)
    found = prepare.prepared(Volume(array, Grid(array.shape, (4.0, 1.0, 1.0))), facts, 1)
    assert found.array.shape == (7, 8, 8)
    assert found.grid.spacing_mm == (4.0, 2.0, 2.0)


@pytest.mark.parametrize(
    ("letters", "axis", "sign"), [("RAS", 2, -1), ("LPS", 2, 1), ("SLP", 0, 1)]
)
def test_arrays_are_turned_as_the_letters_say(letters, axis, sign):
    """Values grow toward the patient's left in a canonical grid: x of it."""
    array = np.broadcast_to(np.arange(5, dtype=np.int16), (3, 4, 5))
    volume = Volume(array, Grid((3, 4, 5), (1.0, 1.0, 1.0)))
    found = orient.to_model(volume, config(orientation=letters))
    axes = {"RAS": 2, "LPS": 2, "SLP": 1}
    along = np.diff(found.array, axis=axes[letters])
    assert (along == sign).all()


def test_axes_are_swapped_and_what_is_written_is_there():
    labels = Labelmap(np.zeros((3, 4, 5), np.uint8), Grid((3, 4, 5), (3.0, 2.0, 1.0)))
    view = orient.to_model(labels, config(axes=(2, 0, 1)))
    assert view.array.shape == (5, 3, 4)
    assert view.grid.spacing_mm == (1.0, 3.0, 2.0)
    view.array[4, 2, 3] = 9
    assert labels.array[2, 3, 4] == 9


def test_a_recipe_crops_to_what_is_not_0():
    array = np.zeros((6, 7, 8), np.int16)
    array[2:5, 1:3, 4] = -500
    box, _ = body.area(Volume(array, Grid(array.shape, (1.0, 1.0, 1.0))), config())
    assert (box.start, box.stop) == ((2, 1, 4), (5, 3, 5))


def test_an_image_that_is_no_ct_has_no_air_to_skip():
    array = np.full((6, 7, 8), -1000, np.int16)
    volume = Volume(array, Grid(array.shape, (1.0, 1.0, 1.0)))
    _, mask = body.area(volume, replace(config(), modality="MR"))
    assert mask.all()
    _, mask = body.area(volume, config())
    assert not mask.any()
