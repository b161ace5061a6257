"""Degraded copies: CT and labels stay together, and the truth is that of the body in the image."""

import numpy as np
import pytest

from training.doubt.degrade import FAT_HU, WAYS, degraded


@pytest.mark.parametrize("way", WAYS)
def test_every_way_gives_a_ct_and_labels_on_one_grid_and_leaves_the_first_alone(copy, way):
    before = copy.hu.copy(), copy.labels.copy()
    found = degraded(copy, way, np.random.default_rng(3))
    assert found.hu.shape == found.labels.shape
    assert found.volume.array.dtype == np.int16
    assert found.labelmap.grid == found.volume.grid
    assert np.array_equal(before[0], copy.hu)
    assert np.array_equal(before[1], copy.labels)


def test_the_same_seed_gives_the_same_copy(copy):
    one, other = (degraded(copy, "lesions", np.random.default_rng(5)) for _ in range(2))
    assert np.array_equal(one.hu, other.hu)


@pytest.mark.parametrize("way", ["crop_slices", "crop_plane", "flip", "thick"])
def test_labels_move_with_the_ct(copy, way):
    found = WAYS[way](copy, np.random.default_rng(1))
    values = np.unique(found.labels[found.labels > 0])
    for value in (1, 3, 5) if way == "thick" else values:  # small organs are averaged away
        hu = np.median(found.hu[found.labels == value])
        assert hu == pytest.approx(60 + 12 * value, abs=25 if way == "thick" else 0)


def test_an_erased_organ_is_gone_from_both(copy):
    found = WAYS["erase"](copy, np.random.default_rng(1))
    gone = set(np.unique(copy.labels)) - set(np.unique(found.labels))
    assert gone
    for value in gone:
        assert np.median(found.hu[copy.labels == value]) == pytest.approx(FAT_HU, abs=10)


def test_a_doubled_organ_is_no_organ(copy):
    found = WAYS["double"](copy, np.random.default_rng(2))
    changed = found.hu != copy.hu
    assert changed.any()
    assert not found.labels[changed].any()


def test_thick_slices_keep_the_extent(copy):
    found = WAYS["thick"](copy, np.random.default_rng(1))
    assert found.spacing_mm[0] > 4
    assert found.spacing_mm[0] * len(found.hu) == pytest.approx(320, abs=24)
