"""The header of a MetaImage file: .mha, or .mhd with its data beside it (itk.org/Wiki/MetaIO)."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
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

_KINDS = {
    "MET_CHAR": "i1", "MET_UCHAR": "u1", "MET_SHORT": "i2", "MET_USHORT": "u2", "MET_INT": "i4",
    "MET_UINT": "u4", "MET_LONG": "i4", "MET_ULONG": "u4", "MET_LONG_LONG": "i8",
    "MET_ULONG_LONG": "u8", "MET_FLOAT": "f4", "MET_DOUBLE": "f8",
}  # fmt: skip
"""Of a voxel, as NumPy calls them: the digit is its bytes."""
_ORDERS = ("BinaryDataByteOrderMSB", "ElementByteOrderMSB")
_TRUTHS = {"BinaryData", "CompressedData", *_ORDERS}
_VECTORS = {
    "Offset": 1, "Origin": 1, "Position": 1, "CenterOfRotation": 1, "ElementSpacing": 1,
    "ElementSize": 1, "TransformMatrix": 2, "Rotation": 2, "Orientation": 2,
}  # fmt: skip
"""Fields of numbers: as many as there are axes, or its square."""
_COUNTS = {"NDims", "DimSize", "CompressedDataSize", "ElementNumberOfChannels", "HeaderSize", "ID",
           "ParentID"}  # fmt: skip
_TEXTS = {"ObjectType", "ObjectSubType", "Comment", "Name", "AnatomicalOrientation", "Modality",
          "ElementType", "ElementDataFile", "DistanceUnits", "AcquisitionDate", "Color",
          "ITK_InputFilterName", "TransformType", "CompressedDataLevel"}  # fmt: skip
_FREE = {"Comment", "Name", "AcquisitionDate"}
"""Texts that say nothing of the voxels."""
_MOST_TEXT = 255
"""Letters of a line; longer ones than MetaIO's fixed fields were the end of the process."""
_MOST_KEY = 60
_INSIDE = ("LOCAL", "Local", "local")
_OF_DATA = ("HeaderSize", "CompressedData", "CompressedDataSize", "ElementDataFile")


def meta_header(path: Path) -> Header:
    """Return what the header of a .mha or .mhd file promises.

    Raises:
        InputError: A field is doubled, too long or not as defined; says which and its value.
    """
    name = path.name
    with path.open("rb") as file:
        fields, is_odd = _fields(text_lines(file, name), name)
        start = position(file)
    axes = whole_numbers_of(fields["NDims"], name, "NDims")
    shape = shape_of(whole_numbers_of(fields["DimSize"], name, "DimSize"), name)
    if axes != (len(shape),):
        damaged(name, f"NDims = {fields['NDims']}, DimSize = {fields['DimSize']}")
    _check_fields(fields, len(shape), name)
    kind = fields["ElementType"]
    if kind not in _KINDS:
        damaged(name, f"ElementType = {kind}")
    channels = _one(fields.get("ElementNumberOfChannels", "1"), name)
    is_packed = fields.get("CompressedData", "False") == "True"
    named = fields["ElementDataFile"]
    data = path if named in _INSIDE else sibling(path, named, name)
    header = Header(shape, int(_KINDS[kind][1:]) * channels, data, is_packed=is_packed)
    if not is_packed:
        header = replace(header, offset=_offset(fields, header, start))
    return _read_here(header, fields, start) if is_odd or "HeaderSize" in fields else header


def _offset(fields: dict[str, str], header: Header, start: int) -> int:
    """Return where the voxels begin; HeaderSize = -1: they are the last bytes of the file."""
    if fields.get("HeaderSize") == "-1":
        with suppress(OSError):  # who looks for the voxels says so
            return max(0, header.data.stat().st_size - header.expected)
    return start if fields["ElementDataFile"] in _INSIDE else 0


def _read_here(header: Header, fields: dict[str, str], start: int) -> Header:
    """Return the header of a file whose voxels are read here, and what ITK reads of it."""
    order = ">" if any(fields.get(key) == "True" for key in _ORDERS) else "<"
    lines = [f"{key} = {value}" for key, value in fields.items() if key not in _OF_DATA]
    return replace(
        header,
        packed_at=start if fields["ElementDataFile"] in _INSIDE else 0,
        dtype=order + _KINDS[fields["ElementType"]],
        scale=(1.0, 0.0),
        stand_in="\n".join([*lines, "ElementDataFile = LOCAL", ""]).encode("latin-1"),
    )


def _fields(lines: list[str], name: str) -> tuple[dict[str, str], bool]:
    """Return the fields, and whether free texts were left out that MetaIO must not see."""
    fields: dict[str, str] = {}
    is_odd = False
    for line in lines:
        key, sign, value = (part.strip() for part in line.partition("="))
        is_text = key.isascii() and bool(value) and value.isprintable() and len(line) <= _MOST_TEXT
        if sign and not is_text and _is_free(key):
            is_odd = True
            continue
        if not (sign and key and is_text) or key in fields:
            damaged(name, line)
        fields[key] = value
    _check_order(fields, name)
    return fields, is_odd


def _is_free(key: str) -> bool:
    """Return whether a field says nothing of the voxels."""
    is_known = key in _TEXTS | _TRUTHS | _COUNTS or key in _VECTORS
    is_name = key.isascii() and key.replace("_", "").isalnum() and len(key) <= _MOST_KEY
    return key in _FREE or (is_name and not is_known)


def _check_order(fields: dict[str, str], name: str) -> None:
    for key in ("NDims", "DimSize", "ElementType", "ElementDataFile"):
        if key not in fields:
            damaged(name, f"{key} is missing")
    order = list(fields)
    if any(
        order.index(key) < order.index("NDims") for key in (*_VECTORS, "DimSize") if key in fields
    ):
        damaged(name, "NDims does not come first")
    if order[-1] != "ElementDataFile":
        damaged(name, "ElementDataFile is not last")


def _check_fields(fields: dict[str, str], axes: int, name: str) -> None:
    for key, value in fields.items():
        if key in _VECTORS:
            count = len(numbers_of(value, name, key))
            if count != axes ** _VECTORS[key]:
                damaged(name, f"{key} = {value}")
        elif key in _TRUTHS and value not in ("True", "False"):
            damaged(name, f"{key} = {value}")
        elif key in _COUNTS and key not in ("ID", "ParentID", "HeaderSize"):
            whole_numbers_of(value, name, key)
        elif key not in _TEXTS | _TRUTHS | _COUNTS and not key.replace("_", "").isalnum():
            damaged(name, f"{key} = {value}")
    _check_choices(fields, name)
    if not {"ElementSpacing", "ElementSize"} & fields.keys():
        raise InputError(
            f"{name} has no voxel spacing (neither ElementSpacing nor ElementSize): save it anew "
            "with it"
        )


def _check_choices(fields: dict[str, str], name: str) -> None:
    if fields.get("ObjectType", "Image") != "Image":
        raise InputError(f"{name} is no image but {fields['ObjectType'][:40]!r}: give a CT")
    if fields.get("BinaryData", "True") != "True":
        raise InputError(f"{name} holds its voxels as text (BinaryData = False): save it anew")
    is_packed = fields.get("CompressedData") == "True"
    if fields.get("HeaderSize", "0") not in (("0",) if is_packed else ("0", "-1")):
        raise InputError(f"{name} has HeaderSize = {fields['HeaderSize']}: save it anew")


def _one(text: str, name: str) -> int:
    found = whole_numbers_of(text, name, "ElementNumberOfChannels")
    if len(found) != 1 or not 1 <= found[0] <= 64:
        damaged(name, f"ElementNumberOfChannels = {text}")
    return found[0]
