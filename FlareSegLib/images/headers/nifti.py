"""The header of a NIfTI file, by the NIfTI-1 and NIfTI-2 definitions (nifti.nimh.nih.gov)."""

from __future__ import annotations

import math
import struct
import zlib
from pathlib import Path
from typing import Any

from FlareSegLib.base.errors import InputError
from FlareSegLib.images.headers.checks import (
    MOST_AXES,
    START_BYTES,
    Header,
    check_regular,
    damaged,
    shape_of,
    unpacked_start,
)
from FlareSegLib.images.headers.forms import check_forms, geometry
from FlareSegLib.images.headers.nifti1 import MOST_LENGTH, nifti1_header

_BITS = {
    2: 8, 4: 16, 8: 32, 16: 32, 32: 64, 64: 64, 128: 24, 256: 8, 512: 16, 768: 32, 1024: 64,
    1280: 64, 1536: 128, 1792: 128, 2304: 32,
}  # fmt: skip
"""bitpix by datatype; what is no plain number is refused later, with its name."""
_FIELDS = {"dim": "40s8h", "type": "70s2h", "pixdim": "76s8f", "offset": "108sf",
           "scale": "112s2f", "units": "123sB", "codes": "252s2h", "forms": "256s18f",
           "magic": "344s4s"}  # fmt: skip
_FIELDS_2 = {"dim": "16s8q", "type": "12s2h", "pixdim": "104s8d", "offset": "168sq",
             "scale": "176s2d", "units": "500si", "codes": "344s2i", "forms": "352s18d",
             "magic": "4s8s"}  # fmt: skip
"""Where the fields are: bytes before them, and their kinds; of NIfTI-1 and NIfTI-2."""
_BYTES, _BYTES_2 = 348, 540
_MAGICS_2 = {b"n+2\0": b"n+2\0\r\n\x1a\n", b"ni2\0": b"ni2\0\r\n\x1a\n"}
"""Their ends tell of programs that change the ends of lines."""
_MOST_SINGLE = 3e38
_KINDS = {2: "u1", 4: "i2", 8: "i4", 16: "f4", 64: "f8", 256: "i1", 512: "u2", 768: "u4",
          1024: "i8", 1280: "u8"}  # fmt: skip
"""Of a voxel, by datatype, as NumPy calls them."""
_INT16 = 4
_FLOATS = (16, 64)
_UNSCALED = ((1.0, 0.0), (0.0, 0.0))
"""Slope and intercept of voxels that mean what they say; a slope of 0 is none."""


def nifti_header(path: Path) -> Header:
    """Return what the header of a .nii, .nii.gz or .hdr file promises.

    Raises:
        InputError: It breaks the definition; says which field and its value.
    """
    name = path.name
    start, is_packed = _start(path)
    order, fields = _fields(start, name)
    count = fields["dim"][0]
    if not 1 <= count <= MOST_AXES:
        damaged(name, f"dim[0] is {count}")
    kind, bits = fields["type"]
    if _BITS.get(kind) != bits:
        damaged(name, f"datatype {kind} with {bits} bits")
    _check_numbers(fields, name)
    offset = fields["offset"][0]
    is_pair = fields["magic"][0][1:2] == b"i"
    if not (offset >= 0 and offset == int(offset) and (is_pair or offset >= len(start))):
        damaged(name, f"vox_offset is {offset:g}")
    shape = shape_of(fields["dim"][1 : count + 1], name)
    data, is_packed = _data_of_pair(path) if is_pair else (path, is_packed)
    found = geometry(fields["pixdim"], fields["units"][0], fields["codes"], fields["forms"])
    said = check_forms(shape, found, name)
    stand_in = _stand_in(shape, kind, found, name) if len(start) == _BYTES_2 else b""
    dtype, own = _way(kind, fields["scale"], order, is_known=not stand_in)
    return Header(shape, bits // 8, data, int(offset), is_packed, dtype, own, found, said, stand_in)


def _way(
    kind: int, scale: tuple[float, float], order: str, *, is_known: bool
) -> tuple[str, tuple[float, float] | None]:
    """Return how NumPy reads the voxels, and their scale if ITK would read them otherwise.

    ITK makes 0 of NaN, adds an intercept to slope 0, and does not know NIfTI-2.
    """
    meant = _scale(*scale)
    is_plain = is_known and kind == _INT16 and scale in _UNSCALED and order == "<"
    is_odd = kind in _FLOATS or meant != scale or not is_known
    own = meant if is_odd and not is_plain and kind in _KINDS else None
    return order + _KINDS[kind] if is_plain or own else "", own


def _stand_in(shape: tuple[int, ...], kind: int, found: bytes, name: str) -> bytes:
    """Return a NIfTI-1 header for a NIfTI-2 file."""
    if max(shape) > MOST_LENGTH:
        raise InputError(
            f"{name} has {max(shape)} voxels along an axis, more than the {MOST_LENGTH} of a CT: "
            "crop it"
        )
    return nifti1_header(shape, kind, _BITS[kind], found)


def _start(path: Path) -> tuple[bytes, bool]:
    """Return the fixed part of the header, unpacked, and whether it was packed."""
    with path.open("rb") as file:
        is_packed = file.read(2) == b"\x1f\x8b"
    if is_packed != path.name.lower().endswith(".gz"):
        damaged(path.name, "packed content and the extension .gz do not belong together")
    try:
        if is_packed:
            start = unpacked_start(path)
        else:
            with path.open("rb") as file:
                start = file.read(START_BYTES)
    except (EOFError, OSError, zlib.error) as error:
        damaged(path.name, f"gzip: {error}")
    return start[: _BYTES_2 if start[4:8] in _MAGICS_2 else _BYTES], is_packed


def _fields(start: bytes, name: str) -> tuple[str, dict[str, tuple[Any, ...]]]:
    """Return the order of bytes, and the fields."""
    known = _FIELDS_2 if len(start) == _BYTES_2 else _FIELDS
    for order in "<>":
        if len(start) in (_BYTES, _BYTES_2) and struct.unpack_from(f"{order}i", start) == (
            len(start),
        ):
            fields = {
                key: struct.unpack_from(order + kinds, start)[1:] for key, kinds in known.items()
            }
            return order, fields if known is _FIELDS else _as_in_nifti1(fields, name)
    return damaged(name, "sizeof_hdr is neither 348 nor 540")


def _as_in_nifti1(fields: dict[str, tuple[Any, ...]], name: str) -> dict[str, tuple[Any, ...]]:
    """Return the fields of NIfTI-2 that say where voxels lie as NIfTI-1 can say them.

    Numbers become single; the scale of the values stays double.
    """
    if fields["magic"][0] not in _MAGICS_2.values():
        damaged(name, f"magic is {fields['magic'][0]!r}")
    if not 0 <= fields["units"][0] <= 255:
        damaged(name, f"xyzt_units is {fields['units'][0]}")
    if not all(-(2**15) <= code < 2**15 for code in fields["codes"]):
        damaged(name, f"qform_code and sform_code are {fields['codes']}")
    single = {key: tuple(map(_single, fields[key])) for key in ("pixdim", "forms")}
    return {**fields, **single}


def _single(value: float) -> float:
    """Return a number as four bytes hold it."""
    if abs(value) > _MOST_SINGLE:
        return math.copysign(math.inf, value)
    found: float = struct.unpack("f", struct.pack("f", value))[0]
    return found


def _scale(slope: float, intercept: float) -> tuple[float, float]:
    """Return what values are multiplied with, and what is added; a slope of 0 or NaN is none."""
    return (slope, intercept) if math.isfinite(slope) and slope else (1.0, 0.0)


def _check_numbers(fields: dict[str, tuple[Any, ...]], name: str) -> None:
    """Check that what ITK computes with is finite; a form that is not in use may hold anything."""
    qform, sform = fields["codes"]
    used = {
        "pixdim": fields["pixdim"][:4],
        "vox_offset": fields["offset"],
        "scl_slope and scl_inter": _scale(*fields["scale"]),
        "qform": fields["forms"][:6] if qform > 0 else (),
        "sform": fields["forms"][6:] if sform > 0 else (),
    }
    for key, values in used.items():
        for value in values:
            if not (math.isfinite(value) and abs(value) < 1e30):
                damaged(name, f"{key} has {value:g}")


def _data_of_pair(path: Path) -> tuple[Path, bool]:
    """Return the .img or .img.gz beside a .hdr, and whether it is packed."""
    stem = path.name.lower().removesuffix(".gz").removesuffix(".hdr")
    found = [path.with_name(path.name[: len(stem)] + end) for end in (".img", ".img.gz")]
    data = next((one for one in found if one.exists()), found[0])
    check_regular(data)
    return data, data.suffix == ".gz"
