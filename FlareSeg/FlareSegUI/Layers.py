"""The voxels of a segmentation for the worker: its layers as they lie there, nothing is computed.

To merge and compress 500 slices would keep Slicer waiting for seconds. Segments share layers; the
worker puts them onto the grid of the CT (Scripts/flareseg_layers.py).
"""

import json
from dataclasses import asdict
from pathlib import Path

import numpy as np
import slicer
import vtk
from slicer import vtkMRMLScalarVolumeNode, vtkMRMLSegmentationNode
from slicer.i18n import tr as _
from vtk.util.numpy_support import vtk_to_numpy

from FlareSegLib.base.labels import MOST_VALUE, LabelSet, Organ
from FlareSegUI import Nodes
from FlareSegUI.RunFiles import LAYER, LAYERS

GRID = ("shape", "spacing_mm", "origin", "direction")
WHOLE = 1e-3
"""Voxels by which a layer may lie beside the voxels of the CT: rounding."""


def write(
    folder: Path, segmentation: vtkMRMLSegmentationNode, volume: vtkMRMLScalarVolumeNode
) -> None:
    """Write all segments, and the grid of the CT that they belong to, into the folder of a run.

    Raises:
        RuntimeError: There are more segments than values, or they cannot be put on that grid.
    """
    labels = organsOf(segmentation)
    layers = layersOf(segmentation, volume, labels)
    for i, (array, _start, _values) in enumerate(layers):
        np.save(folder / LAYER.format(i), array)
    grid = Nodes.gridOf(volume)
    facts = {
        "grid": {name: getattr(grid, name) for name in GRID},
        "organs": [asdict(organ) for organ in labels.organs],
        "layers": [{"start": start, "values": values} for _array, start, values in layers],
    }
    (folder / LAYERS).write_text(json.dumps(facts), encoding="utf-8")


def layersOf(
    segmentation: vtkMRMLSegmentationNode, volume: vtkMRMLScalarVolumeNode, labels: LabelSet
) -> list[tuple[np.ndarray, list[int], dict[int, int]]]:
    """Return voxels (k, j, i) of each layer, first index, and organ of each value.

    Raises:
        RuntimeError: They cannot be put on the grid of the volume.
    """
    return _layersOf(segmentation, volume, labels) or [_merged(segmentation, volume, labels)]


def fit(segmentation: vtkMRMLSegmentationNode, volume: vtkMRMLScalarVolumeNode | None) -> bool:
    """Return whether the worker can write the segments: they lie as the CT does, voxel on voxel."""
    if volume is None or volume.GetImageData() is None:
        return False
    isBeside = segmentation.GetParentTransformNode() is volume.GetParentTransformNode()
    isFew = segmentation.GetSegmentation().GetNumberOfSegments() < MOST_VALUE
    return isBeside and isFew and bool(_layersOf(segmentation, volume, organsOf(segmentation)))


def _layersOf(
    segmentation: vtkMRMLSegmentationNode, volume: vtkMRMLScalarVolumeNode, labels: LabelSet
) -> list[tuple[np.ndarray, list[int], dict[int, int]]]:
    """Return voxels (k, j, i), first index and organ of each value; none if they lie otherwise."""
    inside, found = segmentation.GetSegmentation(), []
    binary = slicer.vtkSegmentationConverter.GetBinaryLabelmapRepresentationName()
    if not inside.ContainsRepresentation(binary):
        return []
    for i in range(inside.GetNumberOfLayers()):
        image = inside.GetLayerDataObject(i)
        values = {
            inside.GetSegment(key).GetLabelValue(): labels.by_key[key].value
            for key in inside.GetSegmentIDsForLayer(i)
        }
        if image is None or image.GetPointData().GetScalars() is None:  # segments without voxels
            continue
        start = _startIn(image, volume)
        if start is None:
            return []
        shape = image.GetDimensions()[::-1]
        array = vtk_to_numpy(image.GetPointData().GetScalars()).reshape(shape)
        found.append((array, start, values))
    return found


def _startIn(image: "vtkOrientedImageData", volume: vtkMRMLScalarVolumeNode) -> list[int] | None:  # noqa: F821
    """Return the index (k, j, i) of the CT at which an image begins; None if it lies otherwise."""
    toWorld, fromWorld, between = (vtk.vtkMatrix4x4() for _ in range(3))
    image.GetImageToWorldMatrix(toWorld)
    volume.GetRASToIJKMatrix(fromWorld)
    vtk.vtkMatrix4x4.Multiply4x4(fromWorld, toWorld, between)
    way = np.array([[between.GetElement(row, column) for column in range(4)] for row in range(3)])
    first = way[:, 3] + image.GetExtent()[::2]
    reach = np.abs(way[:, :3] - np.eye(3)) @ np.array(image.GetDimensions())
    if reach.max() > WHOLE or np.abs(first - first.round()).max() > WHOLE:
        return None
    return [int(index) for index in first.round()[::-1]]


def _merged(
    segmentation: vtkMRMLSegmentationNode, volume: vtkMRMLScalarVolumeNode, labels: LabelSet
) -> tuple[np.ndarray, list[int], dict[int, int]]:
    """Return the segments on the grid of the volume, as one layer; of two the later one wins."""
    keys, values = vtk.vtkStringArray(), vtk.vtkIntArray()
    for organ in labels.organs:
        keys.InsertNextValue(organ.key)
        values.InsertNextValue(organ.value)
    geometry, merged = slicer.vtkOrientedImageData(), slicer.vtkOrientedImageData()
    size, matrix = volume.GetImageData().GetDimensions(), vtk.vtkMatrix4x4()
    volume.GetIJKToRASMatrix(matrix)
    geometry.SetExtent(0, size[0] - 1, 0, size[1] - 1, 0, size[2] - 1)
    geometry.SetGeometryFromImageToWorldMatrix(matrix)
    mode = slicer.vtkSegmentation.EXTENT_REFERENCE_GEOMETRY
    if not segmentation.GenerateMergedLabelmapForAllSegments(merged, mode, geometry, keys, values):
        raise RuntimeError(_("the segments cannot be put on the grid of the CT"))
    array = vtk_to_numpy(merged.GetPointData().GetScalars()).reshape(size[::-1])
    return array, [0, 0, 0], {organ.value: organ.value for organ in labels.organs}


def organsOf(segmentation: vtkMRMLSegmentationNode) -> LabelSet:
    """Return the segments as organs with values from 1 on: names, colors and codes as they are."""
    inside = segmentation.GetSegmentation()
    keys = list(inside.GetSegmentIDs())
    if len(keys) > MOST_VALUE - 1:
        raise RuntimeError(
            _("{count} segments are more than fit into one file").format(count=len(keys))
        )
    return LabelSet(tuple(_organ(i, key, inside.GetSegment(key)) for i, key in enumerate(keys, 1)))


def _organ(value: int, key: str, segment: "vtkSegment") -> Organ:  # noqa: F821
    color = tuple(round(255 * part) for part in segment.GetColor())
    entry = vtk.mutable("")
    segment.GetTag(segment.GetTerminologyEntryTagName(), entry)
    parts = [part.split("^") for part in str(entry).split("~")]
    code, side = parts[2:3] or [[]], parts[3:4] or [[]]
    name = segment.GetName() or key
    if len(code[0]) != 3 or code[0][0] != "SCT":
        return Organ(value, key, name, color)
    sides = {entry.split("^")[1]: one for one, entry in Nodes.SIDES.items() if one}
    side = sides.get(side[0][1]) if len(side[0]) == 3 else None
    return Organ(value, key, name, color, code[0][1], code[0][2], side)
