"""A picture and a page for an archive that knows neither SEG nor SR: DICOM SC and DICOM PDF."""

from __future__ import annotations

import warnings
from datetime import datetime
from pathlib import Path

import numpy as np

from FlareSegLib.base.atomic import atomic
from FlareSegLib.images.dicom.objects import begun, in_utf8
from FlareSegLib.images.dicom.seg import DISCLAIMER, header_of

PDF_STORAGE = "1.2.840.10008.5.1.4.1.1.104.1"
"""Encapsulated PDF Storage."""


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
        in_utf8(found).save_as(temporary)


def write_document(pdf: Path, source: Path, path: Path) -> None:
    """Write a PDF as encapsulated document of the study of a slice (DICOM PS3.3 A.45.1).

    Raises:
        OutputError: It cannot be written.
    """
    header, content, now = header_of(source), pdf.read_bytes(), datetime.now()
    found = begun(header, PDF_STORAGE, "FlareSeg report (research use)", 5000)
    found.Modality, found.ConversionType = "DOC", "WSD"
    found.BurnedInAnnotation = "NO"
    found.ConceptNameCodeSequence = []
    found.ContentDate, found.ContentTime = now.strftime("%Y%m%d"), now.strftime("%H%M%S")
    found.AcquisitionDateTime = ""
    found.DocumentTitle = f"FlareSeg organs: {DISCLAIMER}"
    found.MIMETypeOfEncapsulatedDocument = "application/pdf"
    found.EncapsulatedDocumentLength = len(content)
    found.EncapsulatedDocument = content + b"\0" * (len(content) % 2)
    with atomic(path) as temporary:
        found.save_as(temporary, enforce_file_format=True)
