import numpy as np

from FlareSegLib.body import body_box, body_mask
from FlareSegLib.geometry import Grid, Volume


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
