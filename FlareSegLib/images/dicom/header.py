"""What the header of each DICOM file says, and which files are damaged; read in this process."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk

from FlareSegLib.images.dicom.elements import own_values, says_coded
from FlareSegLib.images.headers.checks import DICOM

_START_BYTES = 1 << 16
"""Of a file, where its elements are looked for."""
CT_CLASSES = (
    "1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.5.1.4.1.1.2.1", "1.2.840.10008.5.1.4.1.1.2.2",
)  # fmt: skip
"""SOP classes of a slice, of an enhanced CT, and of one that was converted from slices."""
_META_CLASS, _CLASS, _SERIES_UID = (0x0002, 0x0002), (0x0008, 0x0016), (0x0020, 0x000E)
_VOXELS = b"\xe0\x7f\x10\0"
_STUB_BYTES = 1024
"""What is smaller and does not say its class may be the rest of a slice."""


@dataclass(frozen=True)
class Slice:
    """What the header of one file says."""

    path: Path
    series: str
    description: str
    modality: str
    size: tuple[int, ...]
    position_mm: tuple[float, ...]
    """World position (L, P, S) of the first voxel; empty if missing."""
    axes: tuple[float, ...]
    """Unit vectors along a row and along a column; empty if missing."""
    is_whole: bool = True
    """False: it is a slice of a CT by its class, but cannot be read, or voxels are missing."""
    is_image: bool = True
    """False: a report, a presentation state and the like; only its class is known."""
    sop_class: str = ""
    instance: str = ""
    """SOP instance UID."""
    spacing_mm: tuple[float, ...] = ()
    """Between rows and between columns; empty if there are not two positive numbers."""
    spacing_text: str = ""
    """As it stands."""
    photometric: str = ""
    rescale: str = ""
    """Slope and intercept, as they stand."""
    times: tuple[str, ...] = ("", "", "")
    """Acquisition number, temporal position, acquisition time: they tell phases apart."""
    stack: str = ""
    """Name of the stack that a frame is in."""
    frame: int | None = None
    """Index in a file that holds all slices; None: the file is the slice."""


def image_of(paths: Sequence[Path], *, is_mixed: bool = False) -> sitk.Image:
    """Return the volume in these slices, or in one file of frames, read here.

    Args:
        paths: In order.
        is_mixed: Their rescale differs: the type of the first does not hold the values of all.
    """
    if len(paths) == 1:
        return sitk.ReadImage(str(paths[0]), imageIO=DICOM)
    reader = sitk.ImageSeriesReader()
    if is_mixed:
        reader.SetOutputPixelType(sitk.sitkFloat32)
    reader.SetImageIO(DICOM)
    reader.SetFileNames([str(one) for one in paths])
    return reader.Execute()


def read_headers(paths: Sequence[Path]) -> list[Slice]:
    """Return the headers of files, read here; of what is no image (reports, plans), its class."""
    slices = []
    for path in paths:
        reader = sitk.ImageFileReader()
        reader.SetImageIO(DICOM)
        reader.SetFileName(str(path))
        try:
            reader.ReadImageInformation()
            slices.append(_header(path, reader))
        except (RuntimeError, MemoryError):
            slices += _broken(path)
    return slices


def _broken(path: Path) -> list[Slice]:
    """Return a file that cannot be read: a damaged slice if its own class is that of a CT."""
    own = own_values(path, (_META_CLASS, _CLASS, _SERIES_UID))
    sop_class = own.get(_CLASS) or own.get(_META_CLASS) or ""
    is_stub = not sop_class and path.suffix.lower() == ".dcm" and path.stat().st_size < _STUB_BYTES
    series = own.get(_SERIES_UID, "")
    if sop_class in CT_CLASSES or is_stub:
        return [Slice(path, series, "damaged", "CT", (), (), (), is_whole=False)]
    return [
        Slice(path, series, "", "", (), (), (), is_whole=False, is_image=False, sop_class=sop_class)
    ]


def to_slice(facts: dict[str, Any]) -> Slice:
    """Return a header that was read apart: JSON knows neither paths nor tuples."""
    values: dict[str, Any] = {
        key: tuple(value) if isinstance(value, list) else value for key, value in facts.items()
    }
    return Slice(**{**values, "path": Path(facts["path"])})


def to_numbers(text: str) -> tuple[float, ...]:
    """Return the numbers in a value; none if one of them is no number."""
    try:
        found = tuple(float(part) for part in text.split("\\"))
    except ValueError:
        return ()
    return found if np.isfinite(found).all() else ()


def to_spacing(text: str) -> tuple[float, ...]:
    """Return the two positive numbers of a spacing, also with decimal commas; else none."""
    found = to_numbers(text.replace(",", "."))
    return found if len(found) == 2 and min(found) > 0 else ()


def _header(path: Path, reader: sitk.ImageFileReader) -> Slice:
    def text(tag: str) -> str:
        value = reader.GetMetaData(tag) if reader.HasMetaDataKey(tag) else ""
        return str(value).encode("ascii", "replace").decode().strip(" \0")

    def numbers(tag: str) -> tuple[float, ...]:
        return to_numbers(text(tag))

    return Slice(
        path,
        series=text("0020|000e"),
        description=text("0008|103e") or "no description",
        modality=text("0008|0060"),
        size=tuple(reader.GetSize()),
        position_mm=numbers("0020|0032"),
        axes=numbers("0020|0037"),
        is_whole=_is_whole(path, reader, numbers("0028|0100")),
        sop_class=text("0008|0016"),
        instance=text("0008|0018"),
        spacing_mm=to_spacing(text("0028|0030")),
        spacing_text=text("0028|0030"),
        photometric=text("0028|0004"),
        rescale=f"{text('0028|1053')} {text('0028|1052')}",
        times=(text("0020|0012"), text("0020|0100"), text("0008|0032")),
    )


def _is_whole(path: Path, reader: sitk.ImageFileReader, bits: tuple[float, ...]) -> bool:
    """Return whether no voxel is missing, as far as can be told: SimpleITK 2.5.0 fills up gaps.

    The voxels of a file that is not coded stand behind their tag and length.
    """
    with path.open("rb") as file:
        start = file.read(_START_BYTES)
        found = os.fstat(file.fileno()).st_size
    if says_coded(start):
        return True
    count = int(math.prod(reader.GetSize()) * next(iter(bits), 0.0)) // 8
    if count > found:
        return False
    for length in (count, count + count % 2):
        size = length.to_bytes(4, "little")
        for element in (b"OW\0\0" + size, b"OB\0\0" + size, size):
            at = start.find(_VOXELS + element)
            if at >= 0:
                return found >= at + len(_VOXELS + element) + count
    return True
