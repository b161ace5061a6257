"""Meshes, read back by trimesh: closed, in mm, where the organ is, and as large."""

import numpy as np
import pytest

from FlareSegLib.base.errors import OutputError
from FlareSegLib.exports import meshes
from Testing.flare import BY_KEY, ORGANS
from Testing.phantoms import abdomen

trimesh = pytest.importorskip("trimesh", reason="trimesh is not installed")
pytest.importorskip("vtkmodules", reason="extra mesh is not installed")
FLIPPED = ((0.0, 0.0, -1.0), (0.0, -1.0, 0.0), (1.0, 0.0, 0.0))
OBLIQUE = ((0.0, 0.6, 0.8), (0.0, 0.8, -0.6), (1.0, 0.0, 0.0))
MOST_OFF = {"right_adrenal_gland": 0.08, "left_adrenal_gland": 0.08}
FOUR = tuple(BY_KEY[key] for key in ("liver", "spleen", "aorta", "left_adrenal_gland"))


def voxels_ml(labelmap, organ):
    return np.count_nonzero(labelmap.array == organ.value) * labelmap.grid.voxel_ml


def middle_mm(labelmap, organ):
    index = np.argwhere(labelmap.array == organ.value).mean(axis=0)
    return np.array(labelmap.grid.to_world(tuple(index)))


@pytest.mark.parametrize("kind", ["stl", "obj", "ply"])
@pytest.mark.parametrize("direction", [None, FLIPPED, OBLIQUE])
def test_each_organ_is_closed_in_place_and_as_large_as_its_voxels(tmp_path, kind, direction):
    labelmap = abdomen((64, 75, 76), (5.0, 4.0, 5.0), direction=direction)[1]
    meshes.write_meshes(labelmap, FOUR, tmp_path / "m", kind)
    assert {path.name for path in (tmp_path / "m").iterdir()} == {f"{o.key}.{kind}" for o in FOUR}
    for organ in FOUR:
        found = trimesh.load(tmp_path / "m" / f"{organ.key}.{kind}")
        off = found.volume / 1000 / voxels_ml(labelmap, organ) - 1
        assert found.is_watertight
        assert found.is_winding_consistent
        assert abs(off) <= MOST_OFF.get(organ.key, 0.02)
        assert np.abs(found.center_mass - middle_mm(labelmap, organ)).max() < 1.0


def test_noise_with_voxels_that_touch_at_edges_and_corners_is_closed(tmp_path):
    labelmap = abdomen((16, 16, 16), (5.0, 4.0, 5.0))[1]
    labelmap.array[...] = np.random.default_rng(0).random((16, 16, 16)) < 0.3
    meshes.write_meshes(labelmap, ORGANS[:1], tmp_path, "stl")
    assert trimesh.load(tmp_path / "liver.stl").is_watertight


def test_one_glb_has_all_organs_by_name_and_color_in_metres_head_up(tmp_path):
    labelmap = abdomen((64, 75, 76), (5.0, 4.0, 5.0))[1]
    meshes.write_meshes(labelmap, FOUR, tmp_path / "o.glb", "glb")
    scene = trimesh.load(tmp_path / "o.glb")
    assert set(scene.geometry) == {organ.name for organ in FOUR}
    for organ in FOUR:
        left, back, up = middle_mm(labelmap, organ) / 1000
        matrix, name = scene.graph.get(organ.name)
        placed = scene.geometry[name].copy().apply_transform(matrix)
        assert placed.is_watertight
        assert np.abs(placed.center_mass - (left, up, -back)).max() < 0.001
        red, green, blue = scene.geometry[name].visual.material.baseColorFactor[:3] / 255
        assert np.abs(np.array((red, green, blue)) ** (1 / 2.2) * 255 - organ.color).max() < 6


def test_stl_files_say_which_way_their_axes_point(tmp_path):
    labelmap = abdomen((16, 16, 16), (20.0, 20.0, 20.0))[1]
    meshes.write_meshes(labelmap, FOUR[:1], tmp_path, "stl")
    assert b"SPACE=LPS" in (tmp_path / "liver.stl").read_bytes()[:80]


def test_without_vtk_one_line_says_how_to_get_it(monkeypatch):
    monkeypatch.setattr(meshes, "find_spec", lambda _: None)
    with pytest.raises(OutputError, match=r"pip install 'vtk>=9\.3'"):
        meshes.check_installed()
