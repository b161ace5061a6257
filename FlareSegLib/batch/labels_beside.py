"""Labelmaps that lie beside CTs are no CTs: they are told, and left out of a batch."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol, TypeVar

from FlareSegLib.base.errors import FlareSegError
from FlareSegLib.images.headers.checks import image_format
from FlareSegLib.images.safe_read import FORMATS, read_header

STEMS = ("label", "labels", "mask", "masks", "seg", "dseg", "segmentation", "organs")
"""What labelmaps are called, alone or after a _ or -: label.nii.gz, p1_mask.nii.gz."""
FOLDERS = ("label", "mask", "segmentation")
"""How folders of labelmaps begin: labelsTr, segmentations."""
MOST_NAMED = 3
_log = logging.getLogger(__name__)


class _Case(Protocol):
    @property
    def source(self) -> Path: ...
    @property
    def place(self) -> str: ...
    @property
    def series(self) -> str | None: ...


T = TypeVar("T", bound=_Case)


def without_labelmaps(cases: Sequence[T]) -> list[T]:
    """Return the cases without labelmaps: files called so, or of 8 bits, with a CT beside them.

    Beside: in the same folder, in the one above, or in a neighbour of that folder. A file that is
    alone stays, and is refused with a reason when it is read.
    """
    counts = Counter(path for one in cases for path in _neighbourhood(one))
    busy = {path for path, count in counts.items() if count > 1}
    suspects = {id(one) for one in cases if busy & _neighbourhood(one) and _is_labelmap(one)}
    ct_places = {path for one in cases if id(one) not in suspects for path in _neighbourhood(one)}
    left_out = [one for one in cases if id(one) in suspects and ct_places & _neighbourhood(one)]
    if left_out:
        named = ", ".join(one.place for one in left_out[:MOST_NAMED])
        more = ", ..." if len(left_out) > MOST_NAMED else ""
        said = "left out %d labelmaps (called so, or 8-bit) beside CTs: %s%s"
        _log.warning(said, len(left_out), named, more)
    gone = {id(one) for one in left_out}
    return [one for one in cases if id(one) not in gone]


def _neighbourhood(case: _Case) -> set[Path]:
    return {case.source.parent, case.source.parent.parent}


def _is_labelmap(case: _Case) -> bool:
    if case.series is not None:
        return False
    stem = case.source.name.lower().partition(".")[0]
    if stem.replace("-", "_").rpartition("_")[2] in STEMS:
        return True
    return case.source.parent.name.lower().startswith(FOLDERS) or _has_8_bits(case.source)


def _has_8_bits(path: Path) -> bool:
    """Return whether the header says one byte a voxel: too few for HU."""
    try:
        name = image_format(path)
        return name in FORMATS and read_header(path, name).voxel_bytes == 1
    except (FlareSegError, OSError):
        return False
