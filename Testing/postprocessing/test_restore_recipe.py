"""Labels as nnU-Net makes them: regions, and coarse axes without interpolation."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import ndimage

from FlareSegLib.base.geometry import Grid, Labelmap
from FlareSegLib.base.recipe import Recipe
from FlareSegLib.postprocessing import restore
from Testing.model_facts import a_config


def labels_of(logits, grid, model_mm, **ways):
    target = Labelmap(np.zeros(grid.shape, np.uint8), grid)
    facts = replace(a_config(spacing_mm=model_mm), recipe=Recipe(**ways))
    exact = tuple(e / n for e, n in zip(grid.extent_mm, logits.shape[:3], strict=True))
    restore.to_labels(logits, exact, target, 2, facts)
    return target.array


def smooth(shape, classes, seed=0):
    random = np.random.default_rng(seed)
    maps = [ndimage.gaussian_filter(random.normal(size=shape), 1.2) for _ in range(classes)]
    return (40 * np.stack(maps, axis=-1)).astype(np.float16)


def zoomed(logits, shape, orders):
    """Each class at all voxels, as nnU-Net resamples it, one axis after the other."""
    full = logits.astype(float)
    for axis, (n, order) in enumerate(zip(shape, orders, strict=True)):
        factors = [n / full.shape[axis] if i == axis else 1 for i in range(4)]
        full = ndimage.zoom(full, factors, order=order, mode="nearest", grid_mode=True)
    return full


def regions_of(full):
    """The loop of the definition: each region is written over those before it."""
    found = np.zeros(full.shape[:3], np.uint8)
    for number in range(full.shape[-1]):
        found[full[..., number] > 0] = number + 1
    return found


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(
    ("shape", "spacing", "orders"),
    [((17, 20, 23), (2.0, 2.0, 2.0), (1, 1, 1)), ((17, 20, 23), (8.0, 2.0, 2.0), (0, 1, 1))],
)
def test_regions_are_those_of_the_plain_way(seed, shape, spacing, orders):
    logits = smooth((10, 9, 11), 3, seed)
    found = labels_of(logits, Grid(shape, spacing), (3.0, 3.0, 3.0), has_regions=True)
    expected = regions_of(zoomed(logits, shape, orders))
    assert np.mean(found != expected) <= 2e-4  # rounding where a logit is 0
    assert len(np.unique(expected)) == 4


@pytest.mark.parametrize(
    ("spacing", "orders"), [((2.0, 2.0, 2.0), (1, 1, 1)), ((8.0, 2.0, 2.0), (0, 1, 1))]
)
def test_classes_are_those_of_the_plain_way(spacing, orders):
    logits, shape = smooth((10, 9, 11), 5), (14, 20, 23)
    found = labels_of(logits, Grid(shape, spacing), (3.0, 3.0, 3.0))
    assert np.mean(found != zoomed(logits, shape, orders).argmax(-1)) <= 2e-4


@given(st.lists(st.floats(-2, 2), min_size=1, max_size=6))
def test_the_last_region_over_zero_wins(values):
    expected = max((i + 1 for i, value in enumerate(values) if value > 0), default=0)
    assert restore.last_over_zero(np.array([values]))[0] == expected


def test_two_equal_coarse_axes_are_interpolated():
    """Sagittal slices of 5 x 5 x 0.8 mm: no single axis is the coarse one."""
    logits, shape = smooth((10, 9, 11), 4), (13, 12, 30)
    found = labels_of(logits, Grid(shape, (5.0, 5.0, 0.8)), (5.0, 5.0, 0.8))
    assert np.mean(found != zoomed(logits, shape, (1, 1, 1)).argmax(-1)) <= 2e-4
