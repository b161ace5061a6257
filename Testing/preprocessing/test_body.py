import numpy as np
import pytest
from scipy import ndimage

from FlareSegLib.base.geometry import Grid, Volume
from FlareSegLib.preprocessing.body import body_box, body_mask


def a_patient():
    """A block of 40 HU with a lung inside, on a thin table, in air; 4 x 2 x 2 mm voxels."""
    hu = np.full((20, 120, 150), -1000, np.int16)
    hu[:, 30:80, 40:110] = 40
    hu[:, 40:60, 50:70] = -850
    hu[:, 100:102, 5:145] = 200
    return Volume(hu, Grid(hu.shape, (4.0, 2.0, 2.0)))


def test_the_box_holds_the_body_and_not_the_table():
    box = body_box(a_patient())
    assert box.start[0] == 0
    assert box.stop[0] == 20
    assert 20 <= box.start[1] <= 30
    assert 80 <= box.stop[1] <= 92
    assert 30 <= box.start[2] <= 40
    assert 110 <= box.stop[2] <= 122


def test_lungs_belong_to_the_body():
    assert body_mask(a_patient())[5, 16, 20]  # of 8 x 6 x 6 mm


def test_air_alone_gives_the_whole_grid():
    volume = Volume(np.full((20, 30, 40), -1000, np.int16), Grid((20, 30, 40), (2.0, 2.0, 2.0)))
    assert body_box(volume) == volume.grid.box
    assert not body_mask(volume).any()


@pytest.mark.parametrize("seed", range(5))
def test_the_mask_is_that_of_scipys_filters(seed):
    noise = np.random.default_rng(seed).normal(-400, 100, (12, 40, 50))
    hu = ndimage.gaussian_filter(noise, 1.5) * 4 + 1200
    volume = Volume(hu.astype(np.int16), Grid(hu.shape, (6.0, 6.0, 6.0)))
    opened = ndimage.binary_opening(volume.array > -400, np.ones((1, 3, 3), bool))
    pieces, count = ndimage.label(opened)
    assert count > 1
    largest = pieces == np.bincount(pieces[pieces > 0]).argmax()
    expected = np.stack([ndimage.binary_fill_holes(plane) for plane in largest])
    assert np.array_equal(body_mask(volume), expected)
