"""What was found of one thing."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from FlareSegLib.base.geometry import Box, Grid, Labelmap
from FlareSegLib.preprocessing.orient import to_canonical
from FlareSegLib.prompting.crop import Frame, read_part
from FlareSegLib.prompting.prompts import Extent, Prompt
from FlareSegLib.prompting.rules import extent_of, overlap


@dataclass(frozen=True)
class Found:
    """The segment of one thing."""

    mask: NDArray[np.bool_]
    """(z, y, x), toward S, P and L: a part of the canonical grid."""
    box: Box
    """Where it lies on the canonical grid."""
    grid: Grid
    """The canonical grid of the CT."""
    extent: Extent
    """The box that it was looked for in, grid mm."""
    prompts: tuple[Prompt, ...] = ()
    flags: tuple[str, ...] = ()
    """What is told of the last prompt, keys of prompt_report.FLAGS."""

    @property
    def is_empty(self) -> bool:
        """Whether nothing was found."""
        return not self.mask.any()

    @property
    def ml(self) -> float:
        """Volume in millilitres."""
        return float(np.count_nonzero(self.mask) * self.grid.voxel_ml)

    @property
    def fills(self) -> float:
        """Overlap of the box about it with the box that it was looked for in, 0 to 1."""
        if self.is_empty:
            return 0.0
        return overlap(self.tight, self.extent)

    @cached_property
    def tight(self) -> Extent:
        """The box about it; it is not empty."""
        return extent_of(self.mask, self.box.start, self.grid)

    def shown(self, frame: Frame) -> NDArray[np.float32]:
        """Return 1 where it lies in a frame, else 0."""
        return (read_part(self.mask, self.box, self.grid, frame) > 0.5).astype(np.float32)

    def write(self, labelmap: Labelmap, value: int = 1, *, keep_others: bool = True) -> None:
        """Write it into a labelmap on the grid of the CT, in place.

        Args:
            labelmap: On the CT's own grid, whatever its orientation.
            value: Of the segment; its former voxels are cleared.
            keep_others: Leave voxels of other values as they are.
        """
        array = to_canonical(labelmap).array
        for plane in array:
            plane[plane == value] = 0
        part = array[self.box.slices]
        part[self.mask & (part == 0) if keep_others else self.mask] = value
