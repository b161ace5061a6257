import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from FlareSegLib.inference.stitch import BACKGROUND_LOGIT, Stitcher
from FlareSegLib.inference.windows import importance, starts


def cover(shape, window, overlap):
    rows = [starts(n, m, overlap) for n, m in zip(shape, window, strict=True)]
    return [(z, y, x) for z in rows[0] for y in rows[1] for x in rows[2]]


@settings(max_examples=40)
@given(st.tuples(*[st.integers(8, 25)] * 3), st.floats(0, 0.7))
def test_stitching_windows_of_a_volume_gives_back_the_volume(shape, overlap):
    volume = np.random.default_rng(0).normal(size=(3, *shape)).astype(np.float32)
    stitcher = Stitcher(shape, 3, importance((8, 8, 8)))
    for z, y, x in cover(shape, (8, 8, 8), overlap):
        stitcher.add((z, y, x), volume[:, z : z + 8, y : y + 8, x : x + 8])
    assert np.allclose(stitcher.logits(), np.moveaxis(volume, 0, -1), atol=4e-3)


def test_overlapping_windows_are_averaged_by_weight():
    # window 1 says 0 with weights 1 1, window 2 says 3 with weights 2 1: middle (0*1 + 3*2) / 3 = 2
    weights = np.array([2.0, 1.0], np.float32).reshape(1, 1, 2)
    stitcher = Stitcher((1, 1, 3), 1, weights)
    stitcher.add((0, 0, 0), np.zeros((1, 1, 1, 2), np.float32))
    stitcher.add((0, 0, 1), np.full((1, 1, 1, 2), 3.0, np.float32))
    assert stitcher.logits().ravel().tolist() == [0.0, 2.0, 3.0]


def test_where_no_window_ran_it_is_background():
    stitcher = Stitcher((4, 2, 2), 3, np.ones((2, 2, 2), np.float32))
    stitcher.add((2, 0, 0), np.ones((3, 2, 2, 2), np.float32))
    logits = stitcher.logits()
    assert (logits[:2, ..., 0] == BACKGROUND_LOGIT).all()
    assert (logits[:2, ..., 1:] == 0).all()
    assert (logits[2:] == 1).all()


def test_a_window_above_finished_slices_is_refused():
    stitcher = Stitcher((6, 2, 2), 1, np.ones((2, 2, 2), np.float32))
    stitcher.add((4, 0, 0), np.ones((1, 2, 2, 2), np.float32))
    with pytest.raises(ValueError, match="z 1 comes after slices below 4"):
        stitcher.add((1, 0, 0), np.ones((1, 2, 2, 2), np.float32))


def test_sums_are_held_only_for_the_depth_of_a_window():
    stitcher = Stitcher((1000, 4, 4), 14, np.ones((8, 4, 4), np.float32))
    assert stitcher._sum.shape == (14, 8, 4, 4)
