"""What a DICOM file says of its own parts, before a reader opens it (DICOM PS3.5, 7.1 and A.4).

GDCM allocates what the length of an element says before it reads: a file of 1 kB took 2.5 GB. So
the lengths of all elements are compared with the file first. No value is looked at here.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

Tag = tuple[int, int]
BIG_ENDIAN = b"1.2.840.10008.1.2.2"
IMPLICIT = b"1.2.840.10008.1.2"
PLAIN = {IMPLICIT, b"1.2.840.10008.1.2.1", BIG_ENDIAN}
"""Transfer syntaxes without code (DICOM PS3.5, A.1 to A.3)."""
_TRANSFER_SYNTAX = b"\x02\0\x10\0UI"
START_BYTES = 4096
"""Of a file; the transfer syntax is in its first 500 or so."""
_LONG = {b"OB", b"OD", b"OF", b"OL", b"OV", b"OW", b"SQ", b"SV", b"UC", b"UN", b"UR", b"UT", b"UV"}
"""Value representations with a length of four bytes."""
_SHORT = {
    b"AE", b"AS", b"AT", b"CS", b"DA", b"DS", b"DT", b"FD", b"FL", b"IS", b"LO", b"LT", b"PN",
    b"SH", b"SL", b"SS", b"ST", b"TM", b"UI", b"UL", b"US",
}  # fmt: skip
"""Those with a length of two bytes. What others there are is not known to all readers."""
ITEM, ITEM_END, ITEMS_END = (0xFFFE, 0xE000), (0xFFFE, 0xE00D), (0xFFFE, 0xE0DD)
VOXELS = (0x7FE0, 0x0010)
UNDEFINED = 0xFFFFFFFF
LOST = (OSError, ValueError, struct.error)
"""What following the elements of a file raises where it cannot be opened or followed."""
_MOST_ELEMENTS = 500_000
"""Of a file; a slice has some hundred, an enhanced CT some ten for each of its frames."""
_HEAD_BYTES = 16
_MOST_VALUE = 64
"""Bytes of a UID."""


@dataclass(frozen=True)
class Encoding:
    """How elements are written."""

    order: str
    """Of bytes, as struct calls it."""
    has_vr: bool
    """Each element says its value representation."""


def is_plain(path: Path) -> bool:
    """Return whether a DICOM file can be opened here: not coded, and no length leads out of it."""
    try:
        with path.open("rb") as file:
            start = file.read(START_BYTES)
            return not says_coded(start) and _ends_inside(file, start)
    except LOST:
        return False


def is_coded(path: Path) -> bool:
    """Return whether a DICOM file says that its content is coded."""
    try:
        with path.open("rb") as file:
            return says_coded(file.read(START_BYTES))
    except OSError:  # its reader will say so
        return False


def says_coded(start: bytes) -> bool:
    """Return whether the start of a DICOM file says that its content is coded."""
    return any(uid not in PLAIN for uid in _syntaxes(start[:START_BYTES]))


def _syntaxes(start: bytes) -> list[bytes]:
    found = start.split(_TRANSFER_SYNTAX)[1:]
    return [rest[2 : 2 + int.from_bytes(rest[:2], "little")].rstrip(b"\0 ") for rest in found]


def own_values(path: Path, wanted: Sequence[Tag]) -> dict[Tag, str]:
    """Return the texts of elements at the top level, not of those inside sequences.

    What cannot be followed ends the search.
    """
    found: dict[Tag, str] = {}
    with suppress(*LOST), path.open("rb") as file:
        for tag, at, length in _top_level(file, path.stat().st_size):
            if tag > max(wanted):
                break
            if tag in wanted:
                file.seek(at)
                content = file.read(min(length, _MOST_VALUE))
                if len(content) < min(length, _MOST_VALUE):
                    break  # a part of a UID would be that of another series
                found[tag] = content.decode("ascii", "replace").strip(" \0")
    return found


def _top_level(file: BinaryIO, size: int) -> Iterator[tuple[Tag, int, int]]:
    """Yield tag, place and length of the elements outside sequences.

    Raises:
        ValueError: Something else than an element is found.
        struct.error: The file ends in the head of an element.
    """
    start = file.read(START_BYTES)
    meta, main = encodings_of(start)
    at, depth = 132 if start[128:132] == b"DICM" else 0, 0
    for _ in range(_MOST_ELEMENTS):
        if at >= size:
            return
        file.seek(at)
        head = file.read(16)
        tag, length, content = head_of(head, meta if head[:2] == b"\2\0" else main)
        at += content
        if tag in (ITEM_END, ITEMS_END):
            depth -= 1
        elif length == UNDEFINED:
            depth += 1
        else:
            if depth == 0:
                yield tag, at, length
            at += length
    raise ValueError("too many elements")


def is_sound(path: Path) -> bool:
    """Return whether all elements of a DICOM file end inside it, as far as they can be followed.

    False too for what is not understood here, such as an unknown sequence in another encoding.
    """
    try:
        with path.open("rb") as file:
            return _ends_inside(file, file.read(START_BYTES))
    except LOST:
        return False


def _ends_inside(file: BinaryIO, start: bytes) -> bool:
    size = os.fstat(file.fileno()).st_size
    return all(end <= size for end in _ends(file, size, start))


def _ends(file: BinaryIO, size: int, start: bytes) -> Iterator[int]:
    """Yield where each element ends, those in sequences too.

    Args:
        file: Of which start was read.
        size: Of the file.
        start: Most elements are in it.

    Raises:
        ValueError: Something else than an element is found.
        struct.error: The file ends in the head of an element.
    """
    meta, main = encodings_of(start)
    at, encoding, in_voxels = 132 if start[128:132] == b"DICM" else 0, meta, False
    for _ in range(_MOST_ELEMENTS):
        if at >= size:
            return
        head = start[at : at + _HEAD_BYTES]
        if len(head) < _HEAD_BYTES:
            file.seek(at)
            head = file.read(_HEAD_BYTES)
        if head[:2] != b"\2\0":
            encoding = main
        tag, length, content = head_of(head, encoding)
        at += content
        in_voxels = tag != ITEMS_END and (in_voxels or (tag == VOXELS and length == UNDEFINED))
        if length == UNDEFINED:
            continue
        yield at + length
        is_opened = tag == ITEM or (tag != VOXELS and _is_item(head[content:], encoding))
        at += 0 if is_opened and not in_voxels else length
    raise ValueError("too many elements")


def encodings_of(start: bytes) -> tuple[Encoding, Encoding]:
    """Return the encoding of group 2, and that of all after it."""
    if start[128:132] != b"DICM":
        bare = Encoding("<", has_vr=start[4:6].isalpha())
        return bare, bare
    syntax = next(iter(_syntaxes(start)), b"")
    order = ">" if syntax == BIG_ENDIAN else "<"
    return Encoding("<", has_vr=True), Encoding(order, has_vr=syntax != IMPLICIT)


def head_of(head: bytes, encoding: Encoding) -> tuple[tuple[int, int], int, int]:
    """Return tag and length of the element that begins with these bytes, and where its value is."""
    order, kind = encoding.order, head[4:6]
    group, element = struct.unpack_from(order + "HH", head)
    if group == ITEM[0] or not encoding.has_vr:
        return (group, element), struct.unpack_from(order + "I", head, 4)[0], 8
    if kind not in _SHORT and kind not in _LONG:
        raise ValueError("no value representation")
    if kind in _LONG:
        return (group, element), struct.unpack_from(order + "I", head, 8)[0], 12
    return (group, element), struct.unpack_from(order + "H", head, 6)[0], 8


def _is_item(value: bytes, encoding: Encoding) -> bool:
    """Return whether a value begins with an item: then it is a sequence, whatever it is called."""
    return value[:4] == struct.pack(encoding.order + "HH", *ITEM)
