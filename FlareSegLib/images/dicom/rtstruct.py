"""Write organs as contours: a DICOM RT Structure Set that refers to the slices of its CT.

DICOM PS3.3 A.19. Contours lie in the slices of the CT, closed, with keyholes to holes.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from FlareSegLib.base.atomic import atomic
from FlareSegLib.base.errors import InputError, OutputError
from FlareSegLib.base.geometry import Grid, Labelmap
from FlareSegLib.base.labels import Organ
from FlareSegLib.base.runs import boxes_of
from FlareSegLib.images.dicom.contours import Loop, contours, without_straights
from FlareSegLib.images.dicom.objects import begun
from FlareSegLib.images.dicom.seg import DISCLAIMER, Provenance, header_of

if TYPE_CHECKING:
    from pydicom import Dataset

STORAGE = "1.2.840.10008.5.1.4.1.1.481.3"
"""RT Structure Set Storage."""
STUDY = "1.2.840.10008.3.1.2.3.1"
"""Detached Study Management, retired: what DICOM wants as class of a referenced study."""
STRAIGHT = 0.9999
"""Cosine between slices' normal and the patient's axis: less is an oblique series."""


def check_straight(grid: Grid) -> None:
    """Check that slices are axial: programs for contours stack them along the patient's axis.

    Raises:
        InputError: They are not.
    """
    if abs(grid.direction[0][2]) < STRAIGHT:
        raise InputError(
            "the slices are oblique, and contours of an RT structure set would be misread: "
            "choose .dcm (DICOM SEG) or .nii.gz"
        )


def write_rtstruct(
    labelmap: Labelmap,
    slices: Sequence[Path],
    path: Path,
    made: Provenance,
    organs: Sequence[Organ],
) -> None:
    """Write an RT Structure Set with a ROI for each organ that is there; wholly or not at all.

    Args:
        labelmap: On the grid of the series.
        slices: Its DICOM files, one for each plane of labelmap, in order.
        path: Where to write.
        made: For the description.
        organs: What the values of labelmap mean.

    Raises:
        InputError: The series is oblique, or lacks what must be referred to.
        OutputError: No organ is there, or the file cannot be written.
    """
    check_straight(labelmap.grid)
    boxes = boxes_of(labelmap.array, max(organ.value for organ in organs))
    present = [organ for organ in organs if boxes[organ.value - 1]]
    if not present:
        raise OutputError(
            f"{path.name} is not written, no organ was found and a structure set cannot be empty: "
            "look whether this is a CT of the abdomen, or choose .nii.gz"
        )
    headers = [header_of(one) for one in slices]
    found = _structure_set(headers, present, made)
    found.ROIContourSequence = [
        _roi_contour(number, organ, labelmap, headers) for number, organ in enumerate(present, 1)
    ]
    with atomic(path) as temporary:
        found.save_as(temporary, enforce_file_format=True)


def organ_contours(labelmap: Labelmap, organ: Organ) -> dict[int, list[Loop]]:
    """Return the contours of an organ in each slice that has it, vertices (y, x) in voxels."""
    box = boxes_of(labelmap.array, organ.value)[organ.value - 1]
    if box is None:
        return {}
    top, left = box[1].start, box[2].start
    found = {}
    for z in range(box[0].start, box[0].stop):
        loops = contours(labelmap.array[z][box[1:]] == organ.value)
        if loops:
            found[z] = [[(y + top, x + left) for y, x in without_straights(loop)] for loop in loops]
    return found


def _roi_contour(
    number: int, organ: Organ, labelmap: Labelmap, headers: Sequence[Dataset]
) -> Dataset:
    from pydicom import Dataset

    roi = Dataset()
    roi.ROIDisplayColor = list(organ.color)
    roi.ReferencedROINumber = number
    roi.ContourSequence = [
        _contour(loop, z, labelmap.grid, headers[z])
        for z, loops in organ_contours(labelmap, organ).items()
        for loop in loops
    ]
    return roi


def _contour(loop: Loop, z: int, grid: Grid, header: Dataset) -> Dataset:
    from pydicom import Dataset

    points = np.array([(z, y, x) for y, x in loop]) * grid.spacing_mm
    world = points @ np.array(grid.direction) + grid.origin
    one = Dataset()
    one.ContourImageSequence = [_image(header)]
    one.ContourGeometricType = "CLOSED_PLANAR"
    one.NumberOfContourPoints = len(loop)
    one.ContourData = [f"{value:.3f}" for value in world.ravel()]
    return one


def _image(header: Dataset) -> Dataset:
    from pydicom import Dataset

    image = Dataset()
    image.ReferencedSOPClassUID = header.SOPClassUID
    image.ReferencedSOPInstanceUID = header.SOPInstanceUID
    return image


def _structure_set(headers: Sequence[Dataset], organs: list[Organ], made: Provenance) -> Dataset:
    """Return all but the contours."""
    first, now = headers[0], datetime.now()
    found = begun(first, STORAGE, "FlareSeg organs (research use)", 2000)
    found.Modality, found.ManufacturerModelName = "RTSTRUCT", made.model
    found.FrameOfReferenceUID = first.FrameOfReferenceUID
    found.OperatorsName = found.PositionReferenceIndicator = ""
    found.StructureSetLabel, found.StructureSetName = "ORGANS", "FlareSeg organs"
    found.StructureSetDescription = DISCLAIMER
    found.StructureSetDate, found.StructureSetTime = now.strftime("%Y%m%d"), now.strftime("%H%M%S")
    found.InstanceCreationDate, found.InstanceCreationTime = (
        found.StructureSetDate,
        found.StructureSetTime,
    )
    found.ApprovalStatus = "UNAPPROVED"
    found.ReferencedFrameOfReferenceSequence = [_frame_of_reference(headers)]
    numbers = list(enumerate(organs, 1))
    found.StructureSetROISequence = [_roi(n, organ, first) for n, organ in numbers]
    found.RTROIObservationsSequence = [_observation(n, organ) for n, organ in numbers]
    return found


def _frame_of_reference(headers: Sequence[Dataset]) -> Dataset:
    from pydicom import Dataset

    first = headers[0]
    series, study, frame = Dataset(), Dataset(), Dataset()
    series.SeriesInstanceUID = first.SeriesInstanceUID
    series.ContourImageSequence = [_image(header) for header in headers]
    study.ReferencedSOPClassUID, study.ReferencedSOPInstanceUID = STUDY, first.StudyInstanceUID
    study.RTReferencedSeriesSequence = [series]
    frame.FrameOfReferenceUID = first.FrameOfReferenceUID
    frame.RTReferencedStudySequence = [study]
    return frame


def _roi(number: int, organ: Organ, header: Dataset) -> Dataset:
    from pydicom import Dataset

    roi = Dataset()
    roi.ROINumber, roi.ROIName = number, organ.name
    roi.ReferencedFrameOfReferenceUID = header.FrameOfReferenceUID
    roi.ROIGenerationAlgorithm = "AUTOMATIC"
    roi.ROIGenerationDescription = "FlareSeg"
    return roi


def _observation(number: int, organ: Organ) -> Dataset:
    from pydicom import Dataset

    code = Dataset()
    code.CodeValue, code.CodingSchemeDesignator = organ.snomed, "SCT"
    code.CodeMeaning = organ.snomed_meaning
    one = Dataset()
    one.ObservationNumber = one.ReferencedROINumber = number
    one.ROIObservationLabel = organ.name[:16]
    one.RTROIInterpretedType, one.ROIInterpreter = "ORGAN", ""
    one.RTROIIdentificationCodeSequence = [code]
    return one
