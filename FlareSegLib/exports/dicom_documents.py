"""A picture and a page for an archive that knows neither SEG nor SR: DICOM SC and DICOM PDF."""

from __future__ import annotations

import warnings
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from FlareSegLib import __version__
from FlareSegLib.base.atomic import atomic
from FlareSegLib.images.dicom.seg import DISCLAIMER, header_of

if TYPE_CHECKING:
    from pydicom import Dataset

PDF_STORAGE = "1.2.840.10008.5.1.4.1.1.104.1"
"""Encapsulated PDF Storage."""
_KEPT = (
    "PatientName", "PatientID", "PatientBirthDate", "PatientSex", "StudyInstanceUID", "StudyDate",
    "StudyTime", "StudyID", "AccessionNumber", "ReferringPhysicianName", "SpecificCharacterSet",
)  # fmt: skip


def write_capture(picture: Path, source: Path, path: Path) -> None:
    """Write a picture (PNG) as secondary capture of the study of a slice.

    Raises:
        OutputError: It cannot be written.
    """
    import highdicom
    from matplotlib.image import imread
    from pydicom.uid import generate_uid

    pixels = np.rint(imread(picture)[..., :3] * 255).astype(np.uint8)
    header = header_of(source)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # they name the patient
        found = highdicom.sc.SCImage.from_ref_dataset(
            ref_dataset=header,
            pixel_array=np.ascontiguousarray(pixels),
            photometric_interpretation="RGB",
            bits_allocated=8,
            coordinate_system="PATIENT",
            series_instance_uid=generate_uid(),
            sop_instance_uid=generate_uid(),
            series_number=4000 + int(header.get("SeriesNumber") or 0),
            instance_number=1,
            manufacturer="FlareSeg",
            patient_orientation=("L", "F"),
        )
    found.SeriesDescription = "FlareSeg picture (research use)"
    found.BurnedInAnnotation = "NO"
    found.Laterality = ""
    found.DerivationDescription = DISCLAIMER
    with atomic(path) as temporary:
        found.save_as(temporary)


def write_document(pdf: Path, source: Path, path: Path) -> None:
    """Write a PDF as encapsulated document of the study of a slice (DICOM PS3.3 A.45.1).

    Raises:
        OutputError: It cannot be written.
    """
    header, content, now = header_of(source), pdf.read_bytes(), datetime.now()
    found = _empty_document(header)
    found.ContentDate, found.ContentTime = now.strftime("%Y%m%d"), now.strftime("%H%M%S")
    found.AcquisitionDateTime = ""
    found.DocumentTitle = f"FlareSeg organs: {DISCLAIMER}"
    found.MIMETypeOfEncapsulatedDocument = "application/pdf"
    found.EncapsulatedDocumentLength = len(content)
    found.EncapsulatedDocument = content + b"\0" * (len(content) % 2)
    with atomic(path) as temporary:
        found.save_as(temporary, enforce_file_format=True)


def _empty_document(header: Dataset) -> Dataset:
    from pydicom import Dataset
    from pydicom.dataset import FileMetaDataset
    from pydicom.uid import ExplicitVRLittleEndian, generate_uid

    found = Dataset()
    found.file_meta = FileMetaDataset()
    found.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    found.SOPClassUID, found.SOPInstanceUID = PDF_STORAGE, generate_uid()
    for name in _KEPT:
        if name in header:
            setattr(found, name, header[name].value)
    found.Modality, found.ConversionType = "DOC", "WSD"
    found.SeriesInstanceUID = generate_uid()
    found.SeriesNumber, found.InstanceNumber = 5000 + int(header.get("SeriesNumber") or 0), 1
    found.SeriesDescription = "FlareSeg report (research use)"
    found.Manufacturer, found.SoftwareVersions = "FlareSeg", __version__
    found.BurnedInAnnotation = "NO"
    found.ConceptNameCodeSequence = []
    return found
