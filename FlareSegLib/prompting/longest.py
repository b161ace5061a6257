"""What a line says of a thing: it is as long as this in a slice, and nowhere longer (RECIST)."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from FlareSegLib.prompting.diameters import diameters
from FlareSegLib.prompting.found import Found
from FlareSegLib.prompting.prompts import Extent

BESIDE = 0.85
"""Side of the box about a line along the other axes, in lengths of the line."""


def extents(start: NDArray[np.float64], end: NDArray[np.float64]) -> tuple[Extent, Extent]:
    """Return the box about a line that is looked at first, and the one that holds all of the thing.

    No point of the thing is further from an end of the line than the line is long.

    Args:
        start: End of the line, grid mm (z, y, x).
        end: The other one.
    """
    along = np.abs(end - start)
    length = float(np.linalg.norm(along))
    first = np.maximum(along, BESIDE * length)
    middle = (start + end) / 2
    return Extent.about(middle, first), Extent.about(middle, 2 * length - along)


def misfit(found: Found, length: float) -> float:
    """Return how far the longest diameter of what was found is from a length (mm): 0 is best."""
    longest = diameters(found.mask, found.grid.spacing_mm[1:]).longest_mm
    return abs(math.log(longest / length)) if longest else math.inf
