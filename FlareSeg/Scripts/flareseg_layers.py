"""Segments of Slicer's scene, onto the grid of the CT and into a file; in the worker process.

layers.json    grid, organs, and for each layer its first index and the organ of each value
layer_0.npy    voxels (k, j, i) of a layer
export.json    the file to write; for DICOM also the files of the CT
"""

import json
import shutil
from pathlib import Path

import numpy as np
from FlareSegUI.RunFiles import EXPORT, LAYER, LAYERS


def write(folder: Path) -> None:
    """Write the file that export.json asks for.

    Raises:
        FlareSegError, OSError: It cannot be written.
    """
    facts = json.loads((folder / EXPORT).read_text(encoding="utf-8"))
    target = Path(facts["target"])
    labelmap, organs = merged(folder)
    if target.name.endswith(".dcm"):
        from flareseg_dicom import write_dicom

        files = [Path(path) for path in facts["files"]]
        write_dicom(labelmap, organs, files, facts["model"], target)
    else:
        _write_labelmap(labelmap, organs, target)


def merged(folder: Path) -> "tuple[Labelmap, LabelSet]":  # noqa: F821
    """Return all segments on the grid of the CT; of two at one voxel the later one wins."""
    from FlareSegLib.base.geometry import Grid, Labelmap
    from FlareSegLib.base.labels import LabelSet, Organ

    facts = json.loads((folder / LAYERS).read_text(encoding="utf-8"))
    grid = Grid(**{key: _frozen(value) for key, value in facts["grid"].items()})
    organs = tuple(
        Organ(**{key: _frozen(value) for key, value in one.items()}) for one in facts["organs"]
    )
    labels = np.zeros(grid.shape, np.uint8)
    places = {
        organ: (i, layer["start"], int(value))
        for i, layer in enumerate(facts["layers"])
        for value, organ in layer["values"].items()
    }
    for organ in sorted(places):
        number, start, value = places[organ]
        layer = np.load(folder / LAYER.format(number), mmap_mode="r")
        here, there = _overlap(start, layer.shape, grid.shape)
        labels[here][layer[there] == value] = organ
    return Labelmap(labels, grid), LabelSet(organs)


def _overlap(
    start: list[int], size: tuple[int, ...], whole: tuple[int, ...]
) -> tuple[tuple[slice, ...], tuple[slice, ...]]:
    """Return where a layer and the grid of the CT overlap: slices of the grid, and of the layer."""
    low = [max(0, one) for one in start]
    high = [max(a, min(a + n, total)) for a, n, total in zip(start, size, whole, strict=True)]
    here = tuple(slice(a, max(a, b)) for a, b in zip(low, high, strict=True))
    there = tuple(slice(s.start - a, s.stop - a) for s, a in zip(here, start, strict=True))
    return here, there


def _write_labelmap(labelmap: "Labelmap", organs: "LabelSet", target: Path) -> None:  # noqa: F821
    """Write a labelmap under a plain name first: on Windows SimpleITK cannot write others."""
    from FlareSegLib.base.atomic import atomic
    from FlareSegLib.images.writing import write_labelmap

    ending = next(one for one in (".nii.gz", ".seg.nrrd", ".nrrd") if target.name.endswith(one))
    plain = Path(f"organs{ending}")
    write_labelmap(labelmap, plain, labels=organs)
    with atomic(target) as temporary:
        shutil.copyfile(plain, temporary)


def _frozen(value: object) -> object:
    return tuple(map(_frozen, value)) if isinstance(value, list) else value
