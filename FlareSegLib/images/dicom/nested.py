"""Follow a DICOM data set into its sequences (DICOM PS3.5, 7.5), without a reader in C."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from mmap import ACCESS_READ, mmap
from pathlib import Path
from typing import Literal

from FlareSegLib.images.dicom.elements import (
    ITEM,
    ITEM_END,
    ITEMS_END,
    START_BYTES,
    UNDEFINED,
    VOXELS,
    Encoding,
    Tag,
    encodings_of,
    head_of,
)

SHARED, PER_FRAME = (0x5200, 0x9229), (0x5200, 0x9230)
"""Sequences of functional groups: of all frames, and of each."""
_DEFLATED = b"1.2.840.10008.1.2.1.99"


@contextmanager
def opened(path: Path) -> Iterator[mmap]:
    """Map a file.

    Raises:
        OSError: It cannot be opened.
        ValueError: It is empty.
    """
    with path.open("rb") as file, mmap(file.fileno(), 0, access=ACCESS_READ) as data:
        yield data


def main_of(data: mmap) -> DataSet:
    """Return the data set of a file, behind its preamble and group 2.

    Raises:
        ValueError: It is deflated.
        struct.error: It ends in the head of an element.
    """
    start = data[:START_BYTES]
    meta, main = encodings_of(start)
    if _DEFLATED in start:
        raise ValueError("deflated")
    at = 132 if start[128:132] == b"DICM" else 0
    while data[at : at + 2] == b"\2\0":
        _, length, content = head_of(data[at : at + 16], meta)
        at += content + length
    return DataSet(data, at, len(data), main)


@dataclass(frozen=True)
class DataSet:
    """A part of a file that holds elements; what cannot be followed in it is a ValueError."""

    data: mmap
    at: int
    end: int
    encoding: Encoding

    def elements(self) -> Iterator[tuple[Tag, DataSet]]:
        """Yield tag and value of each element, not of those inside sequences; voxels end it.

        Coded voxels, whose length is not defined, reach to the end.
        """
        at = self.at
        while at < self.end:
            tag, length, content = self._head(at)
            if tag in (ITEM_END, ITEMS_END):
                return
            start = at + content
            if tag == VOXELS:
                yield tag, self._part(start, self.end if length == UNDEFINED else start + length)
                return
            at = self._after(start) if length == UNDEFINED else start + length
            if at > self.end:
                raise ValueError("an element is longer than what holds it")
            yield tag, self._part(start, at)

    def items(self) -> Iterator[DataSet]:
        """Yield the items of a value that is a sequence."""
        at = self.at
        while at < self.end:
            tag, length, content = self._head(at)
            if tag == ITEMS_END:
                return
            if tag != ITEM:
                raise ValueError("no item")
            start = at + content
            at = self._after(start) if length == UNDEFINED else start + length
            if at > self.end:
                raise ValueError("an item is longer than what holds it")
            yield self._part(start, at)

    def first(self) -> Iterator[tuple[Tag, DataSet]]:
        """Yield what elements() does of the first item of a value; nothing if it has none."""
        for item in self.items():
            yield from item.elements()
            return

    def content(self) -> bytes:
        """Return the bytes of a value."""
        return self.data[self.at : self.end]

    def text(self, most: int = 64) -> str:
        """Return a value that is text, or its start of so many bytes."""
        return self.content()[:most].decode("ascii", "replace").strip(" \0")

    def number(self) -> int:
        """Return a value that is one whole number without sign (US or UL)."""
        order: Literal["little", "big"] = "little" if self.encoding.order == "<" else "big"
        return int.from_bytes(self.content()[:4], order)

    def _part(self, at: int, end: int) -> DataSet:
        return DataSet(self.data, at, end, self.encoding)

    def _head(self, at: int) -> tuple[Tag, int, int]:
        return head_of(self.data[at : at + 16], self.encoding)

    def _after(self, at: int) -> int:
        """Return where what begins at a place, and has no length, has ended."""
        depth = 1
        while at < self.end:
            tag, length, content = self._head(at)
            at += content
            if tag in (ITEM_END, ITEMS_END):
                depth -= 1
                if not depth:
                    return at
            elif length == UNDEFINED:
                depth += 1
            else:
                at += length
        raise ValueError("what has no length does not end")
