"""Which CTs a folder holds, and what their files shall be called."""

from __future__ import annotations

import hashlib
import logging
import os
import re
import unicodedata
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from FlareSegLib.batch.labels_beside import without_labelmaps
from FlareSegLib.batch.left_out import tell_left_out
from FlareSegLib.batch.zips import Content, content_of, parts_of
from FlareSegLib.images.dicom.header import Slice
from FlareSegLib.images.dicom.series import Series, find_series
from FlareSegLib.images.itk_header import frames_of
from FlareSegLib.images.privacy import identity_of

IMAGES = (".nii.gz", ".nii", ".nrrd", ".mha", ".mhd")
"""Extensions of files that are taken for a CT."""
LABELMAPS = (".seg.nrrd",)
"""Extensions of files that are none, although they end in one of IMAGES."""
_ZIP = ".zip"
FEWEST_SLICES = 16
"""DICOM series with fewer are scouts and the like."""
_MOST_BYTES = 150
"""Of a name, so that the longest ending fits into the 255 bytes of a file system."""
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Case:
    """One CT of many."""

    name: str
    """Safe as part of a file name, and unique among the cases."""
    source: Path
    """An image file, or a folder with a DICOM series."""
    place: str
    """Where source lies in the folder that was searched, for people."""
    series: str | None = None
    """UID of the DICOM series."""

    @property
    def key(self) -> str:
        """The same for the same CT, whatever it is called."""
        return f"{self.source}|{self.series}"


def find_cases(
    folder: Path, without: Path | None = None, top: Path | None = None
) -> tuple[Case, ...]:
    """Return the CTs in a folder and its subfolders, in the order of their places.

    A case is an image file, or a DICOM series of modality CT with at least 16 slices; or one of
    these in a zip file. Hidden files are left out, and labelmaps that lie beside CTs. The same
    folder gives the same names.

    Args:
        folder: Where to search; links are followed.
        without: A folder that is not searched, such as the one for the results.
        top: Cases are named by their place in it; None: folder.
    """
    top = top or folder
    found: list[Case] = []
    series: list[Series] = []
    rest: list[Slice] = []
    others: list[Path] = []
    zips: list[Path] = []
    for files in _files_by_folder(folder, without.resolve() if without else None):
        images = [path for path in files if _is_image(path)]
        found += [case_at(path, top) for path in images]
        packed = [path for path in files if path.suffix.lower() == _ZIP]
        zips += packed
        known = {*images, *packed}
        inside = find_series([path for path in files if path not in known])
        series += inside.series
        rest += inside.rest
        others += inside.others
    tell_left_out(rest, others, series)
    found = by_frame(without_labelmaps(found + _series_cases(_merged(series), top)))
    found += zip_cases(zips, top, series)
    found.sort(key=lambda case: (case.place, _order(case)))
    return unique_names(found)


def _order(case: Case) -> tuple[int, str]:
    """Return what sorts the cases of one place: frames by number, series by UID."""
    number = (case.series or "").removeprefix("#")
    return int(number) if number.isdecimal() else 0, case.series or ""


def zip_cases(zips: Sequence[Path], top: Path, others: Sequence[Series] = ()) -> list[Case]:
    """Return the cases in zip files: each series, or each frame of an image.

    Args:
        zips: The files.
        top: Cases are named by their place in it.
        others: Series that lie beside them: a zip file with another part of one is left out.
    """
    contents = {path: content_of(path) for path in zips}
    series = [one for content in contents.values() for one in content.series]
    if parts := parts_of(series, others):
        named = ", ".join(sorted(path.name for path in parts)[:3])
        said = "left out %d zip files with a part of a series each (%s): unpack them to one folder"
        _log.warning(said, len(parts), named)
    if empty := list(contents.values()).count(Content()):
        _log.warning("left out %d zip files that hold no DICOM series and no image", empty)
    counts = {path: content.frames for path, content in contents.items()}
    cases = [one for path, count in counts.items() for one in _framed(case_at(path, top), count)]
    return cases + _series_cases([one for one in series if one.folder not in parts], top)


def _files_by_folder(top: Path, without: Path | None) -> Iterator[list[Path]]:
    """Yield the files of each folder; a folder that links lead to twice is visited once."""
    seen: set[Path] = set()
    for place, folders, names in os.walk(top, followlinks=True, onerror=_warn):
        real = Path(place).resolve()
        if real in seen or real == without:
            folders.clear()
            continue
        seen.add(real)
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        paths = (Path(place, name) for name in sorted(names) if not name.startswith("."))
        yield [path for path in paths if path.is_file()]


def _warn(error: OSError) -> None:
    _log.warning("%s cannot be searched (%s)", error.filename, error.strerror)


def _is_image(path: Path) -> bool:
    name = path.name.lower()
    return name.endswith(IMAGES) and not name.endswith(LABELMAPS)


def case_at(path: Path, top: Path, series: str | None = None) -> Case:
    """Return the case of an image file, or of a folder with a series, named by its place in top."""
    place = _readable(path.relative_to(top).as_posix())
    name = place if place != "." else _readable(top.resolve().name)
    endings = () if path.is_dir() else (*IMAGES, _ZIP)
    ending = next((e for e in endings if name.lower().endswith(e)), "")
    return Case(safe(_said_once(name[: len(name) - len(ending)])), path, place, series)


def by_frame(cases: Sequence[Case]) -> list[Case]:
    """Return a case for each frame of a 4-D file, called <case>_frame-003; others as they are."""
    return [
        one for case in cases for one in _framed(case, 1 if case.series else frames_of(case.source))
    ]


def _framed(case: Case, count: int) -> list[Case]:
    if count == 1:
        return [case]
    numbers = range(1, count + 1)
    return [replace(case, name=f"{case.name}_frame-{n:03d}", series=f"#{n}") for n in numbers]


def _said_once(place: str) -> str:
    """Return a place without folders that the last name repeats, as BIDS: sub-01/ct/sub-01_ct."""
    *folders, stem = place.split("/")
    return "/".join([*(one for one in folders if f"_{one}_" not in f"_{stem}_"), stem])


def _series_cases(found: list[Series], top: Path) -> list[Case]:
    """Return a case for each series; those that share a folder have a part of their UID in it."""
    wanted = [one for one in found if one.modality == "CT" and one.slices >= FEWEST_SLICES]
    if left_out := len(found) - len(wanted):
        _log.warning(
            "left out %d DICOM series that are no CT of at least %d slices", left_out, FEWEST_SLICES
        )
    counts = Counter(one.folder for one in wanted)
    cases = []
    for one in wanted:
        case = case_at(one.folder, top, one.uid)
        is_alone = counts[one.folder] == 1
        cases.append(case if is_alone else replace(case, name=f"{case.name}_{_digest(one.uid)}"))
    return cases


def _merged(found: list[Series]) -> list[Series]:
    """Join the parts of a series that lie in several folders; copies of a series stay apart."""
    by_uid: dict[str, list[Series]] = {}
    for one in found:
        by_uid.setdefault(one.uid, []).append(one)
    merged = []
    for parts in by_uid.values():
        positions = frozenset().union(*(one.positions_mm for one in parts))
        if len(positions) < sum(len(one.positions_mm) for one in parts):
            merged += parts
        else:
            folder = Path(os.path.commonpath([one.folder for one in parts]))
            slices = sum(one.slices for one in parts)
            merged.append(replace(parts[0], folder=folder, slices=slices, positions_mm=positions))
    return merged


def unique_names(cases: list[Case]) -> tuple[Case, ...]:
    """Mark names that are too long, or that a file system may take for one, by their place."""
    counts = Counter(case.name.casefold() for case in cases)

    def unique(case: Case) -> Case:
        short = case.name.encode()[:_MOST_BYTES].decode(errors="ignore")
        if short == case.name and counts[case.name.casefold()] == 1:
            return case
        return replace(case, name=f"{short}-{_digest(f'{case.place}/{case.series}')}")

    return _numbered([unique(case) for case in cases])


def without_ids(cases: Sequence[Case]) -> tuple[Case, ...]:
    """Return the cases, those that are called after their patient under a pseudonym: privacy.py."""

    def hidden(case: Case) -> Case:
        identity = identity_of(case.source, case.series)
        return replace(case, name=identity.hide(case.name), place=identity.hide(case.place))

    return _numbered([hidden(case) for case in cases])


def _numbered(cases: Sequence[Case]) -> tuple[Case, ...]:
    """Number names that are there already: copies of a series have one pseudonym."""
    known = {case.name.casefold() for case in cases}
    seen: Counter[str] = Counter()
    numbered = []
    for case in cases:
        name, key = case.name, case.name.casefold()
        count = seen[key]
        while count and name.casefold() in known:
            count += 1
            name = f"{case.name}-{count}"
        seen[key] = count or 1
        known.add(name.casefold())
        numbered.append(replace(case, name=name))
    return tuple(numbered)


def safe(text: str) -> str:
    """Return text with letters and digits of any script, dots and dashes; the rest is "_"."""
    letters = re.sub(r"[^\w.-]+", "_", unicodedata.normalize("NFC", text))
    return letters.strip("._-") or "case"


def _readable(text: str) -> str:
    """Return a path as text that can be written: file systems know names that are no text."""
    return os.fsencode(text).decode("utf-8", "backslashreplace")


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:8]
