"""From the labelmap of a run to what Slicer's scene takes without waiting; in the worker process.

    labels.npy    labels (z, y, x), uint8, only the box that holds organs
    labels.json   where this box lies: first index (z, y, x), the grid of the whole in LPS;
                 and the values that are there
    doubt.npy     percent of doubt at each voxel of the CT, uint8; only if it was asked for
    3.vtp         closed surface of the organ with value 3, in RAS; only if surfaces are wanted

Slicer would make surfaces of all voxels, in its main thread: 8 s for 500 slices. Here large organs
are halved first, and nobody waits. Nothing of it is needed: Slicer makes surfaces that are missing.
"""

import json
import sys
from pathlib import Path

import numpy as np
from FlareSegUI.RunFiles import DOUBT, DOUBT_ARRAY, LABELMAP, LABELS, PLACE

SURFACE_MM = 2.0
"""Voxels of large organs are joined up to about this size before their surface is made."""
LARGE_ML = 30.0
"""Smaller organs are thin: their surfaces are made of all voxels."""
ITERATIONS, PASS_BAND = 20, 0.08
"""Of vtkWindowedSincPolyDataFilter: takes off the steps of the voxels, keeps the volume."""


def hand_over(folder: Path, *, surfaces: bool) -> None:
    """Write the files of a folder that holds the labelmap of a run."""
    from FlareSegLib.images.reading import read_labelmap

    labelmap = read_labelmap(folder / LABELMAP)
    box = box_of(labelmap.array)
    labels = np.ascontiguousarray(labelmap.array[box])
    grid = {name: getattr(labelmap.grid, name) for name in ("spacing_mm", "origin", "direction")}
    start = [part.start for part in box]
    values = np.flatnonzero(np.bincount(labels.ravel(), minlength=256)[1:]) + 1
    place = {"start": start, "values": values.tolist(), **grid}
    np.save(folder / LABELS, labels)
    (folder / PLACE).write_text(json.dumps(place), encoding="utf-8")
    if (folder / DOUBT).is_file():
        np.save(folder / DOUBT_ARRAY, read_labelmap(folder / DOUBT).array)
    if surfaces:
        _write_surfaces(folder, labels, place)


def box_of(array: np.ndarray) -> tuple[slice, slice, slice]:
    """Return the box that holds all that is not 0; of an empty array the first voxel."""
    found = []
    for axis in range(3):
        others = tuple(other for other in range(3) if other != axis)
        at = np.flatnonzero(array.any(axis=others))
        found.append(slice(int(at[0]), int(at[-1]) + 1) if at.size else slice(0, 1))
    return found[0], found[1], found[2]


def _write_surfaces(folder: Path, labels: np.ndarray, place: dict) -> None:
    try:
        from vtkmodules.vtkIOXML import vtkXMLPolyDataWriter
    except ImportError as error:  # Slicer makes them itself then
        sys.stdout.write(f"no VTK in this Python ({error}): Slicer makes the surfaces\n")
        return
    values = place["values"]
    for i, value in enumerate(values):
        step = {"step": "surfaces", "share": round(0.98 + 0.02 * i / len(values), 4)}
        sys.stderr.write(json.dumps(step) + "\n")
        box = box_of(labels == value)
        mask = labels[box] == value
        start = np.add(place["start"], [part.start for part in box])
        writer = vtkXMLPolyDataWriter()
        writer.SetInputData(surface_of(mask, start, place))
        writer.SetFileName(str(folder / f"{value}.vtp"))
        writer.SetCompressorTypeToNone()
        writer.SetDataModeToAppended()
        writer.EncodeAppendedDataOff()  # read as it stands
        writer.Write()


def surface_of(mask: np.ndarray, start: np.ndarray, place: dict) -> "vtkPolyData":  # noqa: F821
    """Return the closed, smoothed surface of a mask (z, y, x), in RAS mm.

    Args:
        mask: True inside; its box touches the organ.
        start: Index (z, y, x) of its first voxel in the whole grid.
        place: spacing_mm, origin and direction of that grid, (z, y, x) and LPS.
    """
    from vtkmodules.util.numpy_support import numpy_to_vtk
    from vtkmodules.vtkCommonDataModel import vtkImageData
    from vtkmodules.vtkFiltersCore import (
        vtkFlyingEdges3D,
        vtkPolyDataNormals,
        vtkWindowedSincPolyDataFilter,
    )

    spacing = np.array(place["spacing_mm"])
    is_large = mask.sum() * spacing.prod() > LARGE_ML * 1000
    factors = np.maximum(1, np.floor(SURFACE_MM / spacing)).astype(int) if is_large else [1, 1, 1]
    shares = _joined(mask, np.array(factors))
    image = vtkImageData()
    image.SetDimensions(*shares.shape[::-1])
    image.GetPointData().SetScalars(numpy_to_vtk(shares.ravel()))
    edges, smooth = vtkFlyingEdges3D(), vtkWindowedSincPolyDataFilter()
    edges.SetInputData(image)
    edges.SetValue(0, 0.5)
    edges.ComputeNormalsOff()
    edges.ComputeGradientsOff()
    edges.Update()
    mesh = edges.GetOutput()
    _to_world(mesh, start + (np.array(factors) - 1) / 2 - np.array(factors), factors, place)
    smooth.SetInputData(mesh)
    smooth.SetNumberOfIterations(ITERATIONS)
    smooth.SetPassBand(PASS_BAND)
    smooth.BoundarySmoothingOff()
    smooth.FeatureEdgeSmoothingOff()
    smooth.NonManifoldSmoothingOn()
    smooth.NormalizeCoordinatesOn()
    normals = vtkPolyDataNormals()
    normals.SetInputConnection(smooth.GetOutputPort())
    normals.SplittingOff()
    normals.AutoOrientNormalsOn()
    normals.ConsistencyOn()
    normals.Update()
    return normals.GetOutput()


def _joined(mask: np.ndarray, factors: np.ndarray) -> np.ndarray:
    """Return the share of the organ in each block of voxels, float32, with an empty rim."""
    rim = [(f, f + -n % f) for n, f in zip(mask.shape, factors, strict=True)]
    padded = np.pad(mask, rim)
    blocks = [part for n, f in zip(padded.shape, factors, strict=True) for part in (n // f, f)]
    return padded.reshape(blocks).mean(axis=(1, 3, 5), dtype=np.float32)


def _to_world(mesh: "vtkPolyData", start: np.ndarray, factors: list[int], place: dict) -> None:  # noqa: F821
    """Move points from block indices (x, y, z) to RAS mm."""
    from vtkmodules.util.numpy_support import numpy_to_vtk, vtk_to_numpy

    if not mesh.GetNumberOfPoints():
        return
    indices = vtk_to_numpy(mesh.GetPoints().GetData())[:, ::-1] * np.array(factors) + start
    steps = indices * np.array(place["spacing_mm"])
    world = steps @ np.array(place["direction"]) + np.array(place["origin"])
    points = np.ascontiguousarray(world * (-1, -1, 1), dtype=np.float32)
    mesh.GetPoints().SetData(numpy_to_vtk(points, deep=True))
