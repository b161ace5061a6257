"""The files of dcm2niix of a CT whose slices lie at uneven distances: one of two can be used.

NIfTI knows one distance of slices. dcm2niix writes the slices as they are, with the first distance
for all, and beside it a file that it has made even. Only the name of the second tells of it.
"""

from __future__ import annotations

from pathlib import Path

_ENDINGS = (".nii.gz", ".nii")
_MARKS = ("_Eq", "_Eq_1", "_Tilt_Eq", "_Tilt_Eq_1")


def made_even(path: Path) -> tuple[str, ...]:
    """Return a sentence if a file that dcm2niix has made even lies beside a NIfTI file."""
    ending = next((one for one in _ENDINGS if path.name.endswith(one)), None)
    if ending is None:
        return ()
    stem = path.name.removesuffix(ending)
    names = [f"{stem}{mark}{one}" for mark in _MARKS for one in _ENDINGS]
    even = next((name for name in names if path.with_name(name).is_file()), None)
    if even is None:
        return ()
    return (
        f"{even} lies beside it: dcm2niix has made it of slices at uneven distances, which are "
        f"wrong in this file: give {even}",
    )
