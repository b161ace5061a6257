"""Organs as DICOM SEG or RT structure set: they refer to the files that the CT was loaded from.

Slicer notes with a volume which instances it is made of, and its DICOM database knows their files.
The files are written in the worker (Scripts/flareseg_dicom.py), by the core, from the voxels that
Layers.py hands over.
"""

from pathlib import Path

import slicer
from slicer import vtkMRMLScalarVolumeNode, vtkMRMLSegmentationNode
from slicer.i18n import tr as _

from FlareSegUI import Nodes, Packages

FORMATS = {"DICOM SEG (.dcm)": ".dcm", "RT structure set (.dcm)": ".rtstruct.dcm"}
"""As people read them, and what the names of their files end in."""
INSTANCES = "DICOM.instanceUIDs"
"""Attribute of a volume that Slicer's DICOM plugins loaded: an instance for each slice."""


def whyNot(
    segmentation: vtkMRMLSegmentationNode | None, volume: vtkMRMLScalarVolumeNode | None
) -> str | None:
    """Return why organs cannot be written as DICOM, for people; None if they can."""
    if volume is None or segmentation is None:
        return _("the CT that they were made from is not in the scene")
    uids = _instancesOf(volume)
    if not uids:
        return _("this CT was not loaded from Slicer's DICOM database")
    database = getattr(slicer, "dicomDatabase", None)
    if database is None or not database.isOpen:
        return _("Slicer's DICOM database is not open: open the module DICOM once")
    missing = filesOf(volume).count(None)
    if missing:
        return _(
            "{missing} of {count} DICOM files of this CT are not there any more: add them to the "
            "module DICOM again"
        ).format(missing=missing, count=len(uids))
    if len(uids) != volume.GetImageData().GetDimensions()[2]:
        return _("this CT has not one DICOM file for each slice")
    if segmentation.GetParentTransformNode() is not volume.GetParentTransformNode():
        return _("organs and CT lie under different transforms")
    return Packages.whyNotDicom()


def _instancesOf(volume: vtkMRMLScalarVolumeNode) -> list[str]:
    return (volume.GetAttribute(INSTANCES) or "").split()


def filesOf(volume: vtkMRMLScalarVolumeNode) -> list[Path | None]:
    """Return the DICOM file of each slice, None where it is not there."""
    paths = [slicer.dicomDatabase.fileForInstance(uid) for uid in _instancesOf(volume)]
    return [Path(path) if path and Path(path).is_file() else None for path in paths]


def factsOf(
    segmentation: vtkMRMLSegmentationNode, volume: vtkMRMLScalarVolumeNode
) -> dict[str, object]:
    """Return what the worker has to know besides the voxels: the CT's files, the model."""
    report = Nodes.reportOf(segmentation) or {}
    model = report.get("run", {}).get("model", {})
    return {
        "files": [str(path) for path in filesOf(volume)],
        "model": [model.get("name", "unknown"), model.get("version", "unknown")],
    }
