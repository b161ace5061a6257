"""Write a NIfTI-1 header: for a labelmap, and for ITK, which knows no NIfTI-2."""

from __future__ import annotations

import struct
from collections.abc import Sequence

from FlareSegLib.images.headers.forms import write_geometry

OFFSET = 352
"""Of the voxels, behind 348 bytes of header and 4 that say that nothing is between."""
MOST_LENGTH = 2**15 - 1
"""Of an axis: the numbers have 16 bits."""


def nifti1_header(shape: Sequence[int], datatype: int, bits: int, geometry: bytes) -> bytes:
    """Return the header of a .nii file, little endian, without slope and intercept.

    Args:
        shape: Voxels along x, y, z and up to four further axes.
        datatype: By the definition, 2 for uint8.
        bits: Of a voxel.
        geometry: What forms.geometry() gave.
    """
    header = bytearray(OFFSET)
    struct.pack_into("<i", header, 0, 348)
    header[38:39] = b"r"
    struct.pack_into("<8h", header, 40, len(shape), *shape, *[1] * (7 - len(shape)))
    struct.pack_into("<2h", header, 70, datatype, bits)
    struct.pack_into("<3f", header, 108, OFFSET, 1.0, 0.0)
    header[344:348] = b"n+1\0"
    write_geometry(header, geometry)
    return bytes(header)
