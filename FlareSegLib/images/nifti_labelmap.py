"""Write a labelmap as NIfTI with the forms of its CT: ITK would write both anew."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np

from FlareSegLib.base.geometry import Labelmap
from FlareSegLib.images.headers.forms import write_geometry
from FlareSegLib.images.safe_read import packed

_OFFSET = 352
"""Of the voxels, behind 348 bytes of header and 4 that say that nothing is between."""
_UINT8, _BITS = 2, 8


def write_nifti(labelmap: Labelmap, path: Path) -> None:
    """Write a labelmap whose grid knows the header of its CT; .gz is packed.

    Raises:
        OSError: It cannot be written.
    """
    header = bytearray(_OFFSET)
    z, y, x = labelmap.grid.shape
    struct.pack_into("<i", header, 0, 348)
    header[38:39] = b"r"
    struct.pack_into("<8h", header, 40, 3, x, y, z, 1, 1, 1, 1)
    struct.pack_into("<2h", header, 70, _UINT8, _BITS)
    struct.pack_into("<3f", header, 108, _OFFSET, 1.0, 0.0)
    header[344:348] = b"n+1\0"
    write_geometry(header, labelmap.grid.nifti)
    content = bytes(header) + np.ascontiguousarray(labelmap.array, np.uint8).tobytes()
    path.write_bytes(packed(content) if path.name.lower().endswith(".gz") else content)
