"""Ask ITK what the header of an image file means: its grid, and the type of its voxels."""

from __future__ import annotations

import tempfile
from pathlib import Path

import SimpleITK as sitk

from FlareSegLib.images.headers.checks import META, NIFTI

_ENDINGS = {NIFTI: ".nii", META: ".mha"}


def itk_header(path: Path, format_name: str, stand_in: bytes = b"") -> sitk.ImageFileReader:
    """Return a reader that has read the header of a file.

    Args:
        path: The file.
        format_name: What ITK calls its reader.
        stand_in: What it reads instead, see Header.stand_in.

    Raises:
        RuntimeError: ITK cannot use it.
    """
    if not stand_in:
        return _informed(path, format_name)
    with tempfile.TemporaryDirectory(prefix="flareseg-") as folder:
        place = Path(folder, f"header{_ENDINGS[format_name]}")
        place.write_bytes(stand_in)
        return _informed(place, format_name)


def _informed(path: Path, format_name: str) -> sitk.ImageFileReader:
    reader = sitk.ImageFileReader()
    reader.SetImageIO(format_name)
    reader.SetFileName(str(path))
    reader.ReadImageInformation()
    return reader
