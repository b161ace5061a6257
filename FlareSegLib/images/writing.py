"""Write a labelmap, wholly or not at all."""

from __future__ import annotations

import errno
import shutil
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from FlareSegLib.base.atomic import atomic, check_place
from FlareSegLib.base.errors import InputError, OutputError
from FlareSegLib.base.geometry import Box, Grid, Labelmap
from FlareSegLib.base.job import EXTENSIONS
from FlareSegLib.base.labels import LabelSet
from FlareSegLib.base.runs import boxes_of
from FlareSegLib.images.dicom.rtstruct import check_straight, write_rtstruct
from FlareSegLib.images.dicom.seg import (
    Provenance,
    check_installed,
    check_no_image,
    check_series,
    write_dicom_seg,
)
from FlareSegLib.images.dicom.series import may_hold_series, slice_paths
from FlareSegLib.images.headers.checks import NIFTI
from FlareSegLib.images.nifti_labelmap import write_nifti
from FlareSegLib.images.reading import last_line
from FlareSegLib.images.safe_read import check_header, check_whole
from FlareSegLib.images.seg_nrrd import segment_fields

DICOM_SEG = ".dcm"
"""Extension of a labelmap that refers to a DICOM series."""
RTSTRUCT = ".rtstruct.dcm"
"""Extension of contours that refer to a DICOM series."""

_KNOWN = ", ".join(EXTENSIONS)


def check_writable(path: Path, source: Path | None = None) -> None:
    """Check before the work that a labelmap can be written at path; leaves nothing behind.

    Args:
        path: Where it shall go.
        source: The CT that it is made from; a DICOM SEG needs one that is DICOM.

    Raises:
        OutputError: The extension is unknown or not for this CT, or the place is not for writing.
    """
    if _is_dicom_seg(path):
        if source is None or not may_hold_series(source):
            raise OutputError(
                f"{path} cannot be written: it refers to a DICOM series, which "
                f"{source.name if source else 'no input'} is not: use one of {_KNOWN}"
            )
        check_installed()
        check_no_image(path)
    elif not str(path).lower().endswith(EXTENSIONS):
        raise OutputError(
            f"{path} has an extension that cannot be written: use one of {_KNOWN}, "
            f"or {DICOM_SEG} for DICOM input"
        )
    check_place(path)


def check_source(path: Path, source: Path, series: str | None) -> None:
    """Check before the work that what is written at path can refer to the CT, if it has to.

    Raises:
        InputError: The DICOM series lacks what a DICOM SEG must refer to.
    """
    if _is_dicom_seg(path):
        check_series(slice_paths(source, series))


def check_grid(path: Path, grid: Grid) -> None:
    """Check before the work that what is written at path can tell of a grid.

    Raises:
        InputError: It is contours, and the slices are oblique.
    """
    if _is_rtstruct(path):
        check_straight(grid)


def write_labelmap(
    labelmap: Labelmap,
    path: Path,
    made: Provenance | None = None,
    labels: LabelSet | None = None,
) -> None:
    """Write a labelmap, compressed, uint8, on its own grid; wholly or not at all.

    .seg.nrrd gets names, colors and codes for 3D Slicer; .dcm is a DICOM SEG and needs made.

    Args:
        labelmap: Organ values.
        path: Its extension sets the format.
        made: From what and by what.
        labels: What the values mean; None: segments are named after their values.

    Raises:
        OutputError: It cannot be written; says why and what to do.
    """
    path = Path(path)
    check_writable(path, made.source if made else None)
    known = labels or LabelSet.plain(range(256))
    if made and _is_rtstruct(path):
        slices = slice_paths(made.source, made.series)
        write_rtstruct(labelmap, slices, path, made, known.organs)
    elif made and _is_dicom_seg(path):
        write_dicom_seg(labelmap, known, slice_paths(made.source, made.series), path, made)
    else:
        _write_image(labelmap, known, path)


def _write_image(labelmap: Labelmap, labels: LabelSet, path: Path) -> None:
    image = to_image(labelmap)
    if path.name.lower().endswith(".seg.nrrd"):
        for key, value in segment_fields(_boxes(labelmap), labels).items():
            image.SetMetaData(key, value)
    with atomic(path) as temporary:
        try:
            if _is_nifti(temporary) and labelmap.grid.nifti:
                write_nifti(labelmap, temporary)
            else:
                sitk.WriteImage(image, str(temporary), useCompression=True)
            if _is_nifti(temporary):
                check_whole(
                    check_header(temporary, NIFTI), temporary.name
                )  # ITK does not notice a full disk here
        except (RuntimeError, InputError) as error:
            has_room = shutil.disk_usage(temporary.parent).free > labelmap.array.size
            raise OSError(errno.EIO if has_room else errno.ENOSPC, last_line(str(error))) from error


def _is_nifti(path: Path) -> bool:
    return path.name.lower().endswith((".nii", ".nii.gz"))


def _is_rtstruct(path: Path) -> bool:
    return path.name.lower().endswith(RTSTRUCT)


def _is_dicom_seg(path: Path) -> bool:
    return path.suffix.lower() == DICOM_SEG


def to_image(labelmap: Labelmap) -> sitk.Image:
    """Return a labelmap as a SimpleITK image of uint8."""
    grid = labelmap.grid
    image = sitk.GetImageFromArray(np.ascontiguousarray(labelmap.array, dtype=np.uint8))
    image.SetSpacing(grid.spacing_mm[::-1])
    image.SetOrigin(grid.origin)
    image.SetDirection(np.array(grid.direction)[::-1].T.ravel().tolist())
    return image


def _boxes(labelmap: Labelmap) -> dict[int, Box]:
    """Return the bounding box of each label value."""
    edges = enumerate(boxes_of(labelmap.array), start=1)
    return {value: Box.of(box) for value, box in edges if box}
