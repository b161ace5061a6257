"""Organs of Slicer's scene to a DICOM file that refers to the CT's files; in the worker process.

labels.npy    labels on the grid of the CT, uint8 (k, j, i)
dicom.json    the CT's files and grid, the organs, the model, and the file to write
"""

import json
import sys
from pathlib import Path

import numpy as np

LABELS, FACTS = "labels.npy", "dicom.json"
NEAR = 0.1
"""Voxels by which a slice may lie elsewhere than its file says: rounding."""


def write(folder: Path) -> int:
    """Write the file that dicom.json asks for; return the exit code, a reason goes to stderr."""
    from FlareSegLib.base.errors import FlareSegError

    try:
        _write(folder)
    except (FlareSegError, OSError) as error:
        sys.stderr.write(f"flareseg: {error}\n")
        return 1
    return 0


def _write(folder: Path) -> None:
    from FlareSegLib.base.geometry import Grid, Labelmap
    from FlareSegLib.base.labels import LabelSet, Organ
    from FlareSegLib.images.dicom.rtstruct import write_rtstruct
    from FlareSegLib.images.dicom.seg import Provenance, check_no_image, write_dicom_seg

    facts = json.loads((folder / FACTS).read_text(encoding="utf-8"))
    grid = Grid(**{key: _frozen(value) for key, value in facts["grid"].items()})
    files, target = [Path(path) for path in facts["files"]], Path(facts["target"])
    organs = tuple(
        Organ(**{key: _frozen(value) for key, value in one.items()}) for one in facts["organs"]
    )
    labelmap, slices = in_order(Labelmap(np.load(folder / LABELS), grid), files)
    check_no_image(target)
    made = Provenance(files[0].parent, None, *facts["model"], seg="binary")
    if target.name.endswith(".rtstruct.dcm"):
        write_rtstruct(labelmap, slices, target, made, organs)
    else:
        write_dicom_seg(labelmap, LabelSet(organs), slices, target, made)


def _frozen(value: object) -> object:
    return tuple(map(_frozen, value)) if isinstance(value, list) else value


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
