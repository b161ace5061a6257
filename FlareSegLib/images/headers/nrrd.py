"""The header of a NRRD file, by its definition (teem.sourceforge.net/nrrd/format.html)."""

from __future__ import annotations

import re
from pathlib import Path

from FlareSegLib.base.errors import InputError
from FlareSegLib.images.headers.checks import (
    Header,
    damaged,
    numbers_of,
    position,
    shape_of,
    sibling,
    text_lines,
    whole_numbers_of,
)

_BYTES = {"char": 1, "short": 2, "int": 4, "longlong": 8, "float": 4, "double": 8}
_WORDS = {
    "signed char": "char", "int8": "char", "int8_t": "char", "uchar": "char",
    "unsigned char": "char", "uint8": "char", "uint8_t": "char", "short int": "short",
    "signed short": "short", "signed short int": "short", "int16": "short", "int16_t": "short",
    "ushort": "short", "unsigned short": "short", "unsigned short int": "short", "uint16": "short",
    "uint16_t": "short", "signed int": "int", "int32": "int", "int32_t": "int", "uint": "int",
    "unsigned int": "int", "uint32": "int", "uint32_t": "int", "long long": "longlong",
    "int64": "longlong", "int64_t": "longlong", "uint64": "longlong", "uint64_t": "longlong",
    "ulonglong": "longlong", "unsigned long long": "longlong",
}  # fmt: skip
_FREE = {
    "content",
    "space units",
    "units",
    "labels",
    "kinds",
    "centers",
    "centerings",
    "number",
    "sample units",
    "sampleunits",
}
"""Fields of text, or that no reader needs."""
_NUMBERS = {
    "spacings", "thicknesses", "axis mins", "axismins", "axis maxs", "axismaxs", "min", "max",
    "old min", "oldmin", "old max", "oldmax",
}  # fmt: skip
_VECTORS = {"space directions", "space origin", "measurement frame"}
_CHOICES = {"endian": {"little", "big"}, "encoding": {"raw", "gzip", "gz"}}
_SKIPS = {"byte skip", "byteskip", "line skip", "lineskip"}
"""Only 0 is read."""
_KNOWN = {"dimension", "type", "sizes", "space", "space dimension", "data file", "datafile",
          *_FREE, *_SKIPS, *_NUMBERS, *_VECTORS, *_CHOICES}  # fmt: skip


def nrrd_header(path: Path) -> Header:
    """Return what the header of a .nrrd or .nhdr file promises.

    Raises:
        InputError: A field is unknown, doubled or not as defined; says which and its value.
    """
    name = path.name
    with path.open("rb") as file:
        lines = text_lines(file, name)
        offset = position(file)
    if not re.fullmatch(r"NRRD000[1-6]", lines[0].strip()):
        damaged(name, lines[0])
    fields = _fields(lines[1:], name)
    for field in ("type", "dimension", "sizes", "encoding"):
        if field not in fields:
            damaged(name, f"{field} is missing")
    _check_fields(fields, name)
    _check_spacing(fields, name)
    kind = fields["type"].lower()
    kind = _WORDS.get(kind, kind)
    shape = shape_of(whole_numbers_of(fields["sizes"], name, "sizes"), name)
    if kind not in _BYTES or fields["dimension"].strip() != str(len(shape)):
        damaged(name, f"type {fields['type']}, dimension {fields['dimension']}")
    named = fields.get("data file", fields.get("datafile"))
    data = path if named is None else sibling(path, named, name)
    is_packed = fields["encoding"].lower() != "raw"
    at = 0 if is_packed or named is not None else offset
    return Header(shape, _BYTES[kind], data, at, is_packed)


def _fields(lines: list[str], name: str) -> dict[str, str]:
    """Return the known fields; comments and keys of programs are left out."""
    fields: dict[str, str] = {}
    for line in lines:
        if line.startswith("#") or ":=" in line:
            continue
        key, colon, value = line.partition(":")
        if not colon or key in fields:
            damaged(name, line)
        is_text = value.isascii() or key.lower() in _FREE
        if key.lower() not in _KNOWN or not is_text:
            raise InputError(
                f"{name} has the NRRD field {line[:60]!r}, which is not read: save it anew"
            )
        fields[key.lower()] = value.strip()
    return fields


def _check_fields(fields: dict[str, str], name: str) -> None:
    for key, value in fields.items():
        if key in _SKIPS and value != "0":
            raise InputError(f"{name} has {key} {value[:40]!r}: save it anew, without skips")
        if key in _NUMBERS:
            numbers_of(value.lower().replace("nan", "0"), name, key)
        elif key in _VECTORS:
            _check_vectors(value, name, key)
        elif key in _CHOICES and value.lower() not in _CHOICES[key]:
            raise InputError(f"{name} has {key} {value[:40]!r}: save it as raw or gzip")


def _check_spacing(fields: dict[str, str], name: str) -> None:
    """Check that three axes say their spacing: ITK would make up 1 mm."""
    directions = re.sub(r"\s*,\s*", ",", fields.get("space directions", "")).split()
    vectors = [re.findall(r"[-+.\deE]+", word) for word in directions if word.lower() != "none"]
    steps = [max(abs(float(n)) for n in vector) for vector in vectors if vector]
    if not directions:
        steps = [float(word) for word in fields.get("spacings", "").split()]
    given = sum(step > 0 and step == step for step in steps)  # NaN is none
    axes = fields["dimension"].strip()
    if axes.isdecimal() and given < min(3, int(axes)):
        raise InputError(
            f"{name} has no voxel spacing ({given} of 3 axes have one in 'space directions' or "
            "'spacings'): save it anew with it"
        )


def _check_vectors(text: str, name: str, field: str) -> None:
    """Check vectors such as (1,0,0) (0,1,0) none."""
    for word in re.sub(r"\s*,\s*", ",", text).split():
        if word == "none":
            continue
        if not (word.startswith("(") and word.endswith(")")):
            damaged(name, f"{field}: {text}")
        numbers_of(word[1:-1].replace(",", " "), name, field)
