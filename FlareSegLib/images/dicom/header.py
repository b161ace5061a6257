"""What the header of each DICOM file says, and which files are damaged; read in this process."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk

from FlareSegLib.images.dicom.elements import is_coded
from FlareSegLib.images.headers.checks import DICOM

_START_BYTES = 1 << 16
"""Of a file, where its elements are looked for."""
_CT_STORAGE = b"1.2.840.10008.5.1.4.1.1.2"
"""SOP classes of CT begin so."""
_SERIES_UID, _VOXELS = b"\x20\0\x0e\0", b"\xe0\x7f\x10\0"


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
    tilt_deg: float
    is_whole: bool = True
    """False: it starts as a slice of a CT, but cannot be read, or voxels are missing."""


def image_of(paths: Sequence[Path]) -> sitk.Image:
    """Return the volume in these slices, read here."""
    reader = sitk.ImageSeriesReader()
    reader.SetImageIO(DICOM)
    reader.SetFileNames([str(one) for one in paths])
    return reader.Execute()


def read_headers(paths: Sequence[Path]) -> list[Slice]:
    """Return the headers of those files that are images, read here; reports and plans are not."""
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
    """Return a file that cannot be read as a slice, if it starts as one of a CT or is a stub."""
    with path.open("rb") as file:
        start = file.read(_START_BYTES)
    if b"\x08\0\x60\0CS" in start and not _says_ct(start):
        return []  # a plan or a report, which names the slices of its CT
    if _CT_STORAGE not in start and not (path.suffix.lower() == ".dcm" and len(start) < 132):
        return []
    after = start.partition(_SERIES_UID)[2]
    size = after[2:4] if after[:2] == b"UI" else after[:4]  # explicit or implicit VR
    count = int.from_bytes(size, "little")
    series = after[4 : 4 + count].rstrip(b"\0 ").decode("ascii", "replace")
    return [Slice(path, series, "damaged", "CT", (), (), (), 0.0, is_whole=False)]


def _says_ct(start: bytes) -> bool:
    """Return whether the modality of a file with explicit VRs is CT."""
    after = start.partition(b"\x08\0\x60\0CS")[2]
    return after[2 : 2 + int.from_bytes(after[:2], "little")].strip() == b"CT"


def to_slice(facts: dict[str, Any]) -> Slice:
    """Return a header that was read apart: JSON knows neither paths nor tuples."""
    values: dict[str, Any] = {
        key: tuple(value) if isinstance(value, list) else value for key, value in facts.items()
    }
    return Slice(**{**values, "path": Path(facts["path"])})


def _header(path: Path, reader: sitk.ImageFileReader) -> Slice:
    def text(tag: str) -> str:
        value = reader.GetMetaData(tag) if reader.HasMetaDataKey(tag) else ""
        return str(value).encode("ascii", "replace").decode().strip(" \0")

    def numbers(tag: str) -> tuple[float, ...]:
        try:
            found = tuple(float(part) for part in text(tag).split("\\"))
        except ValueError:
            return ()
        return found if np.isfinite(found).all() else ()

    return Slice(
        path,
        series=text("0020|000e"),
        description=text("0008|103e") or "no description",
        modality=text("0008|0060"),
        size=tuple(reader.GetSize()),
        position_mm=numbers("0020|0032"),
        axes=numbers("0020|0037"),
        tilt_deg=next(iter(numbers("0018|1120")), 0.0),
        is_whole=_is_whole(path, reader, numbers("0028|0100")),
    )


def _is_whole(path: Path, reader: sitk.ImageFileReader, bits: tuple[float, ...]) -> bool:
    """Return whether no voxel is missing, as far as can be told: SimpleITK 2.5.0 fills up gaps.

    The voxels of a file that is not coded stand behind their tag and length.
    """
    if is_coded(path):
        return True
    count = int(math.prod(reader.GetSize()) * next(iter(bits), 0.0)) // 8
    if count > path.stat().st_size:
        return False
    with path.open("rb") as file:
        start = file.read(_START_BYTES)
    for length in (count, count + count % 2):
        size = length.to_bytes(4, "little")
        for element in (b"OW\0\0" + size, b"OB\0\0" + size, size):
            at = start.find(_VOXELS + element)
            if at >= 0:
                return path.stat().st_size >= at + len(_VOXELS + element) + count
    return True
