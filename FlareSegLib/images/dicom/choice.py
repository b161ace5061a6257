"""Which series, and which acquisition of it, is meant."""

from __future__ import annotations

from pathlib import Path

from FlareSegLib.base.errors import InputError
from FlareSegLib.images.dicom.files import not_looked_at
from FlareSegLib.images.dicom.header import Slice
from FlareSegLib.images.dicom.stack import EXPORT, is_doubled


def chosen_series(slices: list[Slice], series: str | None, path: Path) -> list[Slice]:
    """Return the slices of the only series, or of the one that is asked for."""
    name = path.name or str(path)
    if not slices:
        raise InputError(
            f"{name} holds no DICOM images{not_looked_at(path)}: give a folder with a CT series, "
            "or a file"
        )
    groups = by_series(slices)
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


def by_series(slices: list[Slice]) -> dict[str, list[Slice]]:
    """Return the slices of each series, by UID."""
    groups: dict[str, list[Slice]] = {}
    for one in slices:
        groups.setdefault(one.series, []).append(one)
    return groups


def check_whole(broken: list[Slice], series: str) -> None:
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
    if not _is_several(slices):
        return {}
    for key in range(4):
        groups: dict[str, list[Slice]] = {}
        for one in slices:
            groups.setdefault((one.stack, *one.times)[key], []).append(one)
        if len(groups) > 1 and not any(is_doubled(group) for group in groups.values()):
            names = [name if key < 3 and name.isdecimal() else "" for name in sorted(groups)]
            numbers = map(int, names) if all(names) else range(1, len(names) + 1)
            return dict(zip(numbers, (groups[name] for name in sorted(groups)), strict=True))
    return {}


def chosen_acquisition(slices: list[Slice], number: str, name: str) -> list[Slice]:
    """Return the slices of the acquisition that is asked for, or all if there is only one."""
    found = acquisitions(slices)
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
