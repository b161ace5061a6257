"""Organs to files: surfaces (STL, OBJ, glTF) and labelmaps (NIfTI, NRRD), by Slicer and VTK.

Labelmaps are written by the worker where it can (Layers.py), since compression takes seconds. What
refers to the DICOM files of the CT is in Dicom.py.
"""

import json
import re
from pathlib import Path

import slicer
import vtk
from slicer import vtkMRMLScalarVolumeNode, vtkMRMLSegmentationNode
from slicer.i18n import tr as _

from FlareSegUI import Dicom, Layers, Nodes
from FlareSegUI.RunFiles import EXPORT

FORMATS = {
    "STL": "STL",
    "OBJ": "OBJ",
    "glTF": "glTF",
    "NIfTI (.nii.gz)": "nii.gz",
    "NRRD": "nrrd",
    "Slicer (.seg.nrrd)": "seg.nrrd",
}
"""As people read them, and as export() takes them."""


def fileName(segmentation: vtkMRMLSegmentationNode, ending: str) -> str:
    """Return the name of a segmentation as that of a file on any computer."""
    return (re.sub(r'[\\/:*?"<>|\x00-\x1f]', "_", segmentation.GetName()) or "organs") + ending


def prepare(
    folder: Path,
    segmentation: vtkMRMLSegmentationNode,
    volume: vtkMRMLScalarVolumeNode,
    target: Path,
) -> None:
    """Write into the folder of a run what the worker needs to write the target.

    Raises:
        RuntimeError: There are more segments than values, or they cannot be put on that grid.
    """
    facts = {"target": str(target)}
    if target.suffix == ".dcm":
        facts |= Dicom.factsOf(segmentation, volume)
    Layers.write(folder, segmentation, volume)
    (folder / EXPORT).write_text(json.dumps(facts), encoding="utf-8")


def byWorker(
    segmentation: vtkMRMLSegmentationNode, volume: vtkMRMLScalarVolumeNode | None, form: str
) -> bool:
    """Return whether the worker writes a format: labelmaps, on the voxels of the CT.

    It writes one value per voxel: segments of a .seg.nrrd that may overlap are left to Slicer.
    """
    if form not in ("nii.gz", "nrrd", "seg.nrrd"):
        return False
    isOneLayer = segmentation.GetSegmentation().GetNumberOfLayers() == 1
    return Layers.fit(segmentation, volume) and (isOneLayer or form != "seg.nrrd")


def export(
    segmentation: vtkMRMLSegmentationNode,
    volume: vtkMRMLScalarVolumeNode | None,
    form: str,
    folder: Path,
) -> None:
    """Write all organs into a folder: a file each, or one file of all (labelmaps, OBJ, glTF).

    Args:
        segmentation: The organs.
        volume: Labelmaps get its grid.
        form: A value of FORMATS.
        folder: Is made if it is not there.

    Raises:
        RuntimeError: They cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if form in ("STL", "OBJ", "glTF"):  # those that a run made are there
        Nodes.makeSurfaces(segmentation, lambda _: slicer.app.processEvents())
    if form in ("STL", "OBJ"):
        write = slicer.vtkSlicerSegmentationsModuleLogic
        done = write.ExportSegmentsClosedSurfaceRepresentationToFiles(
            str(folder), segmentation, None, form
        )
    elif form == "glTF":
        done = _exportGltf(segmentation, folder / fileName(segmentation, ".gltf"))
    elif form == "seg.nrrd":
        done = _exportSegments(segmentation, folder / fileName(segmentation, ".seg.nrrd"))
    else:
        write = slicer.vtkSlicerSegmentationsModuleLogic
        done = write.ExportSegmentsBinaryLabelmapRepresentationToFiles(
            str(folder), segmentation, None, form, True, volume
        )
    if not done:
        raise RuntimeError(_("{folder} cannot be written").format(folder=folder))


def _exportSegments(segmentation: vtkMRMLSegmentationNode, path: Path) -> bool:
    storage = slicer.vtkMRMLSegmentationStorageNode()
    storage.SetFileName(str(path))
    return bool(storage.WriteData(segmentation))


def _exportGltf(segmentation: vtkMRMLSegmentationNode, path: Path) -> bool:
    """Write all surfaces into one file, in their colors; RAS, mm."""
    renderer = vtk.vtkRenderer()
    inside = segmentation.GetSegmentation()
    for key in inside.GetSegmentIDs():
        surface = vtk.vtkPolyData()
        segmentation.GetClosedSurfaceRepresentation(key, surface)
        mapper, actor = vtk.vtkPolyDataMapper(), vtk.vtkActor()
        mapper.SetInputData(surface)
        mapper.ScalarVisibilityOff()
        actor.SetMapper(mapper)
        actor.GetProperty().SetColor(inside.GetSegment(key).GetColor())
        renderer.AddActor(actor)
    window = vtk.vtkRenderWindow()
    window.SetOffScreenRendering(True)
    window.AddRenderer(renderer)
    exporter = vtk.vtkGLTFExporter()
    exporter.SetRenderWindow(window)
    exporter.InlineDataOn()
    exporter.SetFileName(str(path))
    exporter.Write()
    return path.is_file() and path.stat().st_size > 0
