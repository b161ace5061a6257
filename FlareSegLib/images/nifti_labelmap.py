"""Write a labelmap as NIfTI with the forms of its CT: ITK would write both anew."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from FlareSegLib.base.geometry import Labelmap
from FlareSegLib.images.headers.nifti1 import nifti1_header
from FlareSegLib.images.safe_read import packed

_UINT8, _BITS = 2, 8


def write_nifti(labelmap: Labelmap, path: Path) -> None:
    """Write a labelmap whose grid knows the header of its CT; .gz is packed.

    Raises:
        OSError: It cannot be written.
    """
    header = nifti1_header(labelmap.grid.shape[::-1], _UINT8, _BITS, labelmap.grid.nifti)
    slices = np.ascontiguousarray(labelmap.array, np.uint8)
    parts = [header, *slices]  # one by one they stay in the processor's cache
    with path.open("wb") as file:
        file.writelines(packed(parts) if path.name.lower().endswith(".gz") else parts)
