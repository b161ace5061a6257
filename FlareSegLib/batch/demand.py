"""How much memory a case will take, and how long it may take, told from headers alone."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

import SimpleITK as sitk

from FlareSegLib.base.config import ModelConfig
from FlareSegLib.base.errors import FlareSegError, InputError, ResourceError
from FlareSegLib.base.geometry import Grid
from FlareSegLib.base.resources import LIMIT_SECONDS, THREAD_MIB, limit_seconds, needed_mib
from FlareSegLib.base.run_options import Speed
from FlareSegLib.batch.cases import Case
from FlareSegLib.images.archive import unzipped
from FlareSegLib.images.dicom.elements import is_sound
from FlareSegLib.images.dicom.series import may_hold_series, series_paths
from FlareSegLib.images.headers.checks import DICOM, check_size, image_format
from FlareSegLib.images.itk_header import itk_header
from FlareSegLib.images.safe_read import FORMATS, read_header


@dataclass(frozen=True)
class Demand:
    """What a case asks of its machine."""

    memory_mib: float = 0.0
    """With the threads that it runs on."""
    limit_seconds: float = LIMIT_SECONDS
    """After this time it hangs."""


def demand_of(case: Case, config: ModelConfig, threads: int, speed: Speed = "accurate") -> Demand:
    """Return what a case asks of its machine, with so many threads, at a speed.

    No memory if its headers cannot be used: reading it will say why, and takes next to nothing.
    """
    if not case.source.exists():
        return Demand()
    with suppress(FlareSegError, OSError, RuntimeError), unzipped(case.source) as source:
        grid = _grid(source, case.series)
        size = config.logits_per_voxel, config.network_mib
        memory_mib = needed_mib(grid, config.spacing_mm, speed, *size) + threads * THREAD_MIB
        longest = limit_seconds(grid, config.spacing_mm) * config.patience(speed)
        return Demand(memory_mib, longest)
    return Demand()


def _grid(source: Path, series: str | None) -> Grid:
    if may_hold_series(source):
        slices = series_paths(source, series)
        if not is_sound(slices[0]):
            raise InputError(f"{slices[0].name} is damaged")
        one = _grid_of(itk_header(slices[0], DICOM))
        return replace(one, shape=(len(slices), *one.shape[1:]))
    kind = image_format(source)
    if kind not in FORMATS:
        raise InputError(f"{source.name} is no image")
    header = read_header(source, kind)
    with suppress(ResourceError):  # too large for what is free now: others may end first
        check_size(header, source.name)
    return _grid_of(itk_header(source, kind, header.stand_in))


def _grid_of(reader: sitk.ImageFileReader) -> Grid:
    x, y, z = (*reader.GetSize(), 1)[:3]
    spacing_x, spacing_y, spacing_z = (*reader.GetSpacing(), 1.0)[:3]
    return Grid((z, y, x), (spacing_z, spacing_y, spacing_x))
