"""What was seen twice: by a first look, and in slices that two slabs share.

None of it is used for the labels; where two looks differ, one of them is wrong.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


class Looks:
    """What a pass over a volume saw twice."""

    def __init__(self, classes: int) -> None:
        """Make one of a pass that saw nothing yet."""
        self.first: NDArray[np.uint8] | None = None
        """Labels of the first look, one per cell of 4 x 4 x 4 voxels; None if there was none."""
        self.both = np.zeros(classes, np.intp)
        """Cells of each class on which two slabs agree."""
        self.total = np.zeros(classes, np.intp)
        """Cells that one slab calls a class and those that the other does, in what both hold."""
        self._said: dict[int, NDArray[np.uint8]] = {}

    def see(self, start: int, logits: NDArray[np.float32], ends: int) -> None:
        """Take what a slab says of its ends: count it if another slab said it, else keep it.

        Kept are the labels of the slices that no other slab held so far, so that memory does not
        grow with the scan.

        Args:
            start: Its first slice of logits.
            logits: (classes, z, y, x).
            ends: Slices of logits at either end that a neighbour may hold.
        """
        depth = logits.shape[1]
        for z in sorted({*range(min(ends, depth)), *range(max(0, depth - ends), depth)}):
            mine = logits[:, z].argmax(axis=0).astype(np.uint8)
            other = self._said.pop(start + z, None)
            if other is None or other.shape != mine.shape:  # a wider field: looked at anew
                self._said[start + z] = mine
            else:
                self._count(mine, other)

    def _count(self, one: NDArray[np.uint8], other: NDArray[np.uint8]) -> None:
        classes = len(self.both)
        self.both += np.bincount(one[one == other], minlength=classes)
        for labels in (one, other):
            self.total += np.bincount(labels.ravel(), minlength=classes)
