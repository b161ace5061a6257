"""What a media directory (DICOMDIR) names and what is there of it (DICOM PS3.3, F; PS3.10, 8).

A disc that is scratched, or was copied in part, gives a series that looks whole: without its first
or last slices. Its directory knows better.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from FlareSegLib.base.errors import InputError
from FlareSegLib.images.dicom.beside import MEDIA_DIRECTORY
from FlareSegLib.images.dicom.elements import LOST, Tag, own_values
from FlareSegLib.images.dicom.header import Slice
from FlareSegLib.images.dicom.nested import DataSet, main_of, opened

_NAMES = ("DICOMDIR", "dicomdir")
"""As it stands on a disc, and as Linux may show it."""
_MOST_ABOVE = 8
"""Folders between a directory and its files: a file ID has at most eight parts."""
_META_CLASS = (0x0002, 0x0002)
_RECORDS = (0x0004, 0x1220)
_NEXT, _IN_USE, _LOWER = (0x0004, 0x1400), (0x0004, 0x1410), (0x0004, 0x1420)
_KIND, _FILE, _INSTANCE = (0x0004, 0x1430), (0x0004, 0x1500), (0x0004, 0x1511)
_SERIES, _MODALITY = (0x0020, 0x000E), (0x0008, 0x0060)
_NUMBERS = (_NEXT, _IN_USE, _LOWER)
_WANTED = (*_NUMBERS, _KIND, _FILE, _INSTANCE, _SERIES, _MODALITY)
_MOST_NAME = 1024
_ITEM_HEAD = 8
"""Bytes before an item, where offsets point to."""
_Record = dict[Tag, str]


@dataclass(frozen=True)
class Named:
    """A file with an image that a directory names."""

    name: str
    """Its place on the disc, such as DICOM/IM001."""
    series: str
    """UID."""
    modality: str
    instance: str
    """SOP instance UID."""


def check_disc(
    folder: Path, files: Sequence[Path], found: Sequence[Slice], series: str
) -> tuple[str, ...]:
    """Check that all files of a series are there that a media directory names.

    A file is known by its SOP instance, so that a copy may have other names, or by its name.

    Args:
        folder: Where the series is; the directory is in it, or above it.
        files: All DICOM files in it.
        found: What their headers say, directories too.
        series: UID of the series; empty if there is none in the folder.

    Returns:
        A sentence for what is missing of other series in the folder, or if it cannot be told.

    Raises:
        InputError: Some are missing; says how many of how many.
    """
    said = []
    inside = [one.path for one in found if one.sop_class == MEDIA_DIRECTORY]
    instances = {one.instance for one in found if one.instance}
    for directory in inside or _above(folder):
        try:
            named = named_in(directory)
        except LOST:
            said.append(f"{directory.name} is damaged: whether files are missing cannot be told")
            continue
        gone = _gone(named, directory, files, instances)
        _check_own(gone, named, series, directory.name, folder.name or str(folder))
        if gone and inside:
            count = len({one.series for one in gone})
            said.append(
                f"{directory.name} names {len(gone)} files of {count} other series that are not "
                f"there, first {gone[0].name}"
            )
    return tuple(said)


def _check_own(
    gone: Sequence[Named], named: Sequence[Named], series: str, directory: str, folder: str
) -> None:
    own = [one for one in gone if not series or one.series == series]
    if not own:
        return
    count = sum(not series or one.series == series for one in named)
    raise InputError(
        f"{directory} names {count} files of {'this' if series else 'all'} series, {len(own)} of "
        f"them are not in {folder} or are no DICOM, first {own[0].name}: copy the whole disc again "
        f"and give its folder; to go without them, take {directory} away"
    )


def lost_series(directory: Path, found: Collection[str]) -> list[Named]:
    """Return the first file of each CT series that a directory names and that was not found.

    Args:
        directory: A file; what is no directory, or is damaged, names nothing.
        found: UIDs of series.
    """
    try:
        named = named_in(directory)
    except LOST:
        return []
    first = {one.series: one for one in reversed(named)}
    return [one for one in first.values() if one.modality == "CT" and one.series not in found]


def named_in(directory: Path) -> list[Named]:
    """Return the files with images that a directory names.

    Raises:
        OSError: It cannot be opened.
        ValueError: It is not written in a way that is followed here.
        struct.error: It ends in the head of an element.
    """
    with opened(directory) as data:
        values = main_of(data).elements()
        sequence = next((value for tag, value in values if tag == _RECORDS), None)
        items = sequence.items() if sequence else iter(())
        records = {item.at - _ITEM_HEAD: _record(item) for item in items}
    return list(_images(records))


def _record(item: DataSet) -> _Record:
    return {
        tag: str(value.number()) if tag in _NUMBERS else value.text(_MOST_NAME)
        for tag, value in item.elements()
        if tag in _WANTED
    }


def _images(records: dict[int, _Record]) -> Iterator[Named]:
    """Yield the images among records, by place in the file.

    The series of an image is the one whose chain of offsets leads to it; where offsets are wrong,
    the one that stands before it.
    """
    owners = _owners(records)
    last: _Record = {}
    for at, one in records.items():
        if one.get(_KIND) == "SERIES":
            last = one
        if one.get(_KIND) == "IMAGE" and one.get(_FILE) and one.get(_IN_USE) != "0":
            series = owners.get(at, last)
            name = "/".join(part.strip() for part in one[_FILE].split("\\"))
            uid, modality = series.get(_SERIES, ""), series.get(_MODALITY, "")
            yield Named(name, uid, modality, one.get(_INSTANCE, ""))


def _owners(records: dict[int, _Record]) -> dict[int, _Record]:
    """Return the series to which the chain of its offsets leads, for each record in one."""
    owners: dict[int, _Record] = {}
    for one in records.values():
        at = int(one.get(_LOWER, 0)) if one.get(_KIND) == "SERIES" else 0
        while at in records and at not in owners:
            owners[at] = one
            at = int(records[at].get(_NEXT, 0))
    return owners


def _gone(
    named: Sequence[Named], directory: Path, files: Sequence[Path], instances: set[str]
) -> list[Named]:
    """Return what is not among files, nor instances."""
    gone = [one for one in named if one.instance not in instances]
    if not gone:
        return []
    there = {_plain(os.path.relpath(path, directory.parent)) for path in files}
    return [one for one in gone if _plain(one.name) not in there]


def _plain(name: str) -> str:
    """Return a name as all systems have it: ISO 9660 knows no small letters, and versions."""
    return name.replace(os.sep, "/").casefold().partition(";")[0].rstrip(".")


def _above(folder: Path) -> list[Path]:
    """Return the nearest media directory above a folder, if there is one."""
    places = folder.absolute().parents[:_MOST_ABOVE]
    paths = (above / name for above in places for name in _NAMES)
    wanted = {_META_CLASS: MEDIA_DIRECTORY}
    return next(([path] for path in paths if own_values(path, [_META_CLASS]) == wanted), [])
