"""What all later steps can trust of a CT, from whatever source: grid, values, what pads it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from FlareSegLib.base.errors import InputError
from FlareSegLib.base.geometry import Grid, Volume
from FlareSegLib.images.hounsfield import check_ct, to_hounsfield
from FlareSegLib.images.padding import without_nan, without_padding
from FlareSegLib.images.window import uncut

_FEWEST_SLICES = 16
_FEWEST_OF_OTHERS = 3
"""Slices of what is no CT: short axis series of a heart have ten."""
_SPACING_MM = (0.1, 10.0, 15.0)
"""Least; most of the two finer axes; most of the coarsest axis."""


def checked(volume: Volume, name: str, hu_offset: float = 0.0, modality: str = "CT") -> Volume:
    """Return a CT that all later steps can trust; see reading.read_volume().

    Args:
        volume: As read, from whatever source.
        name: What messages call it.
        hu_offset: Added to every voxel.
        modality: What the model takes.

    Raises:
        InputError: It is not a CT that can be segmented.
    """
    _check_grid(volume.grid, name, _FEWEST_SLICES if modality == "CT" else _FEWEST_OF_OTHERS)
    if modality != "CT":
        return replace(volume, array=to_hounsfield(volume.array, hu_offset, name))
    array, blank = without_nan(volume.array, hu_offset)
    array = to_hounsfield(array, hu_offset, name)
    array, cut = uncut(array, volume.grid)
    array, padded = without_padding(array)
    check_ct(array, name)
    return Volume(array, volume.grid, (*volume.warnings, *blank, *cut, *padded))


def _check_grid(grid: Grid, name: str, fewest: int) -> None:
    """Check number of slices, spacing and direction."""
    size = grid.shape[::-1]
    if min(size) < fewest:
        extent = " x ".join(str(length) for length in size)
        raise InputError(
            f"{name} is {extent} voxels, {min(size)} along its shortest axis: "
            f"FlareSeg needs a CT volume of at least {fewest} slices"
        )
    least, most_fine, most_coarse = _SPACING_MM
    spacing = sorted(grid.spacing_mm)
    if not (spacing[0] >= least and spacing[1] <= most_fine and spacing[2] <= most_coarse):
        found = " x ".join(f"{step:g}" for step in grid.spacing_mm[::-1])
        raise InputError(
            f"{name} has a voxel spacing of {found} mm: correct its header, {least} to "
            f"{most_fine:g} mm in a slice and up to {most_coarse:g} mm between slices are possible"
        )
    direction = np.array(grid.direction)
    if not np.allclose(direction @ direction.T, np.eye(3), atol=1e-3):
        raise skewed(name)


def skewed(name: str) -> InputError:
    """Return the error of axes that are not at right angles."""
    return InputError(
        f"{name} has axes that are not at right angles (a sheared or empty direction matrix, as "
        "after gantry tilt): resample it to a straight grid, for example with dcm2niix from DICOM"
    )
