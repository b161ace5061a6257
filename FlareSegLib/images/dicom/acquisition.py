"""How a CT was taken, as its DICOM header says; when, and of whom, only if that is allowed."""

from __future__ import annotations

from pathlib import Path

from FlareSegLib.images.dicom.acquired import said_in_groups
from FlareSegLib.images.privacy import elements_of

_TAKEN = {
    "slice_thickness_mm": (0x0018, 0x0050),
    "kernel": (0x0018, 0x1210),
    "kvp": (0x0018, 0x0060),
    "contrast": (0x0018, 0x0010),
    "manufacturer": (0x0008, 0x0070),
}
_PERSON = {
    "study_date": (0x0008, 0x0020),
    "sex": (0x0010, 0x0040),
    "age": (0x0010, 0x1010),
}
_NUMBERS = ("slice_thickness_mm", "kvp")


def acquisition(
    source: Path, series: str | None, *, with_person: bool = False
) -> dict[str, float | str]:
    """Return what the header of a slice says; empty if the source is not DICOM.

    Args:
        source: An image file, or a folder with DICOM files.
        series: UID of the series.
        with_person: Date of the study, sex and age too: with others they may tell who it is.
    """
    wanted = {**_TAKEN, **_PERSON} if with_person else _TAKEN
    known = elements_of(source, series, list(wanted.values()))
    if known is None:
        return {}
    path, said = known
    inside = said_in_groups(path, _TAKEN.values())
    found: dict[str, float | str] = {}
    for (name, tag), own in zip(wanted.items(), said, strict=True):
        text = inside.get(tag) or own
        if not text:
            continue
        if name not in _NUMBERS:
            found[name] = text
            continue
        try:
            found[name] = float(text)
        except ValueError:
            continue
    return found
