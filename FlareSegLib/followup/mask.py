"""Measure a mask that a person has edited, or that comes from another program: the same report."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from FlareSegLib.base.labels import LabelSet
from FlareSegLib.images.origin import origin
from FlareSegLib.images.privacy import hiding, shown_name
from FlareSegLib.images.reading import read_labelmap, read_volume
from FlareSegLib.images.regrid import on_grid
from FlareSegLib.measuring.measure import measure
from FlareSegLib.reporting.report import Report, grid_facts, versions


@dataclass(frozen=True)
class MaskJob:
    """A CT and what was marked in it."""

    ct: Path
    """Image file, or folder with a DICOM series."""
    mask: Path
    """Labelmap: NIfTI, NRRD or MHA."""
    labels: LabelSet
    """What its values mean."""
    report: Path
    """Where the report will be."""
    series: str | None = None
    """UID of the DICOM series."""
    keep_ids: bool = False
    """Do not hide what DICOM files say of the patient."""


def measure_mask(job: MaskJob) -> Report:
    """Return the report of a mask: volumes, HU, flags, as of a run of FlareSeg.

    A mask on another grid, such as one that an editor has cropped, is put on that of the CT, the
    nearest voxel counting.

    Raises:
        InputError: A file cannot be read, or the mask lies outside of the CT.
    """
    with hiding(job.ct, job.series, keep_ids=job.keep_ids):
        volume = read_volume(job.ct, series=job.series)
    mask = read_labelmap(job.mask)
    warnings = []
    if not mask.grid.is_like(volume.grid):
        mask = on_grid(mask, volume.grid, job.mask.name)
        warnings.append(f"{job.mask.name} lay on another grid: the nearest voxels were measured")
    unknown = sorted(set(np.unique(mask.array).tolist()) - {0} - set(job.labels.by_value))
    if unknown:
        warnings.append(f"values {unknown} mean no organ: they were left out")
    found = measure(mask, volume, job.labels)
    name = job.ct.name if job.keep_ids else shown_name(job.ct, job.series)
    facts = {
        "input": name,
        "source": origin(job.ct, job.series, job.report, keep_ids=job.keep_ids),
        "mask": job.mask.name,
        "grid": grid_facts(volume.grid),
        "versions": versions(),
    }
    return Report(found.organs, facts, tuple(warnings), derived=found.derived)
