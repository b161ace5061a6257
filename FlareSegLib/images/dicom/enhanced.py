"""What each frame of an enhanced CT says: all slices in one file (DICOM PS3.3, A.38 and A.70).

What a slice says at the top of its file, a frame says in a functional group: its own, or that of
all frames. Each frame becomes a Slice here, so that all rules for slices hold for frames.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from mmap import mmap

import numpy as np

from FlareSegLib.base.errors import InputError
from FlareSegLib.images.dicom.elements import LOST, VOXELS, Tag, is_coded
from FlareSegLib.images.dicom.header import CT_CLASSES, Slice, to_numbers, to_spacing
from FlareSegLib.images.dicom.nested import PER_FRAME, SHARED, DataSet, main_of, opened
from FlareSegLib.images.dicom.stack import CONVERT

ENHANCED = CT_CLASSES[1:]
_COUNT, _ROWS, _COLUMNS = (0x0028, 0x0008), (0x0028, 0x0010), (0x0028, 0x0011)
_SAMPLES, _ALLOCATED, _STORED, _HIGH, _SIGNED = (
    (0x0028, 0x0002), (0x0028, 0x0100), (0x0028, 0x0101), (0x0028, 0x0102), (0x0028, 0x0103),
)  # fmt: skip
_NUMBERS = (_ROWS, _COLUMNS, _SAMPLES, _ALLOCATED, _STORED, _HIGH, _SIGNED)
_POSITION, _AXES, _SPACING = (0x0020, 0x0032), (0x0020, 0x0037), (0x0028, 0x0030)
_INTERCEPT, _SLOPE = (0x0028, 0x1052), (0x0028, 0x1053)
_STACK, _TEMPORAL, _ACQUISITION, _TIME = (
    (0x0020, 0x9056), (0x0020, 0x9128), (0x0020, 0x9156), (0x0018, 0x9074),
)  # fmt: skip
_GROUPS: dict[Tag, tuple[Tag, ...]] = {
    (0x0020, 0x9113): (_POSITION,),
    (0x0020, 0x9116): (_AXES,),
    (0x0028, 0x9110): (_SPACING,),
    (0x0028, 0x9145): (_INTERCEPT, _SLOPE),
    (0x0020, 0x9111): (_STACK, _TEMPORAL, _ACQUISITION, _TIME),
}
"""Functional groups, and what is looked for in each: plane position, plane orientation, pixel
measures, pixel value transformation, frame content."""
_BITS = 16
_CLOCK = 8
"""Where the time begins in a date with time."""


@dataclass(frozen=True)
class Layout:
    """What the header of a file says of all its frames."""

    numbers: dict[Tag, int]
    """Of _NUMBERS; what is missing is 0."""
    count: int
    """Of frames."""
    groups: list[dict[Tag, str]]
    """What is said of each frame."""
    voxels_at: int
    voxels_bytes: int

    @property
    def bits(self) -> tuple[int, int, bool]:
        """Return how many are stored of a voxel, the highest of them, and if one is a sign."""
        return self.numbers[_STORED], self.numbers[_HIGH], bool(self.numbers[_SIGNED])

    @property
    def is_scaled_alike(self) -> bool:
        """Return whether slope and intercept are the same in all frames."""
        return len({(one.get(_SLOPE), one.get(_INTERCEPT)) for one in self.groups}) == 1

    @property
    def shape(self) -> tuple[int, int, int]:
        """Return frames, rows, columns."""
        return self.count, self.numbers[_ROWS], self.numbers[_COLUMNS]


def with_frames(slices: Sequence[Slice]) -> list[Slice]:
    """Return slices with the frames of each enhanced CT in its place.

    What cannot be followed stays one slice that is a volume, and is refused by check_flat().
    """
    return [part for one in slices for part in _frames(one)]


def check_flat(slices: Sequence[Slice], name: str) -> None:
    """Check that each slice is one image: a file, or a frame that can be read here.

    Raises:
        InputError: One is a volume, or files of slices and of frames are in one series.
    """
    if any(len(one.size) > 2 and one.size[2] > 1 for one in slices):
        raise InputError(
            f"{name} is a DICOM file of many frames that cannot be read here (no CT, big endian, "
            f"deflated, or not of 16 bits): {CONVERT}"
        )
    if len({one.frame is None for one in slices}) > 1:
        raise InputError(
            f"{name} mixes slices and an enhanced CT, which has all slices in one file, in one "
            "series: keep one of them in the folder"
        )


def _frames(one: Slice) -> list[Slice]:
    if one.sop_class not in ENHANCED or not one.is_whole:
        return [one]
    try:
        with opened(one.path) as data:
            file, size = layout_of(data), len(data)
    except LOST:
        return [one]
    if file.numbers[_ALLOCATED] != _BITS or file.numbers[_SAMPLES] != 1:
        return [one]
    is_all = file.voxels_bytes >= np.prod(file.shape) * _BITS // 8 or is_coded(one.path)
    if not is_all or len(file.groups) != file.count or file.voxels_at + file.voxels_bytes > size:
        return [replace(one, is_whole=False)]
    return [_frame(one, at, said, file) for at, said in enumerate(file.groups)]


def _frame(one: Slice, at: int, said: dict[Tag, str], file: Layout) -> Slice:
    spacing_text = said.get(_SPACING, "")
    return replace(
        one,
        frame=at,
        size=file.shape[:0:-1],
        position_mm=to_numbers(said.get(_POSITION, "")),
        axes=to_numbers(said.get(_AXES, "")),
        spacing_mm=to_spacing(spacing_text),
        spacing_text=spacing_text,
        rescale=f"{said.get(_SLOPE, '')} {said.get(_INTERCEPT, '')}",
        times=(said.get(_ACQUISITION, ""), said.get(_TEMPORAL, ""), said.get(_TIME, "")[_CLOCK:]),
        stack=said.get(_STACK, ""),
    )


def layout_of(data: mmap) -> Layout:
    """Return what the header of a file says.

    Raises:
        ValueError: It is not written in a way that is followed here.
        struct.error: It ends in the head of an element.
    """
    main = main_of(data)
    if main.encoding.order != "<":
        raise ValueError("big endian")
    found = dict(main.elements())
    shared = next(_groups(found[SHARED]), {}) if SHARED in found else {}
    own = _groups(found[PER_FRAME]) if PER_FRAME in found else iter(())
    voxels = found.get(VOXELS) or replace(main, at=main.end)
    return Layout(
        {tag: found[tag].number() if tag in found else 0 for tag in _NUMBERS},
        int(found[_COUNT].text()) if _COUNT in found else 1,
        [{**shared, **one} for one in own],
        voxels.at,
        voxels.end - voxels.at,
    )


def _groups(sequence: DataSet) -> Iterator[dict[Tag, str]]:
    """Yield what each item of a sequence of functional groups says."""
    for item in sequence.items():
        said: dict[Tag, str] = {}
        for name, group in item.elements():
            if name not in _GROUPS:
                continue
            for tag, value in group.first():
                if tag in _GROUPS[name]:
                    is_binary = tag in (_TEMPORAL, _ACQUISITION)
                    said[tag] = str(value.number()) if is_binary else value.text()
        yield said
