"""How much memory a case will take, told from headers alone."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace

import SimpleITK as sitk

from FlareSegLib.cases import Case
from FlareSegLib.config import ModelConfig
from FlareSegLib.dicom import may_hold_series, series_paths
from FlareSegLib.errors import FlareSegError, ResourceError
from FlareSegLib.geometry import Grid
from FlareSegLib.headers import image_format
from FlareSegLib.resources import THREAD_MIB, needed_mib
from FlareSegLib.safe_read import FORMATS, check_header


def demand_mib(case: Case, config: ModelConfig, threads: int) -> float:
    """Return the memory that a case takes with so many threads, in MiB.

    0 if its headers cannot be used: reading it will say why, and takes next to nothing.
    """
    if not case.source.exists():
        return 0.0
    with suppress(FlareSegError, OSError, RuntimeError):
        return needed_mib(_grid(case), config.spacing_mm) + threads * THREAD_MIB
    return 0.0


def _grid(case: Case) -> Grid:
    if may_hold_series(case.source):
        slices = series_paths(case.source, case.series)
        one = _as_header_says(str(slices[0]), "GDCMImageIO")
        return replace(one, shape=(len(slices), *one.shape[1:]))
    kind = image_format(case.source)
    if kind in FORMATS:
        with suppress(ResourceError):  # too large for what is free now: others may end first
            check_header(case.source, kind)
    return _as_header_says(str(case.source), kind)


def _as_header_says(name: str, kind: str) -> Grid:
    reader = sitk.ImageFileReader()
    reader.SetImageIO(kind)
    reader.SetFileName(name)
    reader.ReadImageInformation()
    x, y, z = (*reader.GetSize(), 1)[:3]
    spacing_x, spacing_y, spacing_z = (*reader.GetSpacing(), 1.0)[:3]
    return Grid((z, y, x), (spacing_z, spacing_y, spacing_x))
