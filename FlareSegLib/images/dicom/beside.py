"""What lies in the folder of a series and is none of its slices: left out, and counted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from FlareSegLib.base.atomic import digest
from FlareSegLib.images.dicom.header import CT_CLASSES, Slice

MEDIA_DIRECTORY = "1.2.840.10008.1.3.10"
_STORAGE = "1.2.840.10008.5.1.4.1.1."
_NAMES = {
    "11.": "presentation state", "66": "raw data, registration or fiducials", "67": "value map",
    "88.59": "key object selection", "88.": "report", "481.": "radiotherapy object",
    "104.": "document", "7": "secondary capture", "9.": "waveform",
}  # fmt: skip
"""What begins a class after _STORAGE, and what people call it; the longest comes first."""


def left_out(others: Sequence[Slice]) -> tuple[str, ...]:
    """Return a sentence that counts DICOM objects without an image; media directories are none."""
    named = [one.sop_class for one in others if one.sop_class not in ("", MEDIA_DIRECTORY)]
    return _sentence(named, "without an image")


def without_captures(slices: Sequence[Slice]) -> tuple[list[Slice], tuple[str, ...]]:
    """Return the slices of a CT class, if there are some, and a sentence for the rest."""
    ct = [one for one in slices if one.sop_class in CT_CLASSES]
    if not ct or len(ct) == len(slices):
        return list(slices), ()
    rest = [one.sop_class for one in slices if one.sop_class not in CT_CLASSES]
    return ct, _sentence(rest, "in the series that are no CT")


def without_copies(slices: Sequence[Slice]) -> tuple[list[Slice], tuple[str, ...]]:
    """Return the slices without files that are byte for byte another one of the same instance."""
    counts = Counter((one.instance, one.frame) for one in slices if one.instance)
    kept: list[Slice] = []
    seen: set[tuple[str, int | None, str]] = set()
    for one in slices:
        if counts[one.instance, one.frame] > 1:
            key = (one.instance, one.frame, digest(one.path))
            if key in seen:
                continue
            seen.add(key)
        kept.append(one)
    count = len(slices) - len(kept)
    return kept, (f"{count} exact copies of slices were left out",) if count else ()


def _sentence(classes: Sequence[str], what: str) -> tuple[str, ...]:
    if not classes:
        return ()
    counts = Counter(_name(one) for one in classes)
    table = ", ".join(f"{count} {name}" for name, count in sorted(counts.items()))
    return (f"DICOM objects {what} were left out: {table}",)


def _name(sop_class: str) -> str:
    kind = sop_class.removeprefix(_STORAGE)
    return next((name for start, name in _NAMES.items() if kind.startswith(start)), "other")
