"""Small pictures without matplotlib: gray of soft tissue, and PNG files."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from FlareSegLib.base.atomic import atomic

LOW_HU, HIGH_HU = -160.0, 240.0
"""Soft tissue."""


def gray_of(hu: NDArray[np.int16]) -> NDArray[np.float32]:
    """Return HU as gray of soft tissue, from 0 to 1."""
    gray: NDArray[np.float32] = (hu.astype(np.float32) - LOW_HU) / (HIGH_HU - LOW_HU)
    return np.clip(gray, 0, 1)


def write_png(picture: NDArray[np.uint8], path: Path) -> None:
    """Write a picture (height, width, RGB), either whole or not at all.

    Raises:
        OutputError: It cannot be written.
    """
    with atomic(path) as temporary:
        temporary.write_bytes(to_png(picture))


def to_png(picture: NDArray[np.uint8]) -> bytes:
    """Return a picture (height, width, RGB) as PNG (W3C Portable Network Graphics, 3rd edition)."""
    height, width, _ = picture.shape
    lines = np.zeros((height, 1 + 3 * width), np.uint8)  # a line begins with its filter: 0, none
    lines[:, 1:] = picture.reshape(height, -1)
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    parts = ((b"IHDR", head), (b"IDAT", zlib.compress(lines.tobytes(), 9)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(kind, data) for kind, data in parts)


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
