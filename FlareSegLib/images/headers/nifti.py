"""The header of a NIfTI file, by the NIfTI-1 and NIfTI-2 definitions (nifti.nimh.nih.gov)."""

from __future__ import annotations

import gzip
import math
import struct
import zlib
from pathlib import Path
from typing import Any

from FlareSegLib.images.headers.checks import MOST_AXES, Header, check_regular, damaged, shape_of

_BITS = {
    2: 8, 4: 16, 8: 32, 16: 32, 32: 64, 64: 64, 128: 24, 256: 8, 512: 16, 768: 32, 1024: 64,
    1280: 64, 1536: 128, 1792: 128, 2304: 32,
}  # fmt: skip
"""bitpix by datatype; what is no plain number is refused later, with its name."""
_FIELDS = {
    348: {"dim": "40s8h", "type": "70s2h", "pixdim": "76s8f", "offset": "108sf", "scale": "112s2f",
          "codes": "252s2h", "forms": "256s18f", "magic": "344s4s"},
    540: {"dim": "16s8q", "type": "12s2h", "pixdim": "104s8d", "offset": "168sq", "scale": "176s2d",
          "codes": "344s2i", "forms": "352s18d", "magic": "4s8s"},
}  # fmt: skip
"""Where the fields are, by sizeof_hdr: bytes before them, and their kinds."""

_INT16 = 4
_UNSCALED = ((1.0, 0.0), (0.0, 0.0))
"""Slope and intercept of voxels that mean what they say; a slope of 0 is none."""


def nifti_header(path: Path) -> Header:
    """Return what the header of a .nii, .nii.gz or .hdr file promises.

    Raises:
        InputError: It breaks the definition; says which field and its value.
    """
    name = path.name
    start, is_packed = _start(path)
    fields = _fields(start, name)
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
    is_plain = kind == _INT16 and fields["scale"] in _UNSCALED and start[:1] == b"\x5c"
    dtype = "<i2" if is_plain else ""
    return Header(shape, bits // 8, data, int(offset), is_packed, dtype)


def _start(path: Path) -> tuple[bytes, bool]:
    """Return the fixed part of the header, unpacked, and whether it was packed."""
    with path.open("rb") as file:
        is_packed = file.read(2) == b"\x1f\x8b"
    if is_packed != path.name.lower().endswith(".gz"):
        damaged(path.name, "packed content and the extension .gz do not belong together")
    try:
        with gzip.open(path) if is_packed else path.open("rb") as file:
            start = file.read(540)
    except (EOFError, OSError, zlib.error) as error:
        damaged(path.name, f"gzip: {error}")
    size = 540 if start[4:7] in (b"n+2", b"ni2") else 348
    return start[:size], is_packed


def _fields(start: bytes, name: str) -> dict[str, tuple[Any, ...]]:
    for order in "<>":
        size = struct.unpack_from(f"{order}i", start)[0] if len(start) >= 348 else 0
        if size == len(start) and size in _FIELDS:
            return {
                key: struct.unpack_from(order + kinds, start)[1:]
                for key, kinds in _FIELDS[size].items()
            }
    damaged(name, "sizeof_hdr is neither 348 nor 540")
    return None


def _check_numbers(fields: dict[str, tuple[Any, ...]], name: str) -> None:
    """Check that what ITK computes with is finite; a form that is not in use may hold anything."""
    used = [*fields["pixdim"], *fields["offset"], *fields["scale"]]
    qform, sform = fields["codes"]
    used += fields["forms"][:6] if qform > 0 else ()
    used += fields["forms"][6:] if sform > 0 else ()
    for value in used:
        if not (math.isfinite(value) and abs(value) < 1e30):
            damaged(name, f"a number is {value:g}")


def _data_of_pair(path: Path) -> tuple[Path, bool]:
    """Return the .img or .img.gz beside a .hdr, and whether it is packed."""
    stem = path.name.lower().removesuffix(".gz").removesuffix(".hdr")
    found = [path.with_name(path.name[: len(stem)] + end) for end in (".img", ".img.gz")]
    data = next((one for one in found if one.exists()), found[0])
    check_regular(data)
    return data, data.suffix == ".gz"
