"""Look at the header of an image file, with strict limits, before ITK opens the file.

ITK's readers were made for honest files: fuzzing ended the process in its MetaImage reader, and a
header may name any other file or promise more voxels than there is memory. What check_header()
lets through is plain: known fields, finite numbers, data that is all there, in a file beside it.
"""

from __future__ import annotations

import gzip
import math
import os
import stat
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, NoReturn

from FlareSegLib.base.errors import InputError, ResourceError
from FlareSegLib.base.resources import free_mib

DICOM, NIFTI, NRRD, META = "GDCMImageIO", "NiftiImageIO", "NrrdImageIO", "MetaImageIO"
"""What ITK calls the readers that may be used."""
ZIP = "ZIP"
USABLE = "give a CT as NIfTI, NRRD or MHA file, or a folder with a DICOM series"
MOST_AXES = 7
MOST_PACKED = 1032
"""Bytes that one byte of a gzip or zlib file can stand for (zlib.net, technical details)."""
COPY = "copy or download it again"
START_BYTES = 540
"""Of a file, where the header of NIfTI is."""
_PACKED_START, _GZIP = 1 << 12, 31
_MOST_NAME_BYTES = 255
"""Of a file name, in the usual file systems."""
_OTHERS = {
    b"\x89PNG": "PNG", b"\xff\xd8\xff": "JPEG", b"II*\0": "TIFF", b"MM\0*": "TIFF", b"BM": "BMP",
    b"GIF8": "GIF", b"\x89HDF": "HDF5", b"PK\x03\x04": ZIP, b"%PDF": "PDF",
}  # fmt: skip
"""First bytes of files that people mistake for a CT."""
_WITHOUT_PREAMBLE = ("", ".dcm", ".ima")
"""Extensions of DICOM files that may lack the mark DICM."""
_FIRST_GROUPS = (b"\x02\0", b"\x08\0", b"\0\x08")
"""How a DICOM file without the mark begins: with group 2 or 8."""


@dataclass(frozen=True)
class Header:
    """What a header promises."""

    shape: tuple[int, ...]
    """Voxels along x, y, z and any further axes."""
    voxel_bytes: int
    """Of one voxel, all its components."""
    data: Path
    """The file that holds the voxels."""
    offset: int = 0
    """Bytes before the voxels, once unpacked."""
    is_packed: bool = False
    """The voxels, or the whole file, are deflated."""
    dtype: str = ""
    """How NumPy reads the voxels as they stand, such as "<i2"; empty: leave it to ITK."""
    scale: tuple[float, float] | None = None
    """Slope and intercept, where ITK does not read the voxels as they are meant."""
    geometry: bytes = b""
    """Of a NIfTI header, see forms.py."""
    warnings: tuple[str, ...] = ()
    """Sentences for people."""
    stand_in: bytes = b""
    """A header that says the same, where ITK must not see that of the file."""
    packed_at: int = 0
    """Bytes before what is packed."""

    @property
    def expected(self) -> int:
        """Bytes of the voxels and of what is before them."""
        return self.offset + math.prod(self.shape) * self.voxel_bytes


def check_regular(path: Path) -> None:
    """Check that path is a file: a device has no end, and a pipe would be waited for.

    Raises:
        InputError: It is something else, or cannot be opened.
    """
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            raise InputError(f"{path} is no regular file but a device, pipe or socket: {USABLE}")
        path.open("rb").close()
    except OSError as error:
        raise InputError(f"{path} cannot be opened ({error.strerror}): {USABLE}") from error


def image_format(path: Path) -> str:
    """Return the name of ITK's reader for a file by its first bytes; other names have none."""
    with path.open("rb") as file:
        start = file.read(400)
    inner = _unpacked_start(path) if start[:2] == b"\x1f\x8b" else start
    if start[128:132] == b"DICM":
        return DICOM
    if inner[344:348] in (b"n+1\0", b"ni1\0") or inner[4:8] in (b"n+2\0", b"ni2\0"):
        return NIFTI
    if start[:4] == b"NRRD":
        return NRRD
    if path.suffix.lower() in (".mha", ".mhd") and b"NDims" in _start(path):
        return META
    if named := next((name for magic, name in _OTHERS.items() if start.startswith(magic)), None):
        return named
    is_bare = path.suffix.lower() in _WITHOUT_PREAMBLE and start[:2] in _FIRST_GROUPS
    return DICOM if is_bare else "unknown"


def may_start_dicom(start: bytes) -> bool:
    """Return whether a file without the mark DICM begins with an element as DICOM files do."""
    elements = (b"\x02\0\0\0", b"\x08\0\0\0", b"\x08\0\x05\0", b"\x08\0\x08\0", b"\x08\0\x16\0")
    return len(start) > 8 and start[:4] in elements


def _start(path: Path, count: int = 1 << 16) -> bytes:
    with path.open("rb") as file:
        return file.read(count)


def _unpacked_start(path: Path) -> bytes:
    try:
        return unpacked_start(path)
    except (EOFError, OSError, zlib.error):
        return b""


def unpacked_start(path: Path) -> bytes:
    """Return the first 540 bytes of what a gzip file holds; gzip.open() takes ten times as long.

    Raises:
        EOFError, OSError, zlib.error: It is cut off, damaged, or cannot be opened.
    """
    with path.open("rb") as packed:
        start = zlib.decompressobj(_GZIP).decompress(packed.read(_PACKED_START), START_BYTES)
    if len(start) == START_BYTES:
        return start
    with gzip.open(path) as file:  # it begins with little, or in several parts
        return file.read(START_BYTES)


def check_size(header: Header, name: str) -> None:
    """Check before anything is allocated that the voxels fit into memory and are there.

    Raises:
        ResourceError: There is not enough memory.
        InputError: The data file is too short for what the header says.
    """
    if header.expected / 2**20 > free_mib():
        raise ResourceError(
            f"{name} does not fit into memory (its header says {_extent(header.shape)} voxels, "
            f"{header.expected / 2**20:.0f} MiB): close programs, or crop the CT"
        )
    try:
        found = header.data.stat().st_size
    except OSError as error:
        raise InputError(
            f"{name} cannot be read ({header.data.name}: {error.strerror}): "
            "keep header and data file in one folder"
        ) from error
    if found * (MOST_PACKED if header.is_packed else 1) < header.expected:
        of = " packed" if header.is_packed else ""
        raise InputError(
            f"{name} is cut off or damaged ({found}{of} of {header.expected} bytes): {COPY}"
        )


def sibling(path: Path, named: str, name: str) -> Path:
    """Return the data file that a header names, which must lie in the header's folder.

    Raises:
        InputError: It lies elsewhere (also by a link), or is no regular file.
    """
    named = named.removeprefix("./")
    is_plain = (
        bool(named.strip())
        and Path(named).name == named
        and len(named.encode()) <= _MOST_NAME_BYTES
        and not any(c in named for c in '\0\\:%"')
    )
    if not is_plain or named.split()[0].upper() == "LIST":
        raise InputError(
            f"{name} names {named[:60]!r} as its data: a single file in the same folder is allowed"
        )
    data = path.parent / named
    if not data.exists():
        raise InputError(f"{name} lacks its data {named}: keep both in one folder")
    if data.resolve().parent != path.parent.resolve():
        raise InputError(f"{name} names {named}, a link to another folder: copy the data here")
    check_regular(data)
    return data


def damaged(name: str, what: str) -> NoReturn:
    """Refuse a header; what says which field and its value.

    Raises:
        InputError: Always.
    """
    raise InputError(f"{name} has a damaged header ({what[:100]}): {COPY}, or convert it anew")


def shape_of(lengths: Sequence[int], name: str) -> tuple[int, ...]:
    """Return the lengths of the axes if each is at least 1.

    Raises:
        InputError: They are not, or there are too many.
    """
    if not 1 <= len(lengths) <= MOST_AXES or any(n < 1 for n in lengths):
        damaged(name, f"size {_extent(lengths[:9])}")
    return tuple(lengths)


def numbers_of(text: str, name: str, field: str) -> tuple[float, ...]:
    """Return the finite numbers in a text, at most 64.

    Raises:
        InputError: A word is no number, or not finite.
    """
    words = text.split()
    try:
        found = tuple(float(word) for word in words)
    except ValueError:
        damaged(name, f"{field}: {text}")
    if len(found) > 64 or not all(math.isfinite(value) and abs(value) < 1e30 for value in found):
        damaged(name, f"{field}: {text}")
    return found


def whole_numbers_of(text: str, name: str, field: str) -> tuple[int, ...]:
    """Return the whole numbers in a text, each of at most 10 digits.

    Raises:
        InputError: A word is none.
    """
    words = text.split()
    if not all(word.isascii() and word.isdecimal() and len(word) <= 10 for word in words):
        damaged(name, f"{field}: {text}")
    return tuple(int(word) for word in words)


def text_lines(file: BinaryIO, name: str, most_bytes: int = 1 << 20) -> list[str]:
    """Return the lines of a text header up to an empty one, or to MetaImage's last field.

    The file is left at the first byte after them.

    Raises:
        InputError: There is no end in sight.
    """
    lines: list[str] = []
    left = most_bytes
    while left > 0 and (line := file.readline(left)):
        left -= len(line)
        text = line.decode("latin-1").rstrip("\r\n")
        if not text:
            return lines
        lines.append(text)
        if text.startswith("ElementDataFile"):
            return lines
    if left <= 0 or not lines:
        damaged(name, f"no end within {most_bytes} bytes")
    return lines


def position(file: BinaryIO) -> int:
    """Return how many bytes of a file were read."""
    return file.seek(0, os.SEEK_CUR)


def _extent(shape: Sequence[int]) -> str:
    return " x ".join(str(length) for length in shape)
