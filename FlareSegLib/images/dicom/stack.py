"""Whether the slices of a series are one straight, even stack; if not, which of them are not."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from FlareSegLib.base.errors import InputError
from FlareSegLib.images.dicom.header import Slice

CONVERT = "convert it with a tool that corrects this, such as dcm2niix, and give the NIfTI file"
EXPORT = "export or download the whole series again"
_MOST_UNEVEN_MM = 0.11
"""Positions are often written with one decimal, so distances of slices are off by up to 0.1 mm."""
_MOST_SIDEWAYS_MM = 1.0
_SAME_MM = 0.01
Positions = NDArray[np.float64]


def check_alike(slices: Sequence[Slice], name: str) -> tuple[str, ...]:
    """Check that the slices are CT and parallel, with equal size and spacing; return warnings.

    Raises:
        InputError: They are not; says what differs.
    """
    first = slices[0]
    if any(one.photometric == "MONOCHROME1" for one in slices):
        raise InputError(
            f"{name} has inverted voxels (MONOCHROME1), which no CT scanner writes: give the CT as "
            "the scanner made it"
        )
    if any(len(one.position_mm) != 3 or len(one.axes) != 6 for one in slices):
        raise InputError(f"{name} has slices without position or orientation: {EXPORT}")
    if len({one.size for one in slices}) > 1 or any(
        not np.allclose(one.axes, first.axes, atol=1e-3) for one in slices
    ):
        raise InputError(
            f"{name} mixes slices of different size or orientation (a scout?) in one series: "
            "keep only those of the CT volume in the folder"
        )
    return _check_spacing(slices, name)


def _check_spacing(slices: Sequence[Slice], name: str) -> tuple[str, ...]:
    """Check that all slices say one distance of rows and one of columns: readers make up 1 mm."""
    without = [one for one in slices if not one.spacing_mm]
    if without:
        raise InputError(
            f"{name} has no usable PixelSpacing in {len(without)} of {len(slices)} slices "
            f"({without[0].spacing_text[:40] or 'missing'}): export the series again with it, as "
            "two numbers in mm"
        )
    found = sorted({one.spacing_mm for one in slices})
    if not np.allclose(found, found[0], rtol=0, atol=1e-3):
        some = " and ".join(f"{row:g} x {column:g}" for row, column in (found[0], found[-1]))
        raise InputError(
            f"{name} has slices of different PixelSpacing ({some} mm) in one series: keep those of "
            "one field of view in the folder"
        )
    if any("," in one.spacing_text for one in slices):
        row, column = found[0]
        return (f"PixelSpacing is written with a comma: read as {row:g} x {column:g} mm",)
    return ()


def sorted_along_normal(slices: Sequence[Slice]) -> tuple[list[Slice], Positions]:
    """Return the slices in the order of their normal, and their positions (n, 3): x, y, normal."""
    row, column = np.array(slices[0].axes[:3]), np.array(slices[0].axes[3:])
    frame = np.array([row, column, np.cross(row, column)])
    positions_mm = np.array([one.position_mm for one in slices]) @ frame.T
    order = np.argsort(positions_mm[:, 2], kind="stable")
    return [slices[i] for i in order], positions_mm[order]


def is_doubled(slices: Sequence[Slice]) -> bool:
    """Return whether two slices lie at one place; False if that cannot be told."""
    if any(len(one.position_mm) != 3 or len(one.axes) != 6 for one in slices):
        return False
    return bool((np.diff(sorted_along_normal(slices)[1][:, 2]) < _SAME_MM).any())


def check_steps(positions_mm: Positions, name: str) -> None:
    """Check that slices follow each other along their normal at one distance, none sideways.

    Raises:
        InputError: They do not; says where.
    """
    if len(positions_mm) < 2:
        return
    along_mm = positions_mm[:, 2]
    steps_mm = np.diff(along_mm)
    doubled = np.flatnonzero(steps_mm < _SAME_MM)
    if doubled.size:
        raise InputError(
            f"{name} has {doubled.size} slices too many at the position of another, first at "
            f"{along_mm[doubled[0]]:.1f} mm (phases or copies in one series?): keep one of each"
        )
    _check_straight(positions_mm, name)
    _check_even(along_mm, steps_mm, name)


def _check_straight(positions_mm: Positions, name: str) -> None:
    """Check every slice against the line through all: a steady drift is a tilt, a jump is none."""
    sideways_mm, along_mm = positions_mm[:, :2], positions_mm[:, 2]
    changes = np.diff(sideways_mm, axis=0)
    jumps_mm = np.hypot(*(changes - np.median(changes, axis=0)).T)
    far = along_mm.size // 2  # rounding matters less over a long way
    ways_mm = (along_mm[far:] - along_mm[:-far])[:, None]
    slope = np.median((sideways_mm[far:] - sideways_mm[:-far]) / ways_mm, axis=0)
    if jumps_mm.max() > _MOST_SIDEWAYS_MM:
        slope = np.median(changes / np.diff(along_mm)[:, None], axis=0)
    off_mm = sideways_mm - (along_mm - along_mm[0])[:, None] * slope
    off_mm = np.hypot(*(off_mm - np.median(off_mm, axis=0)).T)
    if max(jumps_mm.max(), off_mm.max()) > _MOST_SIDEWAYS_MM:
        at = int(jumps_mm.argmax())
        apart = np.flatnonzero(off_mm > _MOST_SIDEWAYS_MM / 2)
        raise InputError(
            f"{name} has slices that jump sideways by {jumps_mm[at]:.1f} mm, first after the slice "
            f"at {along_mm[at]:.1f} mm ({apart.size} of {along_mm.size} lie beside the line of the "
            f"others{_which(apart)}): two fields of view or stacks in one series, keep one of them"
        )
    length_mm = along_mm[-1] - along_mm[0]
    drift_mm = float(np.hypot(*slope) * length_mm)
    if drift_mm > max(_MOST_SIDEWAYS_MM, 0.002 * length_mm):
        raise InputError(
            f"{name} has slices that drift {drift_mm:.1f} mm sideways (a gantry tilt): {CONVERT}"
        )


def _which(slices: NDArray[np.intp]) -> str:
    """Return the numbers of slices from below, if they follow each other."""
    if not slices.size or slices[-1] - slices[0] + 1 != slices.size:
        return ""
    return f", numbers {slices[0] + 1} to {slices[-1] + 1} from below"


def _check_even(along_mm: Positions, steps_mm: Positions, name: str) -> None:
    step_mm = float(np.median(steps_mm))
    uneven = np.flatnonzero(np.abs(steps_mm - step_mm) > _MOST_UNEVEN_MM)
    if not uneven.size:
        return
    gap_mm = float(steps_mm[uneven[0]])
    where = f"{gap_mm:.2f} mm after the slice at {along_mm[uneven[0]]:.1f} mm"
    missing = np.rint(steps_mm[uneven] / step_mm) - 1
    is_gap = np.abs(steps_mm[uneven] - (missing + 1) * step_mm) <= _MOST_UNEVEN_MM
    if is_gap.all() and (missing > 0).all() and uneven.size < 0.2 * steps_mm.size:
        raise InputError(
            f"{name} has a gap of {where}, elsewhere {step_mm:.2f} mm "
            f"({int(missing.sum())} slices missing): {EXPORT}"
        )
    raise InputError(
        f"{name} has slices at uneven distances ({where}, elsewhere {step_mm:.2f} mm): if they are "
        "so on purpose, dcm2niix makes them even: give its file whose name ends in _Eq"
    )
