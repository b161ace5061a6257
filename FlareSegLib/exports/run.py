"""Write the extras that a job asks for: the only file that knows which there are."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from FlareSegLib.base.errors import OutputError
from FlareSegLib.base.extras import how_to_get
from FlareSegLib.base.geometry import Labelmap
from FlareSegLib.base.job import Job
from FlareSegLib.base.labels import Organ
from FlareSegLib.exports import dicom_documents, dicom_sr, meshes, names, page, split
from FlareSegLib.images.dicom.seg import Provenance
from FlareSegLib.images.dicom.series import may_hold_series, series_paths, slice_paths
from FlareSegLib.images.writing import DICOM_SEG, RTSTRUCT
from FlareSegLib.reporting import preview
from FlareSegLib.reporting.report import Report


@dataclass(frozen=True)
class Made:
    """What a run has, from which extras are made."""

    labelmap: Labelmap
    """On the grid of the CT."""
    organs: Sequence[Organ]
    """What its values mean."""
    report: Report
    provenance: Provenance
    title: str
    draw: Callable[[Path], None]
    """Writes the preview."""


def check(job: Job) -> None:
    """Check before the work what would make the extras of a job fail.

    Raises:
        OutputError: A package is missing, or an extra does not fit to input or labelmap.
    """
    wanted = set(job.extras)
    if wanted & set(meshes.FORMATS):
        meshes.check_installed()
    if wanted & {"pdf", "sc"}:
        preview.check_installed()
    if wanted & {"sr", "sc"} and not find_spec("highdicom"):
        raise OutputError(f"--sr and --sc need highdicom: {how_to_get('dicom')}")
    if "sr" in wanted and not _is_seg(job.labelmap):
        raise OutputError(
            f"--sr refers to a DICOM SEG, which {job.labelmap.name} is not: let OUT end in .dcm"
        )
    if "sc" in wanted and not may_hold_series(job.source):
        raise OutputError(
            f"--sc belongs to a DICOM study, which {job.source.name} is not: take --preview"
        )


def _is_seg(path: Path) -> bool:
    name = path.name.lower()
    return name.endswith(DICOM_SEG) and not name.endswith(RTSTRUCT)


def write(job: Job, made: Made) -> None:
    """Write the extras of a job, the labelmap being there already.

    Raises:
        OutputError: A file cannot be written.
        InputError: Headers of the DICOM series do not do.
    """
    labelmap, organs = made.labelmap, made.organs
    for kind, paths in job.extra_paths.items():
        if kind in meshes.FORMATS:
            meshes.write_meshes(labelmap, organs, paths[0], kind)
        elif kind == "split":
            split.write_split(labelmap, organs, paths[0])
        elif kind == "names":
            names.write_bids(organs, paths[0])
            names.write_itksnap(organs, paths[1])
        else:
            _write_document(kind, paths[0], job, made)


def _write_document(kind: str, path: Path, job: Job, made: Made) -> None:
    if kind == "sr":
        slices = slice_paths(job.source, job.series)
        rows = made.report.organs
        dicom_sr.write_sr(rows, made.organs, slices, job.labelmap, path, made.provenance)
        return
    with tempfile.TemporaryDirectory(prefix="flareseg-") as folder:
        picture = Path(folder, "preview.png")
        made.draw(picture)
        if kind == "sc":
            slices = series_paths(job.source, job.series)
            dicom_documents.write_capture(picture, slices[len(slices) // 2], path)
            return
        is_dicom = path.suffix == ".dcm"
        pdf = Path(folder, "page.pdf") if is_dicom else path
        page.write_pdf(made.report, picture, made.title, pdf)
        if is_dicom:
            slices = series_paths(job.source, job.series)
            dicom_documents.write_document(pdf, slices[0], path)
