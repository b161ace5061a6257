"""Find and read one CT series among DICOM files. Nothing about the patient goes into a message."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from FlareSegLib.base.errors import InputError, ResourceError
from FlareSegLib.base.paths import is_text
from FlareSegLib.base.resources import free_mib
from FlareSegLib.images.dicom.apart import headers_apart, read_apart
from FlareSegLib.images.dicom.elements import is_plain
from FlareSegLib.images.dicom.header import Slice, image_of, read_headers, to_slice
from FlareSegLib.images.headers.checks import DICOM, image_format

_log = logging.getLogger(__name__)
RESULTS = ("SEG", "OT")
"""Modalities of images that FlareSeg writes: segmentations, and secondary captures."""
_CONVERT = "convert it with a tool that corrects this, such as dcm2niix, and give the NIfTI file"
_EXPORT = "export or download the whole series again"
_VOXEL_BYTES = 2
"""Of a CT as its reader gives it."""
_MOST_TILT_DEG = 0.1
_MOST_UNEVEN_MM = 0.11
"""Positions are often written with one decimal, so distances of slices are off by up to 0.1 mm."""


@dataclass(frozen=True)
class Series:
    """A series as found in a folder, not yet checked."""

    uid: str
    folder: Path
    """Holds its files, perhaps in subfolders."""
    modality: str
    slices: int
    positions_mm: frozenset[tuple[float, ...]]
    """World positions (L, P, S) of the slices."""


def find_series(files: Sequence[Path]) -> list[Series]:
    """Return the series among the files of one folder; what cannot be read is left out."""
    headers = _headers([path for path in files if _is_readable_dicom(path)])
    groups = _by_series([one for one in headers if one.is_whole])
    return [
        Series(
            uid,
            files[0].parent,
            group[0].modality,
            sum(one.size[2] if len(one.size) > 2 else 1 for one in group),
            frozenset(one.position_mm for one in group),
        )
        for uid, group in groups.items()
    ]


def read_series(path: Path, series: str | None) -> sitk.Image:
    """Return the CT series in a folder (subfolders too), or the one that a file belongs to.

    Args:
        path: A folder, or a DICOM file.
        series: UID of the series; None if there is only one.

    Raises:
        InputError: No series or several, not CT, slices missing, doubled, tilted or mixed.
        ResourceError: It does not fit into memory.
    """
    slices = _series_slices(path, series)
    _check_memory(slices, path.name or str(path))
    paths = [one.path for one in slices]
    return image_of(paths) if all(map(is_plain, paths)) else read_apart(paths)


def series_paths(path: Path, series: str | None) -> list[Path]:
    """Return the files that read_series() reads, one for each plane of its volume, in order.

    Raises:
        InputError: As read_series().
    """
    return [one.path for one in _series_slices(path, series)]


def _series_slices(path: Path, series: str | None) -> list[Slice]:
    name = path.name or str(path)
    own = None if path.is_dir() else next((one.series for one in _headers([path])), None)
    found = _slices(path if path.is_dir() else path.parent)
    whole, broken = ([one for one in found if one.is_whole is is_so] for is_so in (True, False))
    if broken and not whole:
        _check_whole(broken, broken[0].series)
    slices = _chosen(whole, series or own, name)
    _check_whole(broken, slices[0].series)
    _check_alike(slices, name)
    slices, positions_mm = _sorted_along_normal(slices)
    _check_steps(positions_mm, name)
    return slices


def _check_memory(slices: list[Slice], name: str) -> None:
    """Check before anything is allocated that the voxels fit into memory."""
    columns, rows = slices[0].size[:2]
    needed = len(slices) * rows * columns * _VOXEL_BYTES / 2**20
    if needed > free_mib():
        raise ResourceError(
            f"{name} does not fit into memory ({len(slices)} slices of {rows} x {columns}, "
            f"{needed:.0f} MiB): close programs, or crop the CT"
        )


def may_hold_series(path: Path) -> bool:
    """Return whether path is a folder or a DICOM file; what is not there yet may be one too."""
    if not path.is_file():
        return True
    return image_format(path) == DICOM


def _slices(folder: Path) -> list[Slice]:
    return _headers([path for path in sorted(folder.rglob("*")) if _may_be_dicom(path)])


def _may_be_dicom(path: Path) -> bool:
    if not path.is_file() or path.name == "DICOMDIR":
        return False
    try:
        with path.open("rb") as file:
            start = file.read(132)
    except OSError as error:
        raise InputError(
            f"{path.name} cannot be opened ({error.strerror}): make it readable"
        ) from error
    suffix = path.suffix.lower()
    without_preamble = suffix == ".dcm" or (suffix in ("", ".ima") and len(start) == 132)
    if start[128:] != b"DICM" and not without_preamble:
        return False
    if not is_text(path):
        raise InputError(f"{path.name} is no UTF-8 text: rename file or folder")
    return True


def _is_readable_dicom(path: Path) -> bool:
    try:
        return _may_be_dicom(path)
    except InputError as error:
        _log.warning("left out: %s", error)
        return False


def _headers(paths: list[Path]) -> list[Slice]:
    """Return the headers of those files that are images; a child opens those that are not plain.

    What was made of a CT and lies beside it must not turn one series into two.
    """
    others = {path for path in paths if not is_plain(path)}
    slices = read_headers([path for path in paths if path not in others])
    if others:
        found = headers_apart(sorted(others))
        slices = sorted(slices + [to_slice(one) for one in found], key=lambda one: one.path)
    return [one for one in slices if one.modality not in RESULTS]


def _chosen(slices: list[Slice], series: str | None, name: str) -> list[Slice]:
    """Return the slices of the only series, or of the one that is asked for."""
    if not slices:
        raise InputError(f"{name} holds no DICOM images: give a folder with a CT series, or a file")
    groups = _by_series(slices)
    if series is None and len(groups) == 1:
        return slices
    if series in groups:
        return groups[series]
    table = "; ".join(
        f"{uid} ({group[0].description}, {len(group)} slices)" for uid, group in groups.items()
    )
    if series is None:
        raise InputError(f"{name} holds {len(groups)} series: {table}: pass --series UID")
    raise InputError(f"{name} holds no series {series} but {table}: pass --series with one of them")


def _by_series(slices: list[Slice]) -> dict[str, list[Slice]]:
    groups: dict[str, list[Slice]] = {}
    for one in slices:
        groups.setdefault(one.series, []).append(one)
    return groups


def _check_whole(broken: list[Slice], series: str) -> None:
    """Check that no slice is damaged: the first or last of a series would not be missed."""
    own = [one for one in broken if one.series in ("", series)]
    if own:
        raise InputError(
            f"{own[0].path.name} is cut off or damaged ({len(own)} files in its folder are): "
            f"{_EXPORT}"
        )


def _check_alike(slices: list[Slice], name: str) -> None:
    """Check that the slices are CT and parallel, with equal size and without tilt."""
    first = slices[0]
    if first.modality != "CT":
        raise InputError(f"{name} has modality {first.modality or 'none'}: give a CT series")
    if any(len(one.size) > 2 and one.size[2] > 1 for one in slices):
        raise InputError(f"{name} is an enhanced DICOM with all slices in one file: {_CONVERT}")
    if any(len(one.position_mm) != 3 or len(one.axes) != 6 for one in slices):
        raise InputError(f"{name} has slices without position or orientation: {_EXPORT}")
    if len({one.size for one in slices}) > 1 or any(
        not np.allclose(one.axes, first.axes, atol=1e-3) for one in slices
    ):
        raise InputError(
            f"{name} mixes slices of different size or orientation (a scout?) in one series: "
            "keep only those of the CT volume in the folder"
        )
    tilt_deg = max((one.tilt_deg for one in slices), key=abs)
    if abs(tilt_deg) > _MOST_TILT_DEG:
        raise InputError(
            f"{name} was scanned with a gantry tilt of {tilt_deg:g} degrees: {_CONVERT}"
        )


def _sorted_along_normal(slices: list[Slice]) -> tuple[list[Slice], NDArray[np.float64]]:
    """Return the slices in the order of their normal, and their positions (n, 3): x, y, normal."""
    row, column = np.array(slices[0].axes[:3]), np.array(slices[0].axes[3:])
    frame = np.array([row, column, np.cross(row, column)])
    positions_mm = np.array([one.position_mm for one in slices]) @ frame.T
    order = np.argsort(positions_mm[:, 2], kind="stable")
    return [slices[i] for i in order], positions_mm[order]


def _check_steps(positions_mm: NDArray[np.float64], name: str) -> None:
    """Check that slices follow each other along their normal at one distance."""
    if len(positions_mm) < 2:
        return
    along_mm = positions_mm[:, 2]
    drift_mm = float(np.hypot(*(positions_mm[-1, :2] - positions_mm[0, :2])))
    if drift_mm > max(1.0, 0.002 * (along_mm[-1] - along_mm[0])):
        raise InputError(
            f"{name} has slices that drift {drift_mm:.1f} mm sideways (a gantry tilt): {_CONVERT}"
        )
    steps_mm = np.diff(along_mm)
    step_mm = float(np.median(steps_mm))
    doubled = np.flatnonzero(steps_mm < 0.01)
    if doubled.size:
        raise InputError(
            f"{name} has {doubled.size} slices too many at the position of another, first at "
            f"{along_mm[doubled[0]]:.1f} mm (phases or copies in one series?): keep one of each"
        )
    uneven = np.flatnonzero(np.abs(steps_mm - step_mm) > _MOST_UNEVEN_MM)
    if uneven.size:
        gap_mm = float(steps_mm[uneven[0]])
        missing = int(np.maximum(np.rint(steps_mm[uneven] / step_mm) - 1, 0).sum())
        raise InputError(
            f"{name} has a gap of {gap_mm:.2f} mm after the slice at {along_mm[uneven[0]]:.1f} mm, "
            f"elsewhere {step_mm:.2f} mm ({missing} slices missing): {_EXPORT}"
        )
