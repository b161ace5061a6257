"""Doubt at each voxel, against every logit interpolated to every voxel."""

import numpy as np
import pytest

from FlareSegLib.base.geometry import Grid, Labelmap
from FlareSegLib.base.linear import axes_between
from FlareSegLib.postprocessing.uncertainty import to_uncertainty

MM = (4.0, 3.0, 3.0)


def plainly(logits, grid):
    values = logits.astype(np.float32)
    for axis, line in enumerate(axes_between(logits.shape, MM, grid)):
        values = line.along(values, axis)
    values = np.exp(values - values.max(axis=-1, keepdims=True))
    return 100 * (1 - values.max(axis=-1) / values.sum(axis=-1))


def blobs(seed=0):
    """Return logits of three classes that are sure of themselves but for where they meet."""
    random = np.random.default_rng(seed)
    z, y, x = np.indices((8, 14, 16))
    logits = np.zeros((8, 14, 16, 3), np.float16)
    logits[..., 0] = 6
    for value, middle in ((1, (3, 5, 5)), (2, (4, 8, 10))):
        far = np.sqrt(sum((a - m) ** 2 for a, m in zip((z, y, x), middle, strict=True)))
        logits[..., value] = 12 - 2.5 * far
    return logits + random.normal(0, 0.2, logits.shape).astype(np.float16)


@pytest.mark.parametrize("mm", [(2.0, 1.0, 1.0), (5.0, 0.8, 1.3), (4.0, 3.0, 3.0)])
@pytest.mark.parametrize("threads", [1, 3])
def test_doubt_is_that_of_logits_at_every_voxel(mm, threads):
    logits = blobs()
    extent = np.array(logits.shape[:3]) * MM
    shape = tuple(round(n / step) for n, step in zip(extent, mm, strict=True))
    grid = Grid(shape, tuple(float(n / m) for n, m in zip(extent, shape, strict=True)))
    target = Labelmap(np.zeros(shape, np.uint8), grid)
    to_uncertainty(logits, MM, target, threads)
    expected = plainly(logits, grid)
    assert expected.max() > 40
    assert np.abs(target.array - expected).max() <= 2.0  # whole percent, and SURE is 1 %


def test_a_border_is_unsure_and_the_inside_is_not():
    logits = np.zeros((4, 6, 20, 2), np.float16)
    logits[:, :, :10, 0] = logits[:, :, 10:, 1] = 8
    target = Labelmap(np.zeros((4, 6, 60), np.uint8), Grid((4, 6, 60), (4.0, 3.0, 1.0)))
    to_uncertainty(logits, MM, target, 1)
    assert target.array[:, :, 29:31].max() > 5
    assert target.array[:, :, 29:31].min() > 0.5
    assert not target.array[:, :, :28].any()
    assert not target.array[:, :, 32:].any()
