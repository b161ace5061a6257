"""The two forms of a NIfTI header, which say where voxels lie: kept as they are, and compared.

Programs differ in which form they prefer, so a labelmap lies on its CT in all of them only if both
forms, their codes and the spacing stand in it as in the CT.
"""

from __future__ import annotations

import itertools
import math
import struct
from collections.abc import Sequence

from FlareSegLib.base.errors import InputError

MOST_APART_MM = 1.0
_MOST_SCALED = 0.02
"""Between the spacing and the length of a column of the sform."""
_GEOMETRY = "<8fB2h6f12f"
_UNIT_MM = {1: 1000.0, 3: 0.001}
"""By the spatial code of xyzt_units: metre and micron; all others are taken for mm."""
Matrix = tuple[tuple[float, ...], ...]
"""Three rows of four: index to mm, and the offset."""


def geometry(
    pixdim: Sequence[float], units: int, codes: Sequence[int], forms: Sequence[float]
) -> bytes:
    """Return what write_geometry() puts into another header.

    Args:
        pixdim: Eight numbers.
        units: xyzt_units.
        codes: qform_code and sform_code.
        forms: Six numbers of the qform, twelve of the sform.
    """
    further = (value if math.isfinite(value) else 0.0 for value in pixdim[4:])
    return struct.pack(_GEOMETRY, *pixdim[:4], *further, units, *codes, *forms)


def write_geometry(header: bytearray, found: bytes) -> None:
    """Write what geometry() gave into a NIfTI-1 header of 348 bytes."""
    header[76:108], header[123:124], header[252:328] = found[:32], found[32:33], found[33:]


def check_forms(shape: Sequence[int], found: bytes, name: str) -> tuple[str, ...]:
    """Return warnings where the forms of geometry() disagree, or there is none.

    Args:
        shape: Voxels along x, y, z.
        found: What geometry() gave.
        name: Of the file.

    Raises:
        InputError: There is no voxel spacing, or the only form has another one.
    """
    values = struct.unpack(_GEOMETRY, found)
    pixdim, unit_mm = values[:8], _UNIT_MM.get(values[8] & 7, 1.0)
    (qcode, scode), q, s = values[9:11], values[11:17], values[17:]
    if not all(pixdim[1:4]):
        spacing = " x ".join(f"{value:g}" for value in pixdim[1:4])
        raise InputError(f"{name} has no voxel spacing (pixdim is {spacing}): correct its header")
    if qcode <= 0 and scode <= 0:
        return ("the header has no orientation (qform and sform codes are 0): left and right "
                "cannot be told",)  # fmt: skip
    sform = (s[:4], s[4:8], s[8:])
    if scode <= 0:
        return ()
    if qcode <= 0:
        _check_scale(pixdim, sform, name)
        return ()
    return _compared(_qform(q, pixdim), sform, shape, unit_mm)


def _check_scale(pixdim: Sequence[float], sform: Matrix, name: str) -> None:
    lengths = [math.hypot(*(row[axis] for row in sform)) for axis in range(3)]
    if abs(_volume(sform)) < 0.98 * math.prod(lengths):
        return  # sheared: refused as such
    for said, length in zip(pixdim[1:4], lengths, strict=True):
        if length and abs(abs(said) / length - 1) > _MOST_SCALED:
            raise InputError(
                f"{name} says a voxel spacing of {said:g} in pixdim and {length:g} in its sform: "
                "correct its header"
            )


def _qform(q: Sequence[float], pixdim: Sequence[float]) -> Matrix:
    """Return the matrix of the quaternion (nifti1.h, method 2)."""
    b, c, d = q[:3]
    a = math.sqrt(max(0.0, 1.0 - b * b - c * c - d * d))
    scale = (pixdim[1], pixdim[2], pixdim[3] * (-1.0 if pixdim[0] < 0 else 1.0))
    turn = (
        (a * a + b * b - c * c - d * d, 2 * (b * c - a * d), 2 * (b * d + a * c)),
        (2 * (b * c + a * d), a * a + c * c - b * b - d * d, 2 * (c * d - a * b)),
        (2 * (b * d - a * c), 2 * (c * d + a * b), a * a + d * d - b * b - c * c),
    )
    return tuple(
        (*(cosine * mm for cosine, mm in zip(row, scale, strict=True)), offset)
        for row, offset in zip(turn, q[3:], strict=True)
    )


def _compared(
    qform: Matrix, sform: Matrix, shape: Sequence[int], unit_mm: float
) -> tuple[str, ...]:
    if (_volume(qform) < 0) != (_volume(sform) < 0):
        return ("qform and sform of the header mirror each other: left and right may be exchanged "
                "in programs that prefer the other one",)  # fmt: skip
    ends = [(0, n - 1) for n in (*shape[:3], 1, 1)[:3]]
    if unit_mm * _most_apart(qform, sform, ends) <= MOST_APART_MM:
        return ()
    apart_mm = max(
        unit_mm * math.dist(_placed(qform, corner), _placed(sform, corner))
        for corner in itertools.product(*ends)
    )
    if apart_mm <= MOST_APART_MM:
        return ()
    return (f"qform and sform of the header put the scan {apart_mm:.1f} mm apart: programs differ "
            "in which they take",)  # fmt: skip


def _most_apart(one: Matrix, other: Matrix, ends: Sequence[tuple[int, int]]) -> float:
    """Return what no voxel is farther apart than: the way along each axis, and the offset."""
    pairs = zip(zip(*one, strict=True), zip(*other, strict=True), strict=True)
    *columns, offset = (math.dist(a, b) for a, b in pairs)
    return offset + sum(apart * last for apart, (_, last) in zip(columns, ends, strict=True))


def _placed(form: Matrix, index: Sequence[float]) -> list[float]:
    return [sum(a * b for a, b in zip(row, (*index, 1.0), strict=True)) for row in form]


def _volume(form: Matrix) -> float:
    (a, b, c), (d, e, f), (g, h, i) = (row[:3] for row in form)
    return a * (e * i - f * h) - b * (d * i - f * g) + c * (d * h - e * g)
