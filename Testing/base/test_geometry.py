import numpy as np
import pytest

from FlareSegLib.base.geometry import Box, Grid, Labelmap, Volume


def test_a_voxel_of_5_by_2_by_1_mm_is_a_hundredth_of_a_millilitre():
    assert Grid((1, 1, 1), (5.0, 2.0, 1.0)).voxel_ml == pytest.approx(0.01)


def test_world_position_goes_along_the_rows_of_direction():
    # z to the left, y to inferior, x to posterior
    grid = Grid((9, 9, 9), (2.0, 3.0, 4.0), (10, 20, 30), ((1, 0, 0), (0, 0, -1), (0, 1, 0)))
    assert grid.to_world((1, 1, 1)) == (12.0, 24.0, 27.0)


def test_crop_keeps_voxels_where_they_are():
    volume = Volume(np.arange(60).reshape(3, 4, 5), Grid((3, 4, 5), (3.0, 2.0, 1.0), (7, 8, 9)))
    cropped = volume.crop(Box((1, 1, 2), (3, 4, 4)))
    assert cropped.grid.shape == (2, 3, 2)
    assert cropped.grid.origin == (9.0, 10.0, 12.0)
    assert cropped.array[0, 0, 0] == volume.array[1, 1, 2]


@pytest.mark.parametrize("kind", [Volume, Labelmap])
def test_array_and_grid_must_fit(kind):
    with pytest.raises(ValueError, match=r"\(2, 2, 2\) does not fit grid \(2, 2, 3\)"):
        kind(np.zeros((2, 2, 2), np.uint8), Grid((2, 2, 3), (1.0, 1.0, 1.0)))


@pytest.mark.parametrize(("moved_mm", "is_like"), [(0.05, True), (0.2, False)])
def test_grids_are_alike_up_to_a_tenth_of_a_voxel(moved_mm, is_like):
    one, other = (Grid((4, 5, 6), (1.0, 2.0, 3.0), (at, 0.0, 0.0)) for at in (0.0, moved_mm))
    assert one.apart_mm(other) == pytest.approx(moved_mm)
    assert one.is_like(other) is is_like
    wider = Grid((4, 5, 6), (1.0, 2.0, 3.0 + moved_mm / 5))
    assert one.apart_mm(wider) == pytest.approx(moved_mm)
    assert not one.is_like(Grid((4, 5, 7), (1.0, 2.0, 3.0)))
