"""Check a file before ITK opens it; the only door to the header checks."""

from __future__ import annotations

import gzip
import math
import struct
import sys
import zlib
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from FlareSegLib.base.errors import FlareSegError, InputError
from FlareSegLib.images.headers.checks import (
    COPY,
    META,
    NIFTI,
    NRRD,
    Header,
    check_size,
    image_format,
)
from FlareSegLib.images.headers.meta import meta_header
from FlareSegLib.images.headers.nifti import nifti_header
from FlareSegLib.images.headers.nrrd import nrrd_header

try:
    _unpacker: Any = import_module("isal.isal_zlib")
except ImportError:
    _unpacker = import_module("zlib")

_READERS = {NIFTI: nifti_header, NRRD: nrrd_header, META: meta_header}
FORMATS = tuple(_READERS)
"""ITK's names of the formats that hold a whole volume in a file."""
_PIECE, _MOST_OUT = 1 << 17, 1 << 19
"""Packed bytes that are taken at once, and bytes that may come of them before the next turn."""
_LOCK_SECONDS = 0.0005
"""As long a thread that computes keeps Python's lock from the one that unpacks, usually 5 ms."""
Mark = tuple[int, int, int]
"""What tells that a file is the same."""
_begun: dict[Path, tuple[Mark, Future[NDArray[np.uint8] | None]]] = {}
"""What unpack_ahead() has begun: the file as it was then, and what comes of it."""


def check_header(path: Path, format_name: str) -> Header:
    """Return what the header of an image file promises, if it is plain and the data can be there.

    Args:
        path: A regular file.
        format_name: One of FORMATS, see headers.image_format().

    Raises:
        InputError: A field is not as its format defines it, or voxels are missing.
        ResourceError: The voxels do not fit into memory.
    """
    header = read_header(path, format_name)
    check_size(header, path.name)
    return header


def read_header(path: Path, format_name: str) -> Header:
    """Return what the header of an image file promises, whether there is memory for it or not.

    Raises:
        InputError: A field is not as its format defines it.
    """
    return _READERS[format_name](path)


@contextmanager
def unchanged(path: Path) -> Iterator[None]:
    """Check that a file is the same after the block: what was checked is what was read.

    Raises:
        InputError: It was changed, replaced or removed.
    """
    before = mark_of(path)
    yield
    if mark_of(path) != before:
        raise InputError(f"{path.name} changed while it was read: wait until its copy is done")


def mark_of(path: Path) -> Mark:
    """Return what tells that a file is the same; zeros if it is gone."""
    try:
        found = path.stat()
    except OSError:
        return 0, 0, 0
    return found.st_ino, found.st_size, found.st_mtime_ns


def check_whole(header: Header, name: str) -> None:
    """Check that no byte is missing: ITK reads a cut NIfTI file without a word, as garbage.

    Raises:
        InputError: The file ends too soon.
    """
    found = _unpacked_bytes(header)
    if found < header.expected:
        raise InputError(
            f"{name} is cut off or damaged ({found} of {header.expected} bytes): {COPY}"
        )


def unpack_ahead(path: Path) -> None:
    """Begin to unpack a packed NIfTI file in a thread, for unpacked() to find it done.

    Nothing is raised: what is wrong with the file will be so again when it is read.
    """
    pool = ThreadPoolExecutor(1)
    _begun[path] = mark_of(path), pool.submit(_try_content, path)
    pool.shutdown(wait=False)


def _try_content(path: Path) -> NDArray[np.uint8] | None:
    usual = sys.getswitchinterval()
    sys.setswitchinterval(_LOCK_SECONDS)  # each piece needs the lock, and imports keep it
    try:
        with suppress(FlareSegError, OSError):
            if path.is_file() and image_format(path) == NIFTI:
                return _content(check_header(path, NIFTI))
        return None
    finally:
        sys.setswitchinterval(usual)


def is_for_unpacked(header: Header) -> bool:
    """Return whether a NIfTI file is a packed one of plain int16."""
    is_plain = bool(header.dtype) and header.scale is None
    return header.is_packed and is_plain and len(header.shape) == 3


def unpacked(header: Header) -> NDArray[np.int16] | None:
    """Return the voxels (z, y, x) of a packed file of plain int16, None where ITK must read it.

    ITK unpacks in small pieces and keeps other threads waiting. Here 512 x 512 x 215 voxels take
    0.5 s, with isal (an extra) 0.27 s.
    """
    mark, begun = _begun.pop(header.data, (None, None))
    content = begun.result() if begun and mark == mark_of(header.data) else _content(header)
    if content is None:
        return None
    voxels = np.frombuffer(content, header.dtype, math.prod(header.shape), header.offset)
    return voxels.reshape(header.shape[::-1])


def read_here(header: Header, frame: int = 0) -> NDArray[Any]:
    """Return the voxels (z, y, x) of a file that ITK would not read as they are meant.

    NaN stay NaN.

    Args:
        header: Of the file.
        frame: Along the fourth axis; axes after that must have length 1.

    Raises:
        InputError: The file is damaged.
    """
    assert header.scale is not None
    content = _content_here(header)
    if len(content) < header.expected:
        raise InputError(f"{header.data.name} is cut off or damaged: {COPY}")
    count = math.prod(header.shape)
    voxels = np.frombuffer(content, header.dtype, count, header.offset)
    voxels = voxels.reshape(-1, *header.shape[2::-1])[frame]
    slope, intercept = header.scale
    if (slope, intercept) == (1.0, 0.0):
        native: NDArray[Any] = voxels.astype(voxels.dtype.newbyteorder("="), copy=False)
        return native
    scaled: NDArray[Any] = voxels * np.float64(slope) + intercept
    return scaled


def _content_here(header: Header) -> bytes:
    """Return header and voxels of a file, unpacked by gzip or zlib; less if it is damaged."""
    with suppress(EOFError, OSError, zlib.error), header.data.open("rb") as file:
        if not header.is_packed:
            return file.read(header.expected)
        if file.read(2) == b"\x1f\x8b":
            with gzip.open(header.data) as unpacked_file:
                return unpacked_file.read(header.expected)
        file.seek(header.packed_at)
        return zlib.decompressobj().decompress(file.read(), header.expected)
    return b""


def _content(header: Header) -> NDArray[np.uint8] | None:
    """Return a packed file of plain int16, unpacked; None if it is none, or not in one part."""
    if not is_for_unpacked(header):
        return None
    content, end = np.empty(header.expected, np.uint8), 0  # in large pages, where there are
    unpacking = _unpacker.decompressobj(31)
    try:
        with header.data.open("rb") as file:
            while not unpacking.eof and (rest := unpacking.unconsumed_tail or file.read(_PIECE)):
                piece = unpacking.decompress(rest, _MOST_OUT)
                if end + len(piece) > len(content):
                    return None
                content[end : end + len(piece)] = np.frombuffer(piece, np.uint8)
                end += len(piece)
    except _unpacker.error:
        return None  # ITK says what is wrong
    is_whole = end == len(content) and unpacking.eof  # not several parts, nor too little
    return content if is_whole else None


def packed(parts: Iterable[bytes | NDArray[np.uint8]]) -> Iterator[bytes]:
    """Yield a gzip file of parts, packed the fast way: labelmaps become small anyhow."""
    packing = _unpacker.compressobj(1, _unpacker.DEFLATED, 31)
    for part in parts:
        yield packing.compress(part)
    yield packing.flush()


def _unpacked_bytes(header: Header) -> int:
    """Return the number of bytes in a file, after gunzip if it is packed, or enough of them.

    The last four bytes of a gzip file tell; it is unpacked only if they are not as expected.
    """
    path, expected = header.data, header.expected
    if not header.is_packed:
        return path.stat().st_size
    with path.open("rb") as file:
        file.seek(-4, 2)
        if struct.unpack("<I", file.read(4))[0] == expected % 2**32:
            return expected
    found = 0
    with suppress(EOFError, OSError, zlib.error), gzip.open(path) as unpacked:
        while found < expected and (chunk := unpacked.read(1 << 20)):
            found += len(chunk)
    return found
