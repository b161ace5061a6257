"""Ask ITK what the header of an image file means: its grid, and the type of its voxels."""

from __future__ import annotations

import tempfile
from contextlib import suppress
from pathlib import Path

import SimpleITK as sitk

from FlareSegLib.base.errors import FlareSegError
from FlareSegLib.images.headers.checks import META, NIFTI, image_format
from FlareSegLib.images.safe_read import FORMATS, read_header

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


def frames_of(path: Path) -> int:
    """Return how many volumes an image file holds; 1 where its header cannot be used.

    A file whose voxels are colors or vectors has 1: it is refused as a whole.
    """
    with suppress(FlareSegError, OSError, RuntimeError):
        if path.is_file() and (kind := image_format(path)) in FORMATS:
            header = read_header(path, kind)
            if len(header.shape) > 3:
                reader = itk_header(path, kind, header.stand_in)
                size = reader.GetSize()
                is_plain = reader.GetNumberOfComponents() == 1 and max(size[4:], default=1) == 1
                return size[3] if is_plain and len(size) > 3 else 1
    return 1


def _informed(path: Path, format_name: str) -> sitk.ImageFileReader:
    reader = sitk.ImageFileReader()
    reader.SetImageIO(format_name)
    reader.SetFileName(str(path))
    reader.ReadImageInformation()
    return reader
