"""A picture of a few kB: one coronal slice with the organs in color, for the page of a cohort."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from FlareSegLib.base.atomic import atomic
from FlareSegLib.base.geometry import Labelmap, Volume
from FlareSegLib.base.labels import Organ

HEIGHT, MOST_WIDTH = 150, 240
"""Pixels."""
LOW_HU, HIGH_HU = -160.0, 240.0
"""Soft tissue."""
_OPACITY = 0.55


def write_thumbnail(hu: Volume, labelmap: Labelmap, organs: Iterable[Organ], path: Path) -> None:
    """Write a PNG of the coronal slice with most organ voxels; the patient's right is on the left.

    Args:
        hu: The CT, canonical (array axes toward S, P and L).
        labelmap: Organ values on the same grid.
        organs: Those to color.
        path: File to write, .png.

    Raises:
        OutputError: It cannot be written.
    """
    with atomic(path) as temporary:
        temporary.write_bytes(to_png(draw(hu, labelmap, organs)))


def draw(hu: Volume, labelmap: Labelmap, organs: Iterable[Organ]) -> NDArray[np.uint8]:
    """Return the picture, (rows from head to foot, columns from right to left, RGB)."""
    voxels = np.count_nonzero(labelmap.array, axis=(0, 2))
    y = int(voxels.argmax()) if voxels.any() else len(voxels) // 2
    height_mm, _, width_mm = hu.grid.extent_mm
    width = min(max(round(HEIGHT * width_mm / height_mm), 1), MOST_WIDTH)
    rows, columns = _picks(hu.grid.shape[0], HEIGHT)[::-1], _picks(hu.grid.shape[2], width)
    at = np.ix_(rows, columns)
    gray = (hu.array[:, y][at].astype(np.float32) - LOW_HU) / (HIGH_HU - LOW_HU)
    picture = np.repeat(np.clip(gray, 0, 1)[..., None] * 255, 3, axis=2)
    labels = labelmap.array[:, y][at]
    for organ in organs:
        mask = labels == organ.value
        color = np.array(organ.color, np.float32)
        picture[mask] = (1 - _OPACITY) * picture[mask] + _OPACITY * color
    return picture.astype(np.uint8)


def _picks(count: int, wanted: int) -> NDArray[np.intp]:
    """Return the index of the nearest voxel for each of the wanted pixels."""
    return ((np.arange(wanted) + 0.5) * count / wanted).astype(np.intp)


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
