"""Find and read one CT series among DICOM files. Nothing about the patient goes into a message."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import SimpleITK as sitk

from FlareSegLib.base.errors import InputError, ResourceError
from FlareSegLib.base.paths import is_text
from FlareSegLib.base.resources import free_mib
from FlareSegLib.images.dicom.apart import headers_apart, read_apart
from FlareSegLib.images.dicom.beside import left_out, without_captures, without_copies
from FlareSegLib.images.dicom.elements import is_plain
from FlareSegLib.images.dicom.enhanced import check_flat, with_frames
from FlareSegLib.images.dicom.frames import read_frames
from FlareSegLib.images.dicom.header import Slice, image_of, read_headers, to_slice
from FlareSegLib.images.dicom.stack import (
    EXPORT,
    check_alike,
    check_steps,
    is_doubled,
    sorted_along_normal,
)
from FlareSegLib.images.headers.checks import DICOM, image_format, may_start_dicom

_log = logging.getLogger(__name__)
RESULTS = ("SEG", "OT")
"""Modalities of images that FlareSeg writes: segmentations, and secondary captures."""
_VOXEL_BYTES = 2
"""Of a CT as its reader gives it."""


@dataclass(frozen=True)
class Series:
    """A series as found in a folder, not yet checked."""

    uid: str
    """With the acquisition behind it, as 1.2.3#2, if the series holds several."""
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
    parts: dict[str, list[Slice]] = {}
    for uid, group in groups.items():
        found = acquisitions(group) if _is_several(group) else {}
        parts |= {f"{uid}#{number}": part for number, part in found.items()} or {uid: group}
    return [_series_of(uid, files[0].parent, group) for uid, group in parts.items()]


def _series_of(uid: str, folder: Path, group: list[Slice]) -> Series:
    count = sum(one.size[2] if len(one.size) > 2 else 1 for one in group)
    positions_mm = frozenset(one.position_mm for one in group)
    return Series(uid, folder, group[0].modality, count, positions_mm)


def read_series(
    path: Path, series: str | None, modality: str = "CT"
) -> tuple[sitk.Image, tuple[str, ...]]:
    """Return the CT series in a folder (subfolders too), or the one that a file belongs to.

    Args:
        path: A folder, or a DICOM file; a media directory or another object stands for its folder.
        series: UID of the series; None if there is only one. "UID#2" or "#2" is acquisition 2.
        modality: What a model takes; anything but CT stands for any modality of DICOM.

    Returns:
        The volume, and what was repaired or left out.

    Raises:
        InputError: No series or several, not CT, slices missing, doubled, tilted or mixed.
        ResourceError: It does not fit into memory.
    """
    slices, said = _series_slices(path, series, modality)
    _check_memory(slices, path.name or str(path))
    if slices[0].frame is not None:
        return read_frames(slices, path.name or str(path)), said
    paths = [one.path for one in slices]
    is_mixed = len({one.rescale for one in slices}) > 1
    read = image_of if all(map(is_plain, paths)) else read_apart
    image = read(paths, is_mixed=is_mixed)
    row_mm, column_mm = slices[0].spacing_mm
    image.SetSpacing((column_mm, row_mm, image.GetSpacing()[2]))
    return image, said


def series_paths(path: Path, series: str | None) -> list[Path]:
    """Return the files that read_series() reads, one for each plane of its volume, in order.

    Planes that are frames of one file have that file.

    Raises:
        InputError: As read_series().
    """
    return [one.path for one in _series_slices(path, series, "any")[0]]


def slice_paths(path: Path, series: str | None) -> list[Path]:
    """Return the files of a series, each of which is one slice, in order.

    Raises:
        InputError: As read_series(); or all slices are in one file.
    """
    slices = _series_slices(path, series, "any")[0]
    if slices[0].frame is not None:
        raise InputError(
            f"{path.name or path} is an enhanced CT with all slices in one file, to which a DICOM "
            "SEG, RT structure set or report of FlareSeg cannot refer: let OUT end in .nii.gz, "
            ".seg.nrrd or .mha"
        )
    return [one.path for one in slices]


def _series_slices(
    path: Path, series: str | None, modality: str
) -> tuple[list[Slice], tuple[str, ...]]:
    name = path.name or str(path)
    uid, _, number = (series or "").partition("#")
    found = _slices(path if path.is_dir() else path.parent)
    others: list[Slice] = []
    broken: list[Slice] = []
    whole: list[Slice] = []
    for one in found:
        (whole if one.is_whole else broken if one.is_image else others).append(one)
    own = "" if path.is_dir() else next((one.series for one in whole if one.path == path), "")
    if not whole:
        _check_whole(broken, broken[0].series if broken else "")
    chosen = _chosen(whole, uid or own or None, path)
    _check_whole(broken, chosen[0].series)
    if modality == "CT" and chosen[0].modality != "CT":
        kind = chosen[0].modality or "none"
        raise InputError(f"{name} has modality {kind}: give a CT series")
    slices, captures = without_captures(chosen)
    slices, copies = without_copies(slices)
    check_flat(slices, name)
    slices = _acquisition(slices, number, name)
    commas = check_alike(slices, name)
    slices, positions_mm = sorted_along_normal(slices)
    check_steps(positions_mm, name)
    return slices, (*left_out(others), *captures, *copies, *commas)


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
    if not path.is_file() or path.name.startswith("."):
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
    if start[128:] != b"DICM" and not without_preamble and not may_start_dicom(start):
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
    return with_frames([one for one in slices if one.modality not in RESULTS])


def _chosen(slices: list[Slice], series: str | None, path: Path) -> list[Slice]:
    """Return the slices of the only series, or of the one that is asked for."""
    name = path.name or str(path)
    if not slices:
        raise InputError(
            f"{name} holds no DICOM images{_not_looked_at(path)}: give a folder with a CT series, "
            "or a file"
        )
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


def _not_looked_at(path: Path) -> str:
    """Return how many files are no DICOM by their first bytes, and their extensions."""
    files = (one for one in (path if path.is_dir() else path.parent).rglob("*") if one.is_file())
    others = [one for one in files if not _is_readable_dicom(one)]
    endings = sorted({one.suffix[:12] or "none" for one in others})
    return f" ({len(others)} other files, extensions {', '.join(endings[:5])})" if others else ""


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
            f"{EXPORT}"
        )


def _is_several(slices: list[Slice]) -> bool:
    return len({one.stack for one in slices}) > 1 or is_doubled(slices)


def acquisitions(slices: list[Slice]) -> dict[int, list[Slice]]:
    """Return the stacks of a series in which slices lie at one place, by number; else nothing.

    Names of stacks tell them apart, acquisition numbers or temporal positions; acquisition times
    count from 1.
    """
    for key in range(4):
        groups: dict[str, list[Slice]] = {}
        for one in slices:
            groups.setdefault((one.stack, *one.times)[key], []).append(one)
        if len(groups) > 1 and not any(is_doubled(group) for group in groups.values()):
            names = [name if key < 3 and name.isdecimal() else "" for name in sorted(groups)]
            numbers = map(int, names) if all(names) else range(1, len(names) + 1)
            return dict(zip(numbers, (groups[name] for name in sorted(groups)), strict=True))
    return {}


def _acquisition(slices: list[Slice], number: str, name: str) -> list[Slice]:
    """Return the slices of the acquisition that is asked for, or all if there is only one."""
    found = acquisitions(slices) if _is_several(slices) else {}
    if not number and not found:
        return slices
    if number.isdecimal() and int(number) in found:
        return found[int(number)]
    table = "; ".join(
        f"{n} ({len(group)} slices, time {group[0].times[2][:6] or 'unknown'})"
        for n, group in sorted(found.items())
    )
    if not number:
        raise InputError(
            f"{name} holds {len(found)} acquisitions in one series: {table}: pass --acquisition N, "
            "or segment all with flareseg batch"
        )
    holds = (
        f"but {table}: pass --acquisition with one of them" if found else "but one: leave it out"
    )
    raise InputError(f"{name} holds no acquisition {number} {holds}")
