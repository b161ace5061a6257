"""Find and read one CT series among DICOM files. Nothing about the patient goes into a message."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import SimpleITK as sitk

from FlareSegLib.base.errors import InputError, ResourceError
from FlareSegLib.base.resources import free_mib
from FlareSegLib.images.dicom.apart import read_apart
from FlareSegLib.images.dicom.beside import left_out, without_captures, without_copies
from FlareSegLib.images.dicom.choice import (
    acquisitions,
    by_series,
    check_whole,
    chosen_acquisition,
    chosen_series,
)
from FlareSegLib.images.dicom.disc import check_disc
from FlareSegLib.images.dicom.elements import is_plain
from FlareSegLib.images.dicom.enhanced import check_flat
from FlareSegLib.images.dicom.files import dicom_files, headers_of, readable
from FlareSegLib.images.dicom.frames import read_frames
from FlareSegLib.images.dicom.header import Slice, image_of
from FlareSegLib.images.dicom.stack import check_alike, check_steps, sorted_along_normal
from FlareSegLib.images.headers.checks import DICOM, image_format

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


@dataclass(frozen=True)
class Found:
    """What the files of a folder are."""

    series: list[Series]
    rest: list[Slice]
    """DICOM files that are no image, or are damaged."""
    others: list[Path]
    """Files that are no DICOM, or cannot be opened."""


def find_series(files: Sequence[Path]) -> Found:
    """Return the series among the files of one folder, and what else there is."""
    dicom = readable(files)
    headers = headers_of(dicom)
    groups = by_series([one for one in headers if one.is_whole])
    parts: dict[str, list[Slice]] = {}
    for uid, group in groups.items():
        found = acquisitions(group)
        parts |= {f"{uid}#{number}": part for number, part in found.items()} or {uid: group}
    series = [_series_of(uid, files[0].parent, group) for uid, group in parts.items()]
    others = sorted(set(files) - set(dicom))
    return Found(series, [one for one in headers if not one.is_whole], others)


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
    folder = path if path.is_dir() else path.parent
    files = dicom_files(folder)
    others: list[Slice] = []
    broken: list[Slice] = []
    whole: list[Slice] = []
    for one in headers_of(files):
        (whole if one.is_whole else broken if one.is_image else others).append(one)
    own = "" if path.is_dir() else next((one.series for one in whole if one.path == path), "")
    if not whole:
        check_whole(broken, broken[0].series if broken else "")
        check_disc(folder, files, others, "")
    chosen = chosen_series(whole, uid or own or None, path)
    check_whole(broken, chosen[0].series)
    gone = check_disc(folder, files, [*whole, *others], chosen[0].series)
    if modality == "CT" and chosen[0].modality != "CT":
        kind = chosen[0].modality or "none"
        raise InputError(f"{name} has modality {kind}: give a CT series")
    slices, captures = without_captures(chosen)
    slices, copies = without_copies(slices)
    check_flat(slices, name)
    slices = chosen_acquisition(slices, number, name)
    commas = check_alike(slices, name)
    slices, positions_mm = sorted_along_normal(slices)
    check_steps(positions_mm, name)
    return slices, (*gone, *left_out(others), *captures, *copies, *commas)


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
