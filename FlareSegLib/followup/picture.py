"""Two dates in one picture: the previews of both, one above the other."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np

from FlareSegLib.base.atomic import atomic
from FlareSegLib.base.errors import InputError
from FlareSegLib.images.case_files import labels_in, to_view
from FlareSegLib.images.reading import read_labelmap, read_volume
from FlareSegLib.preprocessing.orient import to_canonical
from FlareSegLib.reporting import preview


def write_side_by_side(before: Path, after: Path, path: Path) -> None:
    """Write a PNG with the previews of two labelmaps, whose reports say where their CTs are.

    Raises:
        InputError: A CT is not where it was, or a report was given in place of a labelmap.
        OutputError: matplotlib is missing, or the file cannot be written.
    """
    preview.check_installed()
    from matplotlib.image import imread, imsave

    pictures = []
    with tempfile.TemporaryDirectory(prefix="flareseg-") as folder:
        for labelmap in (before, after):
            if labelmap.suffix == ".json":
                raise InputError(f"{labelmap} is a report: give the labelmap for --picture")
            one = Path(folder, "one.png")
            _draw(labelmap, one)
            pictures.append(imread(one)[..., :3])
    width = max(picture.shape[1] for picture in pictures)
    rows = [
        np.pad(picture, ((0, 0), (0, width - picture.shape[1]), (0, 0)), mode="edge")
        for picture in pictures
    ]
    with atomic(path) as temporary:
        imsave(temporary, np.concatenate(rows), format="png")


def _draw(labelmap: Path, path: Path) -> None:
    ct, labels = to_view(labelmap)[0], labels_in(labelmap)
    volume, organs = to_canonical(read_volume(ct)), to_canonical(read_labelmap(labelmap))
    preview.write_preview(volume, organs, labels.organs, path, preview.Caption(labelmap.name))
