"""What the zip files among the CTs of a batch hold: each is unpacked once to see, and removed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

from FlareSegLib.base.errors import InputError, ResourceError
from FlareSegLib.images.archive import unzipped
from FlareSegLib.images.dicom.series import Series, find_series
from FlareSegLib.images.itk_header import frames_of


@dataclass(frozen=True)
class Content:
    """What a zip file holds."""

    series: tuple[Series, ...] = ()
    """Their folder is the zip file."""
    frames: int = 0
    """Of its image, if it holds one."""


def content_of(path: Path) -> Content:
    """Return what a zip file holds; one that cannot be unpacked as if it held an image.

    Reading it will say why. What is known of a file that has not changed is not asked again, but
    for one that there was no room for.
    """
    try:
        facts = path.stat()
    except OSError:  # it has just been moved
        return Content()
    try:
        return _content(path, facts.st_size, facts.st_mtime_ns)
    except ResourceError:
        return Content(frames=1)


@lru_cache(maxsize=4096)
def _content(path: Path, size: int, changed_ns: int) -> Content:
    try:
        with unzipped(path) as found:
            if found.is_file():
                return Content(frames=frames_of(found))
            series = find_series(sorted(found.iterdir())).series
            return Content(tuple(replace(one, folder=path) for one in series))
    except InputError:
        return Content(frames=1)


def parts_of(zipped: Sequence[Series], others: Sequence[Series]) -> set[Path]:
    """Return the zip files that hold a part of a series whose other parts are elsewhere."""
    by_uid: dict[str, list[Series]] = {}
    for one in (*zipped, *others):
        by_uid.setdefault(one.uid, []).append(one)
    return {
        one.folder
        for one in zipped
        for other in by_uid[one.uid]
        if other is not one and not other.positions_mm & one.positions_mm
    }
