"""The header of a MetaImage file: .mha, or .mhd with its data beside it (itk.org/Wiki/MetaIO)."""

from __future__ import annotations

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

_BYTES = {
    "MET_CHAR": 1, "MET_UCHAR": 1, "MET_SHORT": 2, "MET_USHORT": 2, "MET_INT": 4, "MET_UINT": 4,
    "MET_LONG": 4, "MET_ULONG": 4, "MET_LONG_LONG": 8, "MET_ULONG_LONG": 8, "MET_FLOAT": 4,
    "MET_DOUBLE": 8,
}  # fmt: skip
_TRUTHS = {"BinaryData", "CompressedData", "BinaryDataByteOrderMSB", "ElementByteOrderMSB"}
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
_MOST_TEXT = 255
"""Letters of a text; longer ones than MetaIO's fixed fields were the end of the process."""


def meta_header(path: Path) -> Header:
    """Return what the header of a .mha or .mhd file promises.

    Raises:
        InputError: A field is doubled, too long or not as defined; says which and its value.
    """
    name = path.name
    with path.open("rb") as file:
        fields = _fields(text_lines(file, name), name)
        offset = position(file)
    axes = whole_numbers_of(fields["NDims"], name, "NDims")
    shape = shape_of(whole_numbers_of(fields["DimSize"], name, "DimSize"), name)
    if axes != (len(shape),):
        damaged(name, f"NDims = {fields['NDims']}, DimSize = {fields['DimSize']}")
    _check_fields(fields, len(shape), name)
    kind = fields["ElementType"]
    if kind not in _BYTES:
        damaged(name, f"ElementType = {kind}")
    channels = _one(fields.get("ElementNumberOfChannels", "1"), name)
    is_packed = fields.get("CompressedData", "False") == "True"
    named = fields["ElementDataFile"]
    is_inside = named in ("LOCAL", "Local", "local")
    data = path if is_inside else sibling(path, named, name)
    at = offset if is_inside and not is_packed else 0
    return Header(shape, _BYTES[kind] * channels, data, at, is_packed)


def _fields(lines: list[str], name: str) -> dict[str, str]:
    fields: dict[str, str] = {}
    for line in lines:
        key, sign, value = (part.strip() for part in line.partition("="))
        is_text = key.isascii() and value.isprintable() and len(line) <= _MOST_TEXT
        if not (sign and key and value and is_text) or key in fields:
            damaged(name, line)
        fields[key] = value
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
    return fields


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
    if fields.get("HeaderSize", "0") != "0":
        raise InputError(f"{name} has HeaderSize = {fields['HeaderSize']}: save it anew")


def _one(text: str, name: str) -> int:
    found = whole_numbers_of(text, name, "ElementNumberOfChannels")
    if len(found) != 1 or not 1 <= found[0] <= 64:
        damaged(name, f"ElementNumberOfChannels = {text}")
    return found[0]
