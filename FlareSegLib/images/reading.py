"""Read a CT or a labelmap: the only file that opens images (dicom/ for DICOM).

What read_volume() lets through is a CT that all later steps can trust; the rest ends here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from FlareSegLib.base.errors import FlareSegError, InputError, ResourceError
from FlareSegLib.base.geometry import Grid, Labelmap, Volume
from FlareSegLib.base.paths import is_text
from FlareSegLib.images.archive import unzipped
from FlareSegLib.images.checked import checked, skewed
from FlareSegLib.images.dicom.series import read_series
from FlareSegLib.images.headers.checks import (
    DICOM,
    NIFTI,
    USABLE,
    Header,
    check_regular,
    image_format,
)
from FlareSegLib.images.itk_header import itk_header
from FlareSegLib.images.made_even import made_even
from FlareSegLib.images.safe_read import (
    FORMATS,
    Mark,
    check_header,
    check_whole,
    is_for_unpacked,
    mark_of,
    read_here,
    unchanged,
    unpacked,
)


def read_volume(
    path: Path, *, series: str | None = None, hu_offset: float = 0.0, modality: str = "CT"
) -> Volume:
    """Return the CT in a file or in a folder with a DICOM series, checked.

    The array is int16 if its values are whole numbers in that range, else float32.

    Args:
        path: .nii, .nii.gz, .nrrd, .mha, .mhd, a folder of DICOM files, one file of a series, or
            a zip file of one of these.
        series: UID of the DICOM series; needed if the folder holds several.
        hu_offset: Added to every voxel; -1024 cures files that hold HU + 1024.
        modality: What the model takes; only of CT it is checked that values are HU.

    Raises:
        InputError: It is not a CT that can be segmented; says what, the value and the cure.
        ResourceError: It does not fit into memory.
    """
    path = Path(path)
    name = path.name or str(path)
    with _readable_errors(name), unzipped(path) as found:
        volume = _open(found, series, modality)
    return checked(volume, name, hu_offset, modality)


def look(path: Path) -> tuple[Header, Grid, tuple[str, ...], Mark] | None:
    """Return what is known of a CT before its voxels, if safe_read.unpacked() may return those.

    That is header, grid, warnings, and the mark of the file. None: other inputs, and whatever is
    wrong with this one; read_volume() says what.
    """
    with suppress(FlareSegError), _readable_errors(path.name), unchanged(path):
        if path.is_file() and is_text(path) and image_format(path) == NIFTI:
            header, _, _, grid, said = _opened(path, NIFTI)
            return (header, grid, said, mark_of(path)) if is_for_unpacked(header) else None
    return None


def read_labelmap(path: Path) -> Labelmap:
    """Return the labelmap in an image file; any grid, any values from 0 to 255.

    Raises:
        InputError: It is no labelmap; says what, the value and the cure.
        ResourceError: It does not fit into memory.
    """
    path = Path(path)
    with _readable_errors(path.name):
        check_regular(path)
        format_name = image_format(path)
        if format_name not in FORMATS:
            raise InputError(f"{path.name} is no labelmap: give a NIfTI, NRRD or MHA file")
        volume = _read_file(path, format_name)
    with np.errstate(invalid="ignore"):
        labels = volume.array.astype(np.uint8)
    if volume.array.dtype == np.uint8:
        return Labelmap(labels, volume.grid)
    wrong = volume.array[labels != volume.array]
    if wrong.size:
        raise InputError(
            f"{path.name} has the value {wrong[0]:g}: a labelmap has whole numbers from 0 to 255, "
            "give the labelmap, not the CT or probabilities"
        )
    return Labelmap(labels, volume.grid)


def to_volume(image: sitk.Image) -> Volume:
    """Return a 3-D SimpleITK image as a Volume; the voxels are shared, not copied."""
    return Volume(np.asarray(_Voxels(image)), _to_grid(image))


def _to_grid(image: sitk.Image | sitk.ImageFileReader) -> Grid:
    """Return the grid of the first three axes."""
    axes = image.GetDimension()
    columns = np.array(image.GetDirection()).reshape(axes, axes)[:3, :3].T[::-1]
    direction = tuple(tuple(float(v) for v in row) for row in columns)
    z, y, x = image.GetSize()[2::-1]
    return Grid((z, y, x), image.GetSpacing()[2::-1], image.GetOrigin()[:3], direction)  # type: ignore[arg-type]


class _Voxels:
    """The voxels of an image for np.asarray(), which keeps this and so the image alive."""

    def __init__(self, image: sitk.Image) -> None:
        self._image = image
        facts = dict(sitk.GetArrayViewFromImage(image).__array_interface__)
        facts["data"] = (facts["data"][0], False)
        self.__array_interface__ = facts


@contextmanager
def _readable_errors(name: str) -> Iterator[None]:
    """Make one line of ITK's errors, and keep its warnings off stderr."""
    warnings_shown = sitk.ProcessObject.GetGlobalWarningDisplay()
    sitk.ProcessObject.SetGlobalWarningDisplay(False)
    try:
        yield
    except (RuntimeError, OSError) as error:
        raise _reading_failed(name, str(error)) from error
    finally:
        sitk.ProcessObject.SetGlobalWarningDisplay(warnings_shown)


def _open(path: Path, series: str | None, modality: str) -> Volume:
    """Return the 3-D image at path, not yet checked for what it shows."""
    is_folder = path.is_dir()
    if not is_folder:
        check_regular(path)
    if not is_text(path):
        raise InputError(f"{path} is no UTF-8 text: rename file or folder")
    format_name = DICOM if is_folder else image_format(path)
    if format_name == DICOM:
        image, said = read_series(path, series, modality)
        return replace(to_volume(image), warnings=said)
    if format_name not in FORMATS:
        kind = "unknown or damaged" if format_name == "unknown" else format_name
        raise InputError(f"{path.name} is no CT (format {kind}): {USABLE}")
    uid, _, frame = (series or "").partition("#")
    if uid:
        raise InputError(f"{path.name} is no DICOM folder but --series is {uid}: leave it out")
    with unchanged(path):
        return _read_file(path, format_name, frame)


def _read_file(path: Path, format_name: str, frame: str = "") -> Volume:
    """Return the image in a file that was found plain; see _opened()."""
    header, reader, at, grid, said = _opened(path, format_name, frame)
    return Volume(_voxels(header, format_name, reader, at), grid, said)


def _opened(
    path: Path, format_name: str, frame: str = ""
) -> tuple[Header, sitk.ImageFileReader, int, Grid, tuple[str, ...]]:
    """Return header, reader, index of the frame, grid and warnings of a file.

    ITK is told its format, tries no other.

    Args:
        path: The file.
        format_name: What ITK calls its reader.
        frame: Number, from 1, of the volume in a 4-D file; empty if there is only one.
    """
    header = check_header(path, format_name)
    reader = itk_header(path, format_name, header.stand_in)
    kind = sitk.GetPixelIDValueAsString(reader.GetPixelIDValue())
    if "complex" in kind or "vector" in kind:
        raise InputError(
            f"{path.name} has pixels of type {kind} (a color or vector image): {USABLE}"
        )
    size = reader.GetSize()
    extent = " x ".join(str(length) for length in size)
    if len(size) < 3 or any(length > 1 for length in size[4:]):
        what = "2-D" if len(size) < 3 else f"{len(size)}-D"
        raise InputError(f"{path.name} is {what} ({extent}): give one 3-D volume")
    at = _frame(frame, size, path.name)
    if format_name == NIFTI:
        check_whole(header, path.name)
    grid = replace(_to_grid(reader), nifti=header.geometry)
    said = (*header.warnings, *(made_even(path) if format_name == NIFTI else ()))
    return header, reader, at, grid, said


def _frame(number: str, size: tuple[int, ...], name: str) -> int:
    """Return the index of the frame that is asked for."""
    count = size[3] if len(size) > 3 else 1
    if count == 1 and number in ("", "1"):
        return 0
    if not (number.isdecimal() and 1 <= int(number) <= count):
        extent = " x ".join(str(length) for length in size)
        asked = f" and has no frame {number}" if number else ""
        raise InputError(
            f"{name} is {len(size)}-D ({extent}){asked}: pass --frame N, from 1 to {count}"
            if count > 1
            else f"{name} is one volume{asked}: leave --frame out"
        )
    return int(number) - 1


def _voxels(
    header: Header, format_name: str, reader: sitk.ImageFileReader, frame: int
) -> NDArray[Any]:
    """Return the voxels (z, y, x) of a frame of a file, read here or by ITK."""
    if header.scale:
        return read_here(header, frame)
    if format_name == NIFTI and (voxels := unpacked(header)) is not None:
        return voxels
    size = reader.GetSize()
    if len(size) > 3:
        reader.SetExtractSize([*size[:3], *[0] * (len(size) - 3)])
        reader.SetExtractIndex([0, 0, 0, frame, *[0] * (len(size) - 4)])
    return to_volume(reader.Execute()).array


def _reading_failed(name: str, text: str) -> InputError | ResourceError:
    """Return the error that says in one line what ITK says in many."""
    if "allocate memory" in text:
        return ResourceError(f"{name} does not fit into memory: close programs, or crop the CT")
    if "orthonormal" in text or "determinant" in text:
        return skewed(name)
    if "Zero-valued spacing" in text:
        return InputError(f"{name} has a voxel spacing of 0 mm: correct its header")
    return InputError(
        f"{name} cannot be read ({last_line(text)}): the file is cut off or damaged, "
        "copy or download it again"
    )


def last_line(text: str) -> str:
    """Return the last line of a message of ITK, which holds the reason; no pointers, no folders."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    last = re.sub(r"(ITK ERROR: )?\w+\(0x[0-9a-fA-F]+\): ", "", lines[-1]) if lines else ""
    return re.sub(r"(?<!\S)['\"]?/(?:[^/]*/)+", "", last)[:120] or "no reason given"
