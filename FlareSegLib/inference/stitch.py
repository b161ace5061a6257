"""Logits of overlapping windows to one grid, in bounded memory."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from FlareSegLib.base.config import ModelConfig
from FlareSegLib.base.geometry import Zyx

BACKGROUND_LOGIT = 10.0
"""Logit of the background where no window ran."""


def nothing_seen(config: ModelConfig) -> NDArray[np.float32]:
    """Return the logits (channels) where no window ran: background, or no region at all."""
    found = np.zeros(config.channels, np.float32)
    if config.recipe and config.recipe.has_regions:
        return found - np.float32(BACKGROUND_LOGIT)
    found[0] = BACKGROUND_LOGIT
    return found


class Stitcher:
    """Weighted mean of window logits.

    Windows must come in order of their start along z. Only a band as deep as a window is held as
    float32 sums; slices that no later window can reach are finished and kept as float16, channels
    last.
    """

    def __init__(
        self,
        shape: Zyx,
        classes: int,
        weights: NDArray[np.float32],
        nothing: NDArray[np.float32] | None = None,
    ) -> None:
        """Make an empty Stitcher.

        Args:
            shape: Shape (z, y, x) of the grid of logits.
            classes: Number of classes.
            weights: Weight of each voxel of a window, (z, y, x).
            nothing: Logits where no window ran, one per class; None: background.
        """
        if nothing is None:
            nothing = np.eye(1, classes, dtype=np.float32)[0] * np.float32(BACKGROUND_LOGIT)
        self._nothing = nothing
        depth = min(weights.shape[0], shape[0])
        self._weights = weights
        self._logits = np.empty((*shape, classes), np.float16)
        self._sum = np.zeros((classes, depth, *shape[1:]), np.float32)
        self._weight = np.zeros((depth, *shape[1:]), np.float32)
        self._top = 0

    def add(self, start: Zyx, logits: NDArray[np.float32]) -> None:
        """Add a window whose first logit lies at start (z, y, x); logits is (classes, z, y, x)."""
        if start[0] < self._top:
            raise ValueError(
                f"window at z {start[0]} comes after slices below {self._top} were finished"
            )
        self._finish(start[0])
        _, z, y, x = logits.shape
        at = (slice(0, z), slice(start[1], start[1] + y), slice(start[2], start[2] + x))
        for total, of_class in zip(self._sum, logits, strict=True):  # no copy of them all
            total[at] += of_class * self._weights
        self._weight[at] += self._weights

    def logits(self) -> NDArray[np.float16]:
        """Return the logits (z, y, x, classes) of the whole grid; call it once, at the end."""
        self._finish(self._logits.shape[0])
        return self._logits

    def _finish(self, stop: int) -> None:
        """Write the slices below stop and move the band there."""
        while self._top < stop:
            count = min(stop - self._top, self._weight.shape[0])
            self._write(count)
            for band in (*self._sum, self._weight):  # one at a time: no copy of them all
                band[:-count] = band[count:]
                band[-count:] = 0
            self._top += count

    def _write(self, count: int) -> None:
        for i in range(count):  # a slice at a time: no copy of the band
            seen = self._weight[i] > 0
            mean = self._sum[:, i] / np.where(seen, self._weight[i], 1)
            mean[:, ~seen] = self._nothing[:, None]
            self._logits[self._top + i] = np.moveaxis(mean, 0, -1)
