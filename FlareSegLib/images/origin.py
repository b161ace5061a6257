"""What a report says of the CT it was made from, so that the CT can be found and known again.

A path is told relative to the report, and only if it says nothing of a patient (privacy.py) and
nothing of where this user's home or this computer's disks are.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from FlareSegLib.base.atomic import digest
from FlareSegLib.base.errors import InputError
from FlareSegLib.images.headers.checks import DICOM, image_format
from FlareSegLib.images.privacy import identity_of, series_uid


def origin(
    source: Path,
    series: str | None,
    report: Path,
    *,
    keep_ids: bool = False,
    archive: Path | None = None,
) -> dict[str, object]:
    """Return where a CT lies as seen from its report, its checksum, and the UID of its series.

    Args:
        source: An image file, or a folder with a DICOM series.
        series: UID of the series, if the folder holds several.
        report: Where the report will be.
        keep_ids: Tell the path even if the patient's name is in it.
        archive: The zip file that source was unpacked from: it is what can be found again.
    """
    uid, _, part = (series or "").partition("#")
    is_image = source.is_file() and image_format(source) != DICOM
    path = _relative((archive or source).resolve(), report.resolve().parent)
    if path and not keep_ids and identity_of(source, series).hide(path) != path:
        path = None
    return {
        "path": path,
        "sha256": digest(archive or source) if archive or is_image else None,
        "series_uid": None if is_image else uid or series_uid(source),
        **({"part": int(part)} if part.isdecimal() else {}),
    }


def _relative(source: Path, folder: Path) -> str | None:
    try:
        shared = Path(os.path.commonpath([source, folder]))
        if shared in (Path(shared.anchor), Path.home().parent):
            return None
        return Path(os.path.relpath(source, folder)).as_posix()
    except ValueError:  # two drives of Windows
        return None


def found_again(run: Mapping[str, Any], report: Path) -> Path:
    """Return the CT that a report was made from.

    Args:
        run: The part "run" of the report.
        report: Where it lies.

    Raises:
        InputError: The CT is not there, or is another than it was.
    """
    known = run.get("source") or {}
    names = [name for name in (known.get("path"), run["input"]) if name]
    places = [report.parent / str(name) for name in names]
    ct = next((place for place in places if place.exists()), None)
    if ct is None:
        raise InputError(
            f"{places[0]} is not there, from which {report.name} was made: name the CT with --ct"
        )
    if known.get("sha256") and ct.is_file() and digest(ct) != known["sha256"]:
        raise InputError(
            f"{ct} has changed since {report.name} was made from it: name the CT with --ct"
        )
    return ct
