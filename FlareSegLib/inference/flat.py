"""Flat networks: 2-D convolutions on slices laid one below the other, for windows of any size.

The ONNX file of a flat network takes cells (1, 8, rows, columns): each 2 x 2 x 2 cell of voxels is
8 channels, and the slices of cells stand one below the other (FlareSegLib/student.py). It is a
chain of 2-D convolutions with free extents, but for one number: a convolution along z skips the
rows of whole slices, so the height of a slice stands in its dilation and padding. with_rows()
writes another height there, so that one file serves windows that just cover the patient.
The numbers of fields are those of onnx.proto.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from FlareSegLib.base.geometry import Zyx
from FlareSegLib.inference.protobuf import BYTES, NUMBER, fields_of, varint

MULTIPLE: Zyx = (2, 16, 16)
"""Shapes (z, y, x) of windows are multiples of this: cells, halved in-plane at three levels."""
_GRAPH, _NODE, _ATTRIBUTE, _NAME, _INTS = 7, 1, 5, 1, 8


def to_cells(window: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return (1, 8, z/2 * y/2, x/2), what a flat network takes, of a window (z, y, x)."""
    z, y, x = (n // 2 for n in window.shape)
    cells = np.empty((2, 2, 2, z, y, x), np.float32)
    for corner in np.ndindex(2, 2, 2):
        cells[corner] = window[tuple(slice(start, None, 2) for start in corner)]
    return cells.reshape(1, 8, z * y, x)


def with_rows(content: bytes, made_for: int, rows: int) -> bytes:
    """Return the ONNX file of a flat network, changed for slices of another height.

    Args:
        content: The file.
        made_for: Height (y) of the windows that it was written for.
        rows: Height wanted; both are multiples of MULTIPLE.

    Raises:
        IndexError, ValueError: It is no ONNX file.
    """

    def scaled(values: list[int]) -> list[int]:
        return [value * rows // made_for if value > 1 else value for value in values]

    def attribute(data: bytes) -> bytes:
        is_meant = _text(data) in (b"dilations", b"pads")
        return _with_ints(data, scaled(_ints(data))) if is_meant else data

    def node(data: bytes) -> bytes:
        attributes = (value for tag, value, _ in fields_of(data) if tag == _ATTRIBUTE << 3 | BYTES)
        along_z = any(_text(a) == b"dilations" and max(_ints(a)) > 1 for a in attributes)
        return _replaced(data, _ATTRIBUTE, attribute) if along_z else data

    return _replaced(content, _GRAPH, lambda graph: _replaced(graph, _NODE, node))


def _replaced(data: bytes, number: int, change: Callable[[bytes], bytes]) -> bytes:
    """Return a message with the values of one of its fields changed."""
    found = []
    for tag, value, raw in fields_of(data):
        found.append(_field(tag, change(value)) if tag == number << 3 | BYTES else raw)
    return b"".join(found)


def _text(attribute: bytes) -> bytes:
    return next((v for tag, v, _ in fields_of(attribute) if tag == _NAME << 3 | BYTES), b"")


def _ints(attribute: bytes) -> list[int]:
    """Return the numbers of an attribute, written one by one or packed."""
    found = []
    for tag, value, _ in fields_of(attribute):
        at = 0 if tag >> 3 == _INTS else len(value)
        while at < len(value):
            number, at = varint(value, at)
            found.append(number)
    return found


def _with_ints(attribute: bytes, values: list[int]) -> bytes:
    others = [raw for tag, _, raw in fields_of(attribute) if tag >> 3 != _INTS]
    numbers = [_bytes_of(_INTS << 3 | NUMBER) + _bytes_of(value) for value in values]
    return b"".join(others + numbers)


def _field(tag: int, value: bytes) -> bytes:
    return _bytes_of(tag) + _bytes_of(len(value)) + value


def _bytes_of(value: int) -> bytes:
    found = bytearray()
    while value > 127:
        found.append(value & 127 | 128)
        value >>= 7
    return bytes([*found, value])
