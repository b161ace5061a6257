"""Organs as DICOM SEG or RT structure set: they refer to the files that the CT was loaded from.

Slicer notes with a volume which instances it is made of, and its DICOM database knows their files.
The files are written in the worker (Scripts/flareseg_dicom.py), by the core.
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

from FlareSegLib.base.geometry import Grid
from FlareSegLib.base.labels import MOST_VALUE, LabelSet, Organ
from FlareSegUI import Nodes, Packages

FORMATS = {"DICOM SEG (.dcm)": ".dcm", "RT structure set (.dcm)": ".rtstruct.dcm"}
"""As people read them, and what the names of their files end in."""
INSTANCES = "DICOM.instanceUIDs"
"""Attribute of a volume that Slicer's DICOM plugins loaded: an instance for each slice."""
LABELS, FACTS = "labels.npy", "dicom.json"


def whyNot(
    segmentation: vtkMRMLSegmentationNode | None, volume: vtkMRMLScalarVolumeNode | None
) -> str | None:
    """Return why organs cannot be written as DICOM, for people; None if they can."""
    if volume is None or segmentation is None:
        return _("the CT that they were made from is not in the scene")
    uids = (volume.GetAttribute(INSTANCES) or "").split()
    if not uids:
        return _("this CT was not loaded from Slicer's DICOM database")
    database = getattr(slicer, "dicomDatabase", None)
    if database is None or not database.isOpen:
        return _("Slicer's DICOM database is not open: open the module DICOM once")
    found = [path for path in filesOf(volume) if path is not None]
    if len(found) < len(uids):
        return _(
            "{missing} of {count} DICOM files of this CT are not there any more: add them to the "
            "module DICOM again"
        ).format(missing=len(uids) - len(found), count=len(uids))
    if len(uids) != volume.GetImageData().GetDimensions()[2]:
        return _("this CT has not one DICOM file for each slice")
    if segmentation.GetParentTransformNode() is not volume.GetParentTransformNode():
        return _("organs and CT lie under different transforms")
    return Packages.whyNotDicom()


def filesOf(volume: vtkMRMLScalarVolumeNode) -> list[Path | None]:
    """Return the DICOM file of each slice, None where it is not there."""
    uids = (volume.GetAttribute(INSTANCES) or "").split()
    paths = [slicer.dicomDatabase.fileForInstance(uid) for uid in uids]
    return [Path(path) if path and Path(path).is_file() else None for path in paths]


def prepare(
    folder: Path,
    segmentation: vtkMRMLSegmentationNode,
    volume: vtkMRMLScalarVolumeNode,
    target: Path,
) -> None:
    """Write into the folder of a run what the worker needs to write the target.

    Raises:
        RuntimeError: There are more segments than values, or no voxels of them.
    """
    labels = organsOf(segmentation)
    np.save(folder / LABELS, mergedLabels(segmentation, volume, labels))
    report = Nodes.reportOf(segmentation) or {}
    model = report.get("run", {}).get("model", {})
    facts = {
        "files": [str(path) for path in filesOf(volume)],
        "target": str(target),
        "grid": _toJson(Nodes.gridOf(volume)),
        "organs": [asdict(organ) for organ in labels.organs],
        "model": [model.get("name", "unknown"), model.get("version", "unknown")],
    }
    (folder / FACTS).write_text(json.dumps(facts), encoding="utf-8")


def _toJson(grid: Grid) -> dict[str, object]:
    names = ("shape", "spacing_mm", "origin", "direction")
    return {name: getattr(grid, name) for name in names}


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


def mergedLabels(
    segmentation: vtkMRMLSegmentationNode, volume: vtkMRMLScalarVolumeNode, labels: LabelSet
) -> np.ndarray:
    """Return the segments on the grid of the volume, uint8 (k, j, i); of two the later one wins."""
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
    array = vtk_to_numpy(merged.GetPointData().GetScalars())
    return array.reshape(size[::-1]).astype(np.uint8)
