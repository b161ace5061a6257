"""Which files of a folder are DICOM, and what the header of each says."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from pathlib import Path

from FlareSegLib.base.errors import InputError
from FlareSegLib.base.paths import is_text
from FlareSegLib.images.dicom.apart import headers_apart
from FlareSegLib.images.dicom.elements import is_plain
from FlareSegLib.images.dicom.enhanced import with_frames
from FlareSegLib.images.dicom.header import Slice, read_headers, to_slice
from FlareSegLib.images.headers.checks import may_start_dicom

_log = logging.getLogger(__name__)
RESULTS = ("SEG", "OT")
"""Modalities of images that FlareSeg writes: segmentations, and secondary captures."""


def dicom_files(folder: Path) -> list[Path]:
    """Return the files in a folder and below it that may be DICOM, in order.

    Raises:
        InputError: One cannot be opened, or its name is no text.
    """
    return [path for path in sorted(folder.rglob("*")) if _may_be_dicom(path)]


def readable(files: Iterable[Path]) -> list[Path]:
    """Return those of the files that may be DICOM; what cannot be opened is left out."""
    return [path for path in files if _is_readable_dicom(path)]


def headers_of(paths: Sequence[Path]) -> list[Slice]:
    """Return the headers of those files that are images; a child opens those that are not plain.

    What was made of a CT and lies beside it must not turn one series into two.
    """
    others = {path for path in paths if not is_plain(path)}
    slices = read_headers([path for path in paths if path not in others])
    if others:
        found = headers_apart(sorted(others))
        slices = sorted(slices + [to_slice(one) for one in found], key=lambda one: one.path)
    return with_frames([one for one in slices if one.modality not in RESULTS])


def not_looked_at(path: Path) -> str:
    """Return how many files are no DICOM by their first bytes, and their extensions."""
    files = (one for one in (path if path.is_dir() else path.parent).rglob("*") if one.is_file())
    others = [one for one in files if not _is_readable_dicom(one)]
    endings = sorted({one.suffix[:12] or "none" for one in others})
    return f" ({len(others)} other files, extensions {', '.join(endings[:5])})" if others else ""


def _may_be_dicom(path: Path) -> bool:
    if not path.is_file() or path.name.startswith("."):
        return False
    try:
        with path.open("rb") as file:
            start = file.read(132)
    except OSError as error:
        raise InputError(
            f"{path.name} cannot be opened ({error.strerror}): make it readable"
        ) from error
    suffix = path.suffix.lower()
    without_preamble = suffix == ".dcm" or (suffix in ("", ".ima") and len(start) == 132)
    if start[128:] != b"DICM" and not without_preamble and not may_start_dicom(start):
        return False
    if not is_text(path):
        raise InputError(f"{path.name} is no UTF-8 text: rename file or folder")
    return True


def _is_readable_dicom(path: Path) -> bool:
    try:
        return _may_be_dicom(path)
    except InputError as error:
        _log.warning("left out: %s", error)
        return False
