"""HU of an organ and of its core."""

import numpy as np
import pytest

from FlareSegLib.base.geometry import Grid, Labelmap, Volume
from FlareSegLib.measuring import hu
from FlareSegLib.measuring.measure import measure
from Testing.flare import BY_KEY, FLARE
from Testing.phantoms import abdomen, organ_hu


def test_quantiles_of_0_to_100_are_themselves():
    found = hu.spread(np.arange(101))
    assert (found.p10, found.median, found.p90, found.mean) == (10, 50, 90, 50)
    assert found.sd == pytest.approx(np.sqrt((101**2 - 1) / 12))


def test_an_erosion_leaves_what_is_far_enough_from_every_face():
    mask = np.zeros((9, 12, 15), bool)
    mask[1:8, 2:11, 3:14] = True
    expected = np.zeros_like(mask)
    expected[2:7, 4:9, 3:14] = True
    assert np.array_equal(hu.eroded(mask, [1, 2, 0]), expected)
    assert not hu.eroded(mask, [0, 0, 9]).any()


@pytest.mark.parametrize("half", [1, 2, 3, 4])
def test_an_erosion_is_the_same_as_scipys(half):
    from scipy import ndimage

    mask = np.random.default_rng(1).random((20, 20, 20)) > 0.02
    box = np.ones((2 * half + 1, 1, 1), bool)
    assert np.array_equal(
        hu.eroded(mask, [half, 0, 0]), ndimage.binary_erosion(mask, box, border_value=0)
    )


@pytest.mark.parametrize("spacing_mm", [(2.5, 1.5, 1.5), (5.0, 1.5, 1.5), (1.0, 1.0, 2.5)])
def test_the_core_has_the_hu_of_the_tissue_though_the_border_has_not(spacing_mm):
    shape = tuple(round(n / mm) for n, mm in zip((320, 300, 380), spacing_mm, strict=True))
    ct, truth = abdomen(shape, spacing_mm)
    labels, blurred = truth.array, ct.array.astype(np.float32)
    for axis in range(3):  # partial volume at every border
        blurred = (blurred + np.roll(blurred, 1, axis) + np.roll(blurred, -1, axis)) / 3
    rows = measure(Labelmap(labels, truth.grid), Volume(blurred, ct.grid), FLARE).organs
    for row in rows:
        true = organ_hu(row.value)
        assert row.core_hu is not None
        if not ("adrenal" in row.key and max(spacing_mm) == 5.0):  # 16 mm high, blurred over 15
            assert row.core_hu.median == pytest.approx(true, abs=3)
        assert abs(row.core_hu.mean - true) <= abs(row.mean_hu - true) + 0.1
    aorta = next(row for row in rows if row.key == "aorta")
    assert abs(aorta.mean_hu - organ_hu(aorta.value)) > 5


def test_a_sheet_one_voxel_thin_has_no_core():
    grid = Grid((20, 30, 40), (3.0, 3.0, 3.0))
    labels = np.zeros(grid.shape, np.uint8)
    labels[10, 5:25, 5:35] = BY_KEY["pancreas"].value
    rows = {
        row.key: row for row in measure(Labelmap(labels, grid), Volume(labels, grid), FLARE).organs
    }
    assert rows["pancreas"].hu is not None
    assert rows["pancreas"].core_hu is None
    assert rows["liver"].hu is None


def test_the_ring_is_what_lies_around_and_no_organ():
    grid = Grid((30, 30, 30), (2.0, 2.0, 2.0))
    labels = np.zeros(grid.shape, np.uint8)
    labels[8:22, 8:22, 8:22] = BY_KEY["spleen"].value
    labels[8:22, 8:22, 22:26] = BY_KEY["stomach"].value
    values = np.where(labels == 3, 120, np.where(labels == 11, 40, -90)).astype(np.int16)
    rows = {
        row.key: row for row in measure(Labelmap(labels, grid), Volume(values, grid), FLARE).organs
    }
    assert rows["spleen"].core_hu.ring == -90
    assert rows["spleen"].core_hu.median == 120
    assert rows["spleen"].core_hu.depth_mm == pytest.approx(4.0)
