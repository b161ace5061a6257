"""Closed surfaces of organs in mm: STL, OBJ, PLY, or one colored GLB. The only file here with VTK.

VTK (extra mesh) is asked for surfaces alone; the core does without, see docs/decisions/0007.
Flying edges: Schroeder et al., LDAV 2015.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from FlareSegLib.base.atomic import atomic
from FlareSegLib.base.errors import OutputError
from FlareSegLib.base.extras import how_to_get
from FlareSegLib.base.geometry import Labelmap
from FlareSegLib.base.labels import Organ
from FlareSegLib.base.runs import Slices, boxes_of
from FlareSegLib.exports.glb import to_glb

FORMATS = ("stl", "obj", "ply", "glb")
MOST_CUTS, CLOSE = 12, 0.005
"""Levels that are tried, and the share of the volume that may be missed."""
LEAST_LEVEL, OFF_GRID = 0.02, 0.0007
"""Levels are kept between 0 and 1, and off what a blurred mask can be, which would give triangles
without area."""
HEADER = "FlareSeg, research use only. SPACE=LPS"
"""Of STL files: 3D Slicer reads from it which way the axes point."""


@dataclass(frozen=True)
class Mesh:
    """A closed surface."""

    points: NDArray[np.float32]
    """World positions in mm (n, (L, P, S))."""
    triangles: NDArray[np.int64]
    """Indices of points (m, 3), counter-clockwise as seen from outside."""


def check_installed() -> None:
    """Check that VTK is there.

    Raises:
        OutputError: It is not; says how to get it.
    """
    if find_spec("vtkmodules") is None:
        raise OutputError(f"meshes need VTK: {how_to_get('mesh')}, or leave out --mesh")


def write_meshes(labelmap: Labelmap, organs: Sequence[Organ], path: Path, kind: str) -> None:
    """Write the surfaces of the organs that are there.

    Args:
        labelmap: Organ values, oriented any way.
        organs: What they mean.
        path: For glb the file; else a folder, which gets a file for each organ.
        kind: One of FORMATS.

    Raises:
        OutputError: VTK is missing, or a file cannot be written.
    """
    check_installed()
    boxes = boxes_of(labelmap.array, max(organ.value for organ in organs))
    meshes = {
        organ: surface(labelmap, organ.value, box)
        for organ in organs
        if (box := boxes[organ.value - 1])
    }
    if kind == "glb":
        with atomic(path) as temporary:
            parts = [(o.name, o.color, m.points, m.triangles) for o, m in meshes.items()]
            temporary.write_bytes(to_glb(parts))
        return
    for organ, mesh in meshes.items():
        with atomic(path / f"{organ.key}.{kind}") as temporary:
            _write(mesh, organ, temporary, kind)


def surface(labelmap: Labelmap, value: int, box: Slices) -> Mesh:
    """Return the surface of the voxels of a value inside a box; its volume is theirs.

    The mask is blurred, and cut at the level that keeps the volume: at 0.5 thin organs would lose
    a third of theirs. Cutting a smooth field leaves no edge with more than two triangles.
    """
    grid = labelmap.grid
    mask = np.pad(labelmap.array[box] == value, 2)
    field = _blurred(mask)
    wanted_ml = np.count_nonzero(mask) * grid.voxel_ml
    turn = np.array(grid.spacing_mm)[:, None] * np.array(grid.direction)
    start = (np.array([edge.start for edge in box]) - 2) @ turn + grid.origin
    low, high = 0.0, 1.0
    level = float(np.quantile(field, 1 - np.count_nonzero(mask) / mask.size))
    for _ in range(MOST_CUTS):
        points, faces = _cut(field, min(max(level, LEAST_LEVEL), 1 - LEAST_LEVEL) + OFF_GRID)
        mesh = _outward(Mesh((points @ turn + start).astype(np.float32), faces))
        excess = volume_ml(mesh) / wanted_ml - 1
        if abs(excess) < CLOSE:
            break
        low, high = (level, high) if excess > 0 else (low, level)
        level = (low + high) / 2
    return mesh


def _blurred(mask: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Return the mask after a filter of 1 2 1 along each axis."""
    field = mask.astype(np.float32)
    for axis in range(3):
        field = ((2 * field + np.roll(field, 1, axis) + np.roll(field, -1, axis)) / 4).astype(
            np.float32
        )
    return field


def _cut(field: NDArray[np.float32], level: float) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return points (n, zyx) in voxels and triangles of the surface where a field has a level."""
    from vtkmodules.util.numpy_support import numpy_to_vtk, vtk_to_numpy
    from vtkmodules.vtkCommonDataModel import vtkImageData
    from vtkmodules.vtkFiltersCore import vtkFlyingEdges3D

    image, edges = vtkImageData(), vtkFlyingEdges3D()
    image.SetDimensions(*reversed(field.shape))
    image.GetPointData().SetScalars(numpy_to_vtk(field.ravel(), deep=True))
    edges.SetInputData(image)
    edges.SetValue(0, level)
    edges.ComputeNormalsOff()
    edges.ComputeScalarsOff()
    edges.Update()
    found = edges.GetOutput()
    points = vtk_to_numpy(found.GetPoints().GetData()).astype(np.float64)[:, ::-1]
    faces = vtk_to_numpy(found.GetPolys().GetConnectivityArray()).reshape(-1, 3)
    return points, faces.astype(np.int64)


def volume_ml(mesh: Mesh) -> float:
    """Return the volume inside a closed surface, positive if its triangles face outward."""
    a, b, c = mesh.points.astype(np.float64)[mesh.triangles].transpose(1, 0, 2)
    middle = a.mean(axis=0)
    return float(np.einsum("ij,ij->", a - middle, np.cross(b - middle, c - middle)) / 6000)


def _outward(mesh: Mesh) -> Mesh:
    is_inside_out = volume_ml(mesh) < 0
    return Mesh(mesh.points, mesh.triangles[:, ::-1]) if is_inside_out else mesh


def _write(mesh: Mesh, organ: Organ, path: Path, kind: str) -> None:
    if kind == "obj":
        path.write_text(_to_obj(mesh, organ), encoding="utf-8")
        return
    from vtkmodules.vtkIOGeometry import vtkSTLWriter
    from vtkmodules.vtkIOPLY import vtkPLYWriter

    writer: Any
    if kind == "stl":
        writer = vtkSTLWriter()
        writer.SetHeader(HEADER)
    else:
        writer = vtkPLYWriter()
        writer.SetColorModeToUniformColor()
        writer.SetColor(*organ.color)
    writer.SetFileTypeToBinary()
    writer.SetFileName(str(path))
    writer.SetInputData(_polydata(mesh))
    if not writer.Write():
        raise OSError(f"VTK could not write {path.name}")


def _polydata(mesh: Mesh) -> Any:
    from vtkmodules.util.numpy_support import numpy_to_vtk, numpy_to_vtkIdTypeArray
    from vtkmodules.vtkCommonCore import vtkPoints
    from vtkmodules.vtkCommonDataModel import vtkCellArray, vtkPolyData

    points, cells, found = vtkPoints(), vtkCellArray(), vtkPolyData()
    points.SetData(numpy_to_vtk(mesh.points, deep=True))
    count = len(mesh.triangles)
    rows = np.column_stack([np.full(count, 3, np.int64), mesh.triangles]).ravel()
    cells.ImportLegacyFormat(numpy_to_vtkIdTypeArray(rows, deep=True))
    found.SetPoints(points)
    found.SetPolys(cells)
    return found


def _to_obj(mesh: Mesh, organ: Organ) -> str:
    """Return Wavefront OBJ: vtkOBJWriter knows no comment that would tell the axes."""
    lines = [f"# {HEADER}", f"o {organ.key}"]
    lines += ["v {:.4f} {:.4f} {:.4f}".format(*point) for point in mesh.points.tolist()]
    lines += ["f {} {} {}".format(*face) for face in (mesh.triangles + 1).tolist()]
    return "\n".join(lines) + "\n"
