"""Write a labelmap as DICOM Segmentation. The only file that imports highdicom and pydicom."""

from __future__ import annotations

import re
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from FlareSegLib import __version__
from FlareSegLib.base.atomic import atomic
from FlareSegLib.base.errors import InputError, OutputError
from FlareSegLib.base.extras import how_to_get
from FlareSegLib.base.geometry import Labelmap
from FlareSegLib.base.labels import SIDE_CODES, STRUCTURE_CODE, LabelSet, Organ
from FlareSegLib.base.runs import boxes_of
from FlareSegLib.images.dicom.objects import in_utf8

if TYPE_CHECKING:
    from highdicom import AlgorithmIdentificationSequence
    from highdicom.seg import Segmentation, SegmentDescription
    from highdicom.sr import CodedConcept
    from pydicom import Dataset

DISCLAIMER = "Research use only, not for diagnosis"
"""A DICOM LO: at most 64 letters."""
_MAY_BE_EMPTY = (
    "PatientName", "PatientID", "PatientBirthDate", "PatientSex", "AccessionNumber", "StudyID",
    "StudyDate", "StudyTime", "ReferringPhysicianName",
)  # fmt: skip
"""DICOM wants them there (type 2), anonymizers remove them."""
_PATTERNS = {
    "PatientSex": r"[MFO]?", "PatientBirthDate": r"(\d{8}|\d{4}\.\d\d\.\d\d)?",
    "StudyDate": r"(\d{8}|\d{4}\.\d\d\.\d\d)?", "StudyTime": r"([\d:]{2,8}(\.\d{1,6})?)?",
}  # fmt: skip
"""What they may hold."""
_MOST_SERIES_NUMBER = 2**31 - 1 - 10_000
"""What is added to it leads to numbers that are written, below 2^31."""
_INDISPENSABLE = ("StudyInstanceUID", "FrameOfReferenceUID", "SOPInstanceUID", "SOPClassUID")


@dataclass(frozen=True)
class Provenance:
    """What a labelmap was made from, and by what."""

    source: Path
    """The CT: a file, or a folder with a DICOM series."""
    series: str | None
    """UID of the DICOM series, if the folder holds several."""
    model: str
    """Model id."""
    version: str
    """Version of the weights."""
    seg: Literal["labelmap", "binary"] = "labelmap"
    """Kind of DICOM SEG: see write_dicom_seg()."""


def check_installed() -> None:
    """Check that highdicom is there.

    Raises:
        OutputError: It is not; says how to get it.
    """
    if not find_spec("highdicom"):
        raise OutputError(f"DICOM SEG needs highdicom: {how_to_get('dicom')}")


def check_no_image(path: Path) -> None:
    """Check that path is not a slice of a CT, which no result must replace.

    Raises:
        OutputError: A DICOM file that is no result is there.
    """
    from pydicom import dcmread
    from pydicom.errors import InvalidDicomError

    try:
        found = dcmread(path, stop_before_pixels=True, specific_tags=["Modality"])
    except (OSError, InvalidDicomError):
        return
    if found.get("Modality") not in ("SEG", "RTSTRUCT", "SR", "OT", "DOC"):
        raise OutputError(f"{path} is a DICOM image: choose another file name")


def check_series(slices: Sequence[Path]) -> None:
    """Check before the work that a DICOM SEG can refer to a series: one of a voxel is made.

    Raises:
        InputError: The series lacks a UID that a SEG must refer to, or has values that do not do.
    """
    first = [header_of(path) for path in slices][:1]
    voxel = np.zeros((1, first[0].Rows, first[0].Columns), np.uint8)
    voxel[0, 0, 0] = 1
    made = Provenance(slices[0].parent, None, "trial", "0")
    _made(first, voxel, list(LabelSet.plain([1]).organs), made)


def write_dicom_seg(
    labelmap: Labelmap, labels: LabelSet, slices: Sequence[Path], path: Path, made: Provenance
) -> None:
    """Write a DICOM SEG with a segment per organ that is there; wholly or not at all.

    It refers to the series, and says of patient and study what that says. A labelmap (Label Map
    Segmentation Storage, DICOM 2024d) has a run-length coded frame for each slice; the older
    binary kind has one for each slice of each organ, and is understood by more programs.

    Args:
        labelmap: On the grid of the series.
        labels: What the values mean.
        slices: Its DICOM files, one for each plane of labelmap, in order.
        path: Where to write.
        made: For the identification of the algorithm.

    Raises:
        InputError: The series lacks what a SEG must refer to.
        OutputError: No organ is there, or the file cannot be written.
    """
    boxes = boxes_of(labelmap.array)
    present = [organ for organ in labels.organs if boxes[organ.value - 1]]
    if not present:
        raise OutputError(
            f"{path.name} is not written, no organ was found and a DICOM SEG cannot be empty: "
            "look whether this is a CT of the abdomen, or choose .nii.gz"
        )
    numbers = np.zeros(256, np.uint8)
    numbers[[organ.value for organ in present]] = range(1, len(present) + 1)
    headers = [header_of(one) for one in slices]
    found = _made(headers, numbers[labelmap.array], present, made)
    with atomic(path) as temporary:
        found.save_as(temporary)


def _made(
    headers: list[Dataset], numbers: NDArray[np.uint8], present: list[Organ], made: Provenance
) -> Segmentation:
    """Return what _to_seg() gives.

    Raises:
        InputError: Something in the headers does not do.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # they name the patient
            return _to_seg(headers, numbers, present, made)
    except (AttributeError, KeyError, LookupError, TypeError, ValueError) as error:
        raise InputError(
            f"{made.source.name} has headers that a DICOM SEG cannot refer to "
            f"({' '.join(str(error).split())}): export the series again, or choose .nii.gz"
        ) from error


def _to_seg(
    headers: list[Dataset], numbers: NDArray[np.uint8], present: list[Organ], made: Provenance
) -> Segmentation:
    """Return the SEG of an array that holds 1 for the first organ, 2 for the second ..."""
    import highdicom
    from pydicom.uid import ExplicitVRLittleEndian, RLELossless, generate_uid

    algorithm = _algorithm(made)
    is_labelmap = made.seg == "labelmap"
    found = highdicom.seg.Segmentation(
        headers,
        numbers,
        made.seg.upper(),
        [_segment(number, organ, algorithm) for number, organ in enumerate(present, start=1)],
        series_instance_uid=generate_uid(),
        series_number=1000 + int(headers[0].get("SeriesNumber") or 0),
        sop_instance_uid=generate_uid(),
        instance_number=1,
        manufacturer="FlareSeg",
        manufacturer_model_name=made.model,
        software_versions=__version__,
        device_serial_number="0",
        content_label="ORGANS",
        content_description=DISCLAIMER,
        series_description="FlareSeg organs (research use)",
        transfer_syntax_uid=RLELossless if is_labelmap else ExplicitVRLittleEndian,
        omit_empty_frames=not is_labelmap,
    )
    return in_utf8(found)


def header_of(path: Path) -> Dataset:
    """Return a slice without its voxels, with empty elements where anonymizers left gaps."""
    from pydicom import dcmread
    from pydicom.charset import python_encoding

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that a character set is unknown
        header = dcmread(path, stop_before_pixels=True, force=True)
        if not set(_texts(header, "SpecificCharacterSet")) <= python_encoding.keys():
            header.SpecificCharacterSet = "ISO_IR 100"
    missing = [name for name in _INDISPENSABLE if not header.get(name)]
    if missing:
        raise InputError(
            f"{path.name} has no {', '.join(missing)}, which a DICOM SEG must refer to: "
            "export the series again, or choose .nii.gz"
        )
    for name in _MAY_BE_EMPTY:
        if name not in header:
            setattr(header, name, None)
    _blank_words(header)
    return header


def _blank_words(header: Dataset) -> None:
    """Leave empty what anonymizers wrote words into where DICOM wants a code, date or number."""
    for name, pattern in _PATTERNS.items():
        if not re.fullmatch(pattern, "".join(_texts(header, name))):
            setattr(header, name, None)
    number = "".join(_texts(header, "SeriesNumber")) or "0"
    if not re.fullmatch(r"[+-]?\d{1,10}", number) or abs(int(number)) > _MOST_SERIES_NUMBER:
        header.SeriesNumber = None


def _texts(header: Dataset, name: str) -> list[str]:
    """Return the values of an element as they stand; nothing if it has none."""
    from pydicom.datadict import tag_for_keyword
    from pydicom.dataelem import RawDataElement

    found = header.get_item(tag_for_keyword(name) or 0)
    value = found.value if found is not None else None
    if isinstance(found, RawDataElement) and isinstance(value, bytes):
        value = value.decode("ascii", "replace").strip(" \0").split("\\")
    if value is None or value == "":
        return []
    return [str(one) for one in value] if isinstance(value, list) else [str(value)]


def _algorithm(made: Provenance) -> AlgorithmIdentificationSequence:
    import highdicom
    from pydicom.sr.codedict import codes

    return highdicom.AlgorithmIdentificationSequence(
        name=f"FlareSeg {made.model}",
        family=codes.DCM.ArtificialIntelligence,
        version=f"model {made.version}, flareseg {__version__}",
    )


def _segment(
    number: int, organ: Organ, algorithm: AlgorithmIdentificationSequence
) -> SegmentDescription:
    import highdicom

    segment = highdicom.seg.SegmentDescription(
        segment_number=number,
        segment_label=organ.name,
        segmented_property_category=_concept(STRUCTURE_CODE),
        segmented_property_type=_concept((organ.snomed, organ.snomed_meaning)),
        algorithm_type=highdicom.seg.SegmentAlgorithmTypeValues.AUTOMATIC,
        algorithm_identification=algorithm,
        display_color=highdicom.color.CIELabColor.from_rgb(*organ.color),
    )
    if organ.side:
        kind = segment.SegmentedPropertyTypeCodeSequence[0]
        kind.SegmentedPropertyTypeModifierCodeSequence = [_concept(SIDE_CODES[organ.side])]
    return segment


def _concept(code: tuple[str, str]) -> CodedConcept:
    from highdicom.sr import CodedConcept

    concept, meaning = code
    return CodedConcept(concept, "SCT", meaning)
