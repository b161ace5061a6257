"""Organs to a DICOM file that refers to the CT's files; in the worker process."""

from pathlib import Path

import numpy as np

NEAR = 0.1
"""Voxels by which a slice may lie elsewhere than its file says: rounding."""


def write_dicom(
    labelmap: "Labelmap",  # noqa: F821
    organs: "LabelSet",  # noqa: F821
    files: list[Path],
    model: list[str],
    target: Path,
) -> None:
    """Write organs as DICOM SEG or RT structure set that refers to the files of the CT.

    Args:
        labelmap: On the grid of the CT in the scene.
        organs: What its values mean.
        files: One for each slice.
        model: Name and version.
        target: .dcm, or .rtstruct.dcm.

    Raises:
        FlareSegError: The files are not those of that grid; or it cannot be written.
    """
    from FlareSegLib.images.dicom.rtstruct import write_rtstruct
    from FlareSegLib.images.dicom.seg import Provenance, check_no_image, write_dicom_seg

    labelmap, slices = in_order(labelmap, files)
    check_no_image(target)
    made = Provenance(files[0].parent, None, *model, seg="binary")
    if target.name.endswith(".rtstruct.dcm"):
        write_rtstruct(labelmap, slices, target, made, organs.organs)
    else:
        write_dicom_seg(labelmap, organs, slices, target, made)


def in_order(labelmap: "Labelmap", files: list[Path]) -> "tuple[Labelmap, list[Path]]":  # noqa: F821
    """Return labels and files, slice by slice along the normal of the slices, as the core has them.

    Raises:
        InputError: A slice does not lie where its file says: the CT was cropped or resampled.
    """
    from dataclasses import replace

    from FlareSegLib.images.dicom.header import read_headers
    from FlareSegLib.images.dicom.stack import sorted_along_normal

    headers = read_headers(files)
    grid = labelmap.grid
    _check_places(headers, grid)
    ordered, _ = sorted_along_normal(headers)
    if ordered[0].path == files[0]:
        return labelmap, files
    first = grid.to_world((grid.shape[0] - 1, 0, 0))
    towards = tuple(-part for part in grid.direction[0])
    turned = replace(grid, origin=first, direction=(towards, *grid.direction[1:]))
    return type(labelmap)(labelmap.array[::-1], turned), files[::-1]


def _check_places(headers: list, grid: "Grid") -> None:  # noqa: F821
    from FlareSegLib.base.errors import InputError

    size, spacing = grid.shape[:0:-1], np.array(grid.spacing_mm[1:])
    axes = np.ravel([grid.direction[2], grid.direction[1]])
    for k, one in enumerate(headers):
        fits = (
            tuple(one.size[:2]) == size
            and np.allclose(one.spacing_mm, spacing, rtol=1e-3)
            and np.allclose(one.axes, axes, atol=1e-3)
            and np.abs(np.subtract(one.position_mm, grid.to_world((k, 0, 0)))).max()
            < NEAR * spacing.min()
        )
        if not fits:
            raise InputError(
                f"slice {k + 1} of the CT in the scene is not that of {one.path.name}: cropped, "
                "resampled or hardened CTs differ from their DICOM files, load the CT again"
            )
