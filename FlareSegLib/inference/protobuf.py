"""Fields of protobuf's encoding (protobuf.dev, Encoding), for looks into ONNX files."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypeVar

NUMBER, BYTES = 0, 2
"""Wire types: a number of 7 bits a byte, and bytes after their count."""
_WIDTHS = {1: 8, 5: 4}
"""Bytes of wire types of fixed width."""
Buffer = TypeVar("Buffer", bytes, memoryview)


def fields_of(data: Buffer) -> Iterator[tuple[int, Buffer, Buffer]]:
    """Yield tag (number << 3 | wire type), value and all bytes of each field of a message.

    Raises:
        ValueError: It is no such message.
        IndexError: It ends within a number.
    """
    at = 0
    while at < len(data):
        first = at
        tag, start = varint(data, at)
        if tag & 7 == NUMBER:
            at = varint(data, start)[1]
        elif tag & 7 == BYTES:
            count, start = varint(data, start)
            at = start + count
        elif tag & 7 in _WIDTHS:
            at = start + _WIDTHS[tag & 7]
        else:
            raise ValueError(f"no ONNX file: wire type {tag & 7}")
        if at > len(data):
            raise ValueError("no ONNX file: cut off")
        yield tag, data[start:at], data[first:at]


def varint(data: bytes | memoryview, at: int) -> tuple[int, int]:
    """Return a number of 7 bits a byte, and where it ends."""
    value = 0
    for shift in range(0, 70, 7):
        value |= (data[at] & 127) << shift
        at += 1
        if data[at - 1] < 128:
            return value, at
    raise ValueError("no ONNX file: number too long")
