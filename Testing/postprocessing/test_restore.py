import logging

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from FlareSegLib.base.geometry import Grid, Labelmap
from FlareSegLib.postprocessing import restore, restore_classwise

LOGITS_MM = (4.0, 3.0, 3.0)


def to_labels(logits, spacing_mm, grid, threads, way=restore):
    """Return the labels on a grid."""
    target = Labelmap(np.zeros(grid.shape, np.uint8), grid)
    way.to_labels(logits, spacing_mm, target, threads)
    return target.array


def smooth_logits(shape, classes=14, seed=0):
    generator = np.random.default_rng(seed)
    maps = [ndimage.gaussian_filter(generator.normal(size=shape), 1.5) for _ in range(classes)]
    return (50 * np.stack(maps, axis=-1)).astype(np.float16)


TIE = 1e-4
"""Logits that differ by less, of ten and more, are rounded to either."""


def plain(logits, shape, spacing_mm):
    """All classes at all voxels: the slow way."""
    at = [
        np.clip((np.arange(n) + 0.5) * mm / other - 0.5, 0, m - 1)
        for n, mm, other, m in zip(shape, spacing_mm, LOGITS_MM, logits.shape[:3], strict=True)
    ]
    places = np.meshgrid(*at, indexing="ij")
    full = [
        ndimage.map_coordinates(logits[..., i].astype(float), places, order=1, mode="nearest")
        for i in range(logits.shape[-1])
    ]
    return np.stack(full, axis=-1)


@settings(max_examples=15)
@given(
    st.tuples(st.integers(1, 12), st.integers(1, 12), st.integers(1, 12)),
    st.tuples(st.floats(0.7, 6), st.floats(0.5, 4), st.floats(0.5, 4)),
    st.integers(0, 99),
)
def test_labels_are_those_of_the_plain_way(coarse, spacing_mm, seed):
    shape = tuple(
        max(1, round(n * a / b)) for n, a, b in zip(coarse, LOGITS_MM, spacing_mm, strict=True)
    )
    logits = smooth_logits(coarse, seed=seed)
    found = to_labels(logits, LOGITS_MM, Grid(shape, spacing_mm), 1)
    full = plain(logits, shape, spacing_mm)
    own = np.take_along_axis(full, found[..., None].astype(np.intp), axis=-1)[..., 0]
    assert np.all(full.max(axis=-1) - own <= TIE)


def test_the_result_does_not_depend_on_threads():
    logits = smooth_logits((20, 14, 15))
    one, many = (
        to_labels(logits, LOGITS_MM, Grid((61, 50, 49), (1.3, 0.84, 0.9)), n) for n in (1, 4)
    )
    assert np.array_equal(one, many)
    assert len(np.unique(one)) > 5


def test_a_failing_thread_falls_back_to_one(monkeypatch, caplog):
    logits = smooth_logits((20, 14, 15))
    expected = to_labels(logits, LOGITS_MM, Grid((60, 50, 49), (1.3, 0.84, 0.9)), 1)
    honest, calls = restore._fill, []

    def fails_once(*args):
        calls.append(1)
        if len(calls) == 2:
            raise MemoryError("no room")
        return honest(*args)

    monkeypatch.setattr(restore, "_fill", fails_once)
    with caplog.at_level(logging.WARNING):
        found = to_labels(logits, LOGITS_MM, Grid((60, 50, 49), (1.3, 0.84, 0.9)), 3)
    assert np.array_equal(found, expected)
    assert "one thread" in caplog.text


def test_memory_for_all_classes_at_full_resolution_is_never_taken():
    import tracemalloc

    logits = np.zeros((40, 60, 60, 14), np.float16)
    logits[..., 0] = 1
    logits[10:30, 20:40, 20:40, 1] = 5
    shape = (160, 240, 240)
    tracemalloc.start()
    to_labels(logits, LOGITS_MM, Grid(shape, (1.0, 0.75, 0.75)), 1)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 6 * np.prod(shape)  # 14 float32 volumes would be 56 bytes a voxel


@pytest.mark.parametrize("shape", [(1, 1, 1), (3, 1, 7)])
def test_tiny_grids_work(shape):
    assert (
        to_labels(smooth_logits((2, 2, 2)), LOGITS_MM, Grid(shape, (1.0, 1.0, 1.0)), 1).shape
        == shape
    )


def test_the_classwise_way_gives_the_same_labels(monkeypatch):
    logits = smooth_logits((20, 14, 15))
    grid = Grid((61, 50, 49), (1.3, 0.84, 0.9))
    expected = to_labels(logits, LOGITS_MM, grid, 1)
    for threads in (1, 3):
        found = to_labels(logits, LOGITS_MM, grid, threads, restore_classwise)
        assert np.mean(found != expected) <= 1e-4  # rounding at exact ties
    monkeypatch.setattr(restore_classwise, "free_mib", lambda: 0.0)
    taken = []
    monkeypatch.setattr(restore_classwise, "for_each", lambda work, items, n: taken.append(n))
    to_labels(logits, LOGITS_MM, grid, 8, restore_classwise)
    assert taken == [1]


def test_a_failing_class_falls_back_to_one_thread(monkeypatch, caplog):
    logits = smooth_logits((20, 14, 15))
    grid = Grid((60, 50, 49), (1.3, 0.84, 0.9))
    expected = to_labels(logits, LOGITS_MM, grid, 1, restore_classwise)
    honest, calls = restore_classwise._interpolated, []

    def fails_once(*args):
        calls.append(1)
        if len(calls) == 5:
            raise MemoryError("no room")
        return honest(*args)

    monkeypatch.setattr(restore_classwise, "_interpolated", fails_once)
    found = to_labels(logits, LOGITS_MM, grid, 3, restore_classwise)
    assert np.array_equal(found, expected)
    assert "one thread" in caplog.text
