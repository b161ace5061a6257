"""Case and patch: what is in memory, and one training sample cut out of it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

AIR_HU = -1024.0


@dataclass(frozen=True)
class Case:
    """One case in memory."""

    name: str
    hu: Tensor
    """int16, (z, y, x)."""
    labels: Tensor
    """uint8, (z, y, x)."""
    soft: Tensor | None
    """Teacher's probabilities as uint8, (classes, z/2, y/2, x/2); None where none are stored."""
    places: dict[int, NDArray[np.int32]]
    """Some voxels (n, 3) of each class that is there."""
    known: tuple[bool, ...]
    """Which classes its labels tell; an unlabelled organ is background in them."""


@dataclass(frozen=True)
class Patch:
    """One training sample."""

    name: str
    """Of the case."""
    hu: Tensor
    """(z, y, x)."""
    labels: Tensor
    """int64, (z, y, x)."""
    soft: Tensor | None
    """Teacher's probabilities, (classes, z/2, y/2, x/2)."""
    known: tuple[bool, ...]
    """As in Case."""
