"""Volumes and HU as a DICOM structured report (TID 1500) that refers to the DICOM SEG."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from FlareSegLib import __version__
from FlareSegLib.base.atomic import atomic
from FlareSegLib.base.errors import InputError
from FlareSegLib.base.labels import SIDE_CODES, Organ
from FlareSegLib.images.dicom.objects import in_utf8
from FlareSegLib.images.dicom.seg import Provenance, header_of
from FlareSegLib.measuring.rows import OrganRow

if TYPE_CHECKING:
    from highdicom.sr import (
        FindingSite,
        Measurement,
        MeasurementReport,
        ReferencedSegment,
        VolumetricROIMeasurementsAndQualitativeEvaluations,
    )
    from pydicom import Dataset

OBSERVER_UID = "2.25.307460923846329467293845610928374651029"
"""Names FlareSeg as the device that observes: the same in all reports."""
HOUNSFIELD = "[hnsf'U]"


def write_sr(
    rows: Sequence[OrganRow],
    organs: Sequence[Organ],
    slices: Sequence[Path],
    seg: Path,
    path: Path,
    made: Provenance,
) -> None:
    """Write volumes and HU of the organs that the SEG has; wholly or not at all.

    Args:
        rows: Of the report.
        organs: What the values mean.
        slices: DICOM files of the series.
        seg: The DICOM SEG, written already.
        path: Where to write.
        made: Model and version.

    Raises:
        InputError: The headers of the series do not do.
        OutputError: It cannot be written.
    """
    from pydicom import dcmread

    segmentation = dcmread(seg)
    headers = [header_of(one) for one in slices]
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # they name the patient
            found = _to_sr(rows, organs, headers, segmentation, made)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise InputError(
            f"{slices[0].parent.name} has headers that a DICOM SR cannot refer to "
            f"({' '.join(str(error).split())}): leave out --sr"
        ) from error
    with atomic(path) as temporary:
        in_utf8(found).save_as(temporary)


def _to_sr(
    rows: Sequence[OrganRow],
    organs: Sequence[Organ],
    headers: list[Dataset],
    segmentation: Dataset,
    made: Provenance,
) -> Dataset:
    import highdicom
    from pydicom.uid import generate_uid

    numbers = {one.SegmentLabel: one.SegmentNumber for one in segmentation.SegmentSequence}
    by_key = {organ.key: organ for organ in organs}
    groups = [
        _group(row, by_key[row.key], numbers[row.name], segmentation, headers, made)
        for row in rows
        if row.components and row.name in numbers
    ]
    return highdicom.sr.Comprehensive3DSR(
        evidence=[*headers, segmentation],
        content=_report(groups, made),
        series_number=3000 + int(headers[0].get("SeriesNumber") or 0),
        series_instance_uid=generate_uid(),
        sop_instance_uid=generate_uid(),
        instance_number=1,
        manufacturer="FlareSeg",
        series_description="FlareSeg measurements (research use)",
        is_complete=True,
        is_verified=False,
    )


def _report(
    groups: list[VolumetricROIMeasurementsAndQualitativeEvaluations], made: Provenance
) -> MeasurementReport:
    from highdicom import sr
    from pydicom.sr.codedict import codes

    device = sr.DeviceObserverIdentifyingAttributes(
        uid=OBSERVER_UID, name="FlareSeg", manufacturer_name="FlareSeg", model_name=made.model
    )
    observer = sr.ObserverContext(
        observer_type=codes.DCM.Device, observer_identifying_attributes=device
    )
    return sr.MeasurementReport(
        observation_context=sr.ObservationContext(observer_device_context=observer),
        procedure_reported=sr.CodedConcept("77477000", "SCT", "CT of unspecified body region"),
        imaging_measurements=groups,
        title=codes.DCM.ImagingMeasurementReport,
    )


def _group(
    row: OrganRow,
    organ: Organ,
    number: int,
    segmentation: Dataset,
    headers: list[Dataset],
    made: Provenance,
) -> VolumetricROIMeasurementsAndQualitativeEvaluations:
    from highdicom import sr
    from pydicom.uid import generate_uid

    return sr.VolumetricROIMeasurementsAndQualitativeEvaluations(
        tracking_identifier=sr.TrackingIdentifier(uid=generate_uid(), identifier=organ.name),
        referenced_segment=_segment(number, segmentation, headers),
        finding_type=sr.CodedConcept("123037004", "SCT", "Anatomical structure"),
        finding_sites=[_site(organ)],
        measurements=_measurements(row, _algorithm(made)),
    )


def _algorithm(made: Provenance) -> object:
    from highdicom import sr

    version = f"model {made.version}, flareseg {__version__}"
    return sr.AlgorithmIdentification(name=f"FlareSeg {made.model}", version=version)


def _segment(number: int, segmentation: Dataset, headers: list[Dataset]) -> ReferencedSegment:
    from highdicom import sr

    return sr.ReferencedSegment(
        sop_class_uid=segmentation.SOPClassUID,
        sop_instance_uid=segmentation.SOPInstanceUID,
        segment_number=number,
        source_series=sr.SourceSeriesForSegmentation(headers[0].SeriesInstanceUID),
    )


def _site(organ: Organ) -> FindingSite:
    from highdicom import sr

    side = sr.CodedConcept(SIDE_CODES[organ.side][0], "SCT", organ.side) if organ.side else None
    code = sr.CodedConcept(organ.snomed, "SCT", organ.snomed_meaning)
    return sr.FindingSite(anatomic_location=code, laterality=side)


def _measurements(row: OrganRow, algorithm: object) -> list[Measurement]:
    from highdicom import sr
    from pydicom.sr.codedict import codes

    hu = sr.CodedConcept("112031", "DCM", "Attenuation Coefficient")
    kinds = [
        (codes.SCT.Volume, row.volume_ml, sr.CodedConcept("ml", "UCUM", "Milliliter"), None),
        (hu, row.mean_hu, sr.CodedConcept(HOUNSFIELD, "UCUM", "Hounsfield unit"), codes.SCT.Mean),
    ]
    return [
        sr.Measurement(
            name=name,
            value=round(float(value), 3),
            unit=unit,
            derivation=derivation,
            algorithm_id=algorithm,
        )
        for name, value, unit, derivation in kinds
        if value is not None
    ]
