"""Keep the identity of a patient out of names, reports and messages.

A folder of DICOM files is often called after its patient. What the files say of the patient (name,
IDs, birth date) is looked for in such texts and replaced by a pseudonym, which is made from the UID
of the series: the same each time, and of no use to guess a name from.
"""

from __future__ import annotations

import hashlib
import itertools
import os
import re
import unicodedata
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from FlareSegLib.base.errors import Cancelled, FlareSegError
from FlareSegLib.images.archive import starts
from FlareSegLib.images.headers.checks import DICOM, ZIP, image_format

_PATIENT = {0x0010: "name", 0x0020: "ID", 0x0030: "birth date", 0x1000: "other IDs",
            0x1001: "other names", 0x1005: "birth name", 0x1060: "mother's birth name"}  # fmt: skip
"""Elements of group 10 that say who it is (DICOM PS3.6)."""
_IDENTITY_REMOVED = (0x0012, 0x0062)
"""YES: name and ID are already those of a study."""
_SERIES_UID = (0x0020, 0x000E)
_VRS = (b"PN", b"LO", b"DA", b"SH", b"UI", b"CS", b"DS", b"IS", b"AS")
_BIG_ENDIAN = b"1.2.840.10008.1.2.2\0"
"""Transfer syntax."""
_META_BYTES = 1024
"""Of a file, where its transfer syntax stands."""
_START_BYTES = 1 << 16
"""Of a file, where the elements are looked for: before the voxels."""
_MOST_FILES = 5000
"""Of a folder, where one of the series is looked for."""
_LONG = 4
"""Letters from which a word is hidden inside other words too: 4711 in ct4711."""


@dataclass(frozen=True)
class Identity:
    """What must not be told of a patient."""

    words: tuple[str, ...] = ()
    """Parts of names, IDs and dates."""
    pseudonym: str = ""
    """What stands for them."""

    def hide(self, text: str) -> str:
        """Return text with each run of words replaced by the pseudonym, whatever their case."""
        if not self.words:
            return text
        texts = sorted(self.words, key=len, reverse=True)
        one = "|".join(_pattern(word) for word in texts)
        runs = rf"(?:{one})(?:[\W_]{{0,3}}(?:{one}))*"
        return re.sub(runs, self.pseudonym, unicodedata.normalize("NFC", text), flags=re.IGNORECASE)


def _pattern(word: str) -> str:
    """Return what finds a word; a short one only where it stands alone, as Li but not in liver."""
    found = re.escape(word)
    return found if len(word) >= _LONG else rf"(?<![^\W_]){found}(?![^\W_])"


def identity_of(source: Path, series: str | None = None) -> Identity:
    """Return the identity in the DICOM files of a source; nobody's if it has none.

    Args:
        source: An image file, or a folder with DICOM files.
        series: UID of the series that is meant.
    """
    series = (series or "").partition("#")[0]  # without the acquisition
    start = _start(source, series.encode())
    if start is None or _value(start, _IDENTITY_REMOVED) == b"YES":
        return Identity()
    words = {word for element in _PATIENT for word in _words(_value(start, (0x0010, element)))}
    uid = series.encode() or _value(start, _SERIES_UID) or start
    return Identity(tuple(sorted(words)), f"anon-{hashlib.sha256(uid).hexdigest()[:8]}")


def series_uid(source: Path) -> str | None:
    """Return the UID of the series of the first DICOM file in a source; None if it has none."""
    start = _start(source, b"")
    uid = _value(start, _SERIES_UID) if start else b""
    return uid.decode("ascii", "ignore") or None


def elements_of(
    source: Path, series: str | None, tags: Sequence[tuple[int, int]]
) -> tuple[Path, list[str]] | None:
    """Return a DICOM file of the series, and the values of its elements; None if there is none."""
    found = _first(source, (series or "").partition("#")[0].encode())
    if found is None:
        return None
    path, start = found
    return path, [_value(start, tag).decode("utf-8", "replace") for tag in tags]


def shown_name(source: Path, series: str | None = None) -> str:
    """Return the name of a source without the patient's."""
    return identity_of(source, series).hide(source.name)


@contextmanager
def hiding(source: Path, series: str | None, *, keep_ids: bool = False) -> Iterator[None]:
    """Take the patient out of the errors that are raised inside.

    Args:
        source: What is read.
        series: UID of the series.
        keep_ids: Change nothing.
    """
    try:
        yield
    except Cancelled:
        raise
    except FlareSegError as error:
        text = str(error) if keep_ids else identity_of(source, series).hide(str(error))
        if text == str(error):
            raise
        raise type(error)(text) from None


def _start(source: Path, series: bytes) -> bytes | None:
    """Return the start of a DICOM file of the series; of any file, if none names it."""
    found = _first(source, series)
    return found[1] if found else None


def _first(source: Path, series: bytes) -> tuple[Path, bytes] | None:
    first = None
    for path, start in _starts(source):
        if series in start:
            return path, start
        first = first or (path, start)
    return first


def _starts(source: Path) -> Iterator[tuple[Path, bytes]]:
    """Yield each DICOM file in a source, and its start; those of a zip file have its path."""
    for path in _files(source):
        try:
            kind = image_format(path) if path.is_file() else ""
            if kind == DICOM:
                with path.open("rb") as file:
                    start = file.read(_START_BYTES)
                yield path, start
            elif kind == ZIP and path == source:
                inside = itertools.islice(starts(source, _START_BYTES), _MOST_FILES)
                yield from ((path, start) for start in inside)
        except OSError:
            continue


def _files(source: Path) -> Iterator[Path]:
    if not source.is_dir():
        yield source
        return
    count = 0
    for folder, folders, names in os.walk(source):
        folders.sort()
        for name in sorted(names):
            count += 1
            if count > _MOST_FILES:
                return
            yield Path(folder, name)


def _value(start: bytes, tag: tuple[int, int]) -> bytes:
    """Return the value of an element as it stands in a file, in any of DICOM's plain encodings.

    It is looked for without a parser: the file may be damaged or coded.
    """
    order: Literal["little", "big"] = "big" if _BIG_ENDIAN in start[:_META_BYTES] else "little"
    mark = b"".join(number.to_bytes(2, order) for number in tag)
    rest = start.partition(mark)[2]
    size = rest[2:4] if rest[:2] in _VRS else rest[:4]
    count = int.from_bytes(size, order)
    return rest[4 : 4 + count].strip(b"\0 ") if count <= 1024 else b""


def _words(value: bytes) -> set[str]:
    """Return the words of a value, of two letters or more, also as written without accents."""
    try:
        text = value.decode("utf-8")
    except UnicodeDecodeError:
        text = value.decode("latin-1")
    text = unicodedata.normalize("NFC", text)
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
    words = re.split(r"[\s^=\\,;/_.()-]+", f"{text} {plain}")
    return {word for word in words if len(word) > 1}
