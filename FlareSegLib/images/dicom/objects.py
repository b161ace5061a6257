"""A DICOM object of a study: what objects that are written field by field begin with."""

from __future__ import annotations

from typing import TYPE_CHECKING

from FlareSegLib import __version__

if TYPE_CHECKING:
    from pydicom import Dataset

_OF_STUDY = (
    "PatientName", "PatientID", "PatientBirthDate", "PatientSex",
    "StudyInstanceUID", "StudyDate", "StudyTime", "StudyID", "AccessionNumber",
    "ReferringPhysicianName", "StudyDescription",
)  # fmt: skip
"""What is said of patient and study."""


def in_utf8(found: Dataset) -> Dataset:
    """Return an object with its texts in UTF-8, so that names in any script stay as they are.

    highdicom before 0.28 does not say in what its objects are written.
    """
    found.SpecificCharacterSet = "ISO_IR 192"
    return found


def begun(header: Dataset, storage: str, description: str, further_number: int) -> Dataset:
    """Return an object of the study of a slice, in a new series.

    Args:
        header: Of the slice.
        storage: UID of its class.
        description: Of the series.
        further_number: What its number is more than that of the slice's series.
    """
    from pydicom import Dataset
    from pydicom.dataset import FileMetaDataset
    from pydicom.uid import ExplicitVRLittleEndian, generate_uid

    found = Dataset()
    found.file_meta = FileMetaDataset()
    found.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    found.SOPClassUID, found.SOPInstanceUID = storage, generate_uid()
    for name in _OF_STUDY:
        if name in header:
            setattr(found, name, header[name].value)
    found.SeriesInstanceUID = generate_uid()
    found.SeriesNumber = further_number + int(header.get("SeriesNumber") or 0)
    found.SeriesDescription, found.InstanceNumber = description, 1
    found.Manufacturer, found.SoftwareVersions = "FlareSeg", __version__
    return in_utf8(found)
