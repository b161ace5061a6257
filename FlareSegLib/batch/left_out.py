"""What lies among the CTs of a batch and is none, such as the viewer of a disc: counted."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from FlareSegLib.images.dicom.beside import MEDIA_DIRECTORY, left_out
from FlareSegLib.images.dicom.disc import lost_series
from FlareSegLib.images.dicom.header import Slice
from FlareSegLib.images.dicom.series import Series

_MOST_NAMED = 8
_log = logging.getLogger(__name__)


def tell_left_out(rest: Sequence[Slice], others: Sequence[Path], found: Sequence[Series]) -> None:
    """Say what becomes no case: DICOM that is no image, is damaged or gone, and other files.

    Args:
        rest: DICOM files that are no image, or damaged.
        others: Files that are no DICOM.
        found: The series; one with damaged slices says so when it is read.
    """
    series = {one.uid.partition("#")[0] for one in found}
    folders = {one.folder for one in found}
    for said in left_out([one for one in rest if not one.is_image]):
        _log.warning("%s", said)
    broken = [
        one
        for one in rest
        if one.is_image
        and one.series not in series
        and (one.series or one.path.parent not in folders)
    ]
    if broken:
        _log.warning(
            "left out %d DICOM files that are cut off or damaged, first %s: export them again",
            len(broken), broken[0].path.name,
        )  # fmt: skip
    for one in rest:
        if one.sop_class == MEDIA_DIRECTORY and (lost := lost_series(one.path, series)):
            _log.warning(
                "%s names %d CT series of which no file is there, first %s: copy the disc again",
                one.path.name, len(lost), lost[0].name,
            )  # fmt: skip
    if others:
        counts = Counter(path.suffix.lower()[:12] or "no extension" for path in others)
        named = ", ".join(f"{n} {ending}" for ending, n in counts.most_common(_MOST_NAMED))
        _log.info("left out %d files that are no image: %s", len(others), named)
