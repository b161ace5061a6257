"""What the worker hands over, and the segments that the scene gets of it.

Nothing here takes long: the labels come as an array that is shared by all segments, and the
surfaces are made already (Scripts/flareseg_handover.py).
"""

import json
from pathlib import Path

import numpy as np
import slicer
import vtk
from slicer import vtkMRMLScalarVolumeNode, vtkMRMLSegmentationNode

from FlareSegLib.base.labels import LabelSet, Organ
from FlareSegUI import Doubt, Nodes, Voxels
from FlareSegUI.RunFiles import LABELS, PLACE, REPORT


def toScene(
    folder: Path,
    volume: vtkMRMLScalarVolumeNode,
    known: vtkMRMLSegmentationNode | None,
    labels: LabelSet,
) -> vtkMRMLSegmentationNode:
    """Return the segmentation with the result of a run: the one that is known, or a new one.

    Args:
        folder: Of the run.
        volume: The CT.
        known: Where the result goes; None: a new one.
        labels: The organs of the model.

    Raises:
        OSError, ValueError, RuntimeError: It cannot be read; the scene is as it was.
    """
    report = json.loads((folder / REPORT).read_text(encoding="utf-8"))
    report["run"]["input"] = volume.GetName()
    segments = readSegments(folder, report, labels)
    segmentation = known or Nodes.newSegmentation(volume)
    before = segmentation.StartModify()
    put(segmentation, segments)
    Nodes.placeBeside(segmentation, volume)
    Nodes.keepOrigin(segmentation, report, labels)
    Doubt.toScene(folder, volume, segmentation)
    segmentation.EndModify(before)
    return segmentation


def put(segmentation: vtkMRMLSegmentationNode, segments: dict) -> None:
    """Give a segmentation these segments by their ids, in place of those that are there."""
    inside = segmentation.GetSegmentation()
    inside.RemoveAllSegments()
    inside.SetSourceRepresentationName(_binary())
    for key, segment in segments.items():
        inside.AddSegment(segment, key)
    segmentation.CreateDefaultDisplayNodes()


def readSegments(folder: Path, report: dict, labels: LabelSet) -> dict:
    """Return the vtkSegment of each organ that was found, by its key, in the report's order."""
    image = readLabels(folder)
    present = json.loads((folder / PLACE).read_text(encoding="utf-8"))["values"]
    return {
        row["key"]: _segment(labels.by_key[row["key"]], image, folder / f"{row['value']}.vtp")
        for row in report["organs"]
        if row["value"] in present
    }


def readLabels(folder: Path) -> "vtkOrientedImageData":  # noqa: F821
    """Return the labels: the box that holds organs, at its place in the grid of the CT."""
    place = json.loads((folder / PLACE).read_text(encoding="utf-8"))
    image = slicer.vtkOrientedImageData()
    Voxels.load(folder / LABELS, image, place["start"])
    image.GetPointData().GetScalars().SetName("labels")
    image.SetGeometryFromImageToWorldMatrix(_matrix(place))
    return image


def _matrix(place: dict) -> vtk.vtkMatrix4x4:
    """Return from index (i, j, k) to RAS mm."""
    steps = np.array(place["direction"]) * np.array(place["spacing_mm"])[:, None]
    columns = [*steps[::-1], np.array(place["origin"])]
    matrix = vtk.vtkMatrix4x4()
    for column, vector in enumerate(columns):
        for row in range(3):
            matrix.SetElement(row, column, vector[row] * Nodes.RAS_TO_LPS[row])
    return matrix


def _segment(organ: Organ, image: object, surface: Path) -> "vtkSegment":  # noqa: F821
    segment = slicer.vtkSegment()
    segment.SetLabelValue(organ.value)
    segment.AddRepresentation(_binary(), image)
    if surface.is_file():
        reader = vtk.vtkXMLPolyDataReader()
        reader.SetFileName(str(surface))
        reader.Update()
        closed = slicer.vtkSegmentationConverter.GetClosedSurfaceRepresentationName()
        segment.AddRepresentation(closed, reader.GetOutput())
    Nodes.nameSegment(segment, organ)
    return segment


def _binary() -> str:
    return slicer.vtkSegmentationConverter.GetBinaryLabelmapRepresentationName()
