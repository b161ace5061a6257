"""A box in one slice, and what is in it there: a network looks at this slice alone.

Both planes of its crop lie in the middle of the slice, so that it shows one image.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from FlareSegLib.base.geometry import Box, Grid, Volume
from FlareSegLib.prompting.crop import Frame, back, read_part, zyx
from FlareSegLib.prompting.look import look
from FlareSegLib.prompting.prompt_network import PromptNetwork
from FlareSegLib.prompting.prompts import (
    BoxPrompt,
    ClickPrompt,
    Extent,
    Prompt,
    box_extent,
    on_grid,
)
from FlareSegLib.prompting.rules import extent_of

LEAST_MM = 3.0
"""A box is at least so large along each axis."""
DEPTH_MM = 0.01
"""Of the box that is looked at: next to nothing."""
THIN = 1.5
"""A box in one slice is at most so many slices deep."""


def slice_of(prompt: Prompt, grid: Grid) -> Extent | None:
    """Return the box in the middle of its slice; None for any other prompt."""
    if not isinstance(prompt, BoxPrompt):
        return None
    extent = box_extent(prompt, grid)
    thin = extent.size <= THIN * np.array(grid.spacing_mm)
    if thin.tolist() != [True, False, False]:
        return None
    return middle_of(extent, grid)


def middle_of(extent: Extent, grid: Grid) -> Extent:
    """Return a box in the middle of the slice that its own middle is nearest to."""
    step = grid.spacing_mm[0]
    centre, size = extent.centre, extent.size
    centre[0] = np.clip(np.rint(centre[0] / step), 0, grid.shape[0] - 1) * step
    size[0] = DEPTH_MM
    return Extent.about(centre, size)


def is_in_slice(click: ClickPrompt, extent: Extent, grid: Grid) -> bool:
    """Return whether a click lies in the slice of a box of slice_of()."""
    above = on_grid(click.at, grid)[0] - extent.centre[0]
    return bool(abs(above) <= grid.spacing_mm[0] / 2)


@dataclass(frozen=True)
class Slice:
    """What was found in a slice."""

    mask: NDArray[np.bool_]
    """(1, y, x): a part of the canonical grid."""
    box: Box
    """Where it lies there."""

    @classmethod
    def seen(
        cls,
        volume: Volume,
        network: PromptNetwork,
        extent: Extent,
        clicks: Sequence[ClickPrompt],
        last: Slice | None,
    ) -> Slice:
        """Look at a slice; without clicks again, halfway to what was found: people draw loosely.

        Args:
            volume: Canonical, HU.
            network: Of one slice.
            extent: See slice_of() and middle_of().
            clicks: All of them; those in other slices do not count.
            last: What was found before.
        """
        here = [click for click in clicks if is_in_slice(click, extent, volume.grid)]
        first = cls.looked_at(volume, network, extent, here, last)
        if here or not first.mask.any():
            return first
        return cls.looked_at(volume, network, first._halfway(extent, volume.grid), here, first)

    @classmethod
    def looked_at(
        cls,
        volume: Volume,
        network: PromptNetwork,
        extent: Extent,
        clicks: Sequence[ClickPrompt] = (),
        last: Slice | None = None,
    ) -> Slice:
        """Look at a slice once; see seen(), but that all clicks count."""
        grid, config = volume.grid, network.config
        frame = Frame.about(extent, config.ratio, config.grid)
        former = np.zeros(frame.shape, np.float32)
        if last is not None:
            former = (read_part(last.mask, last.box, grid, frame) > 0.5).astype(np.float32)
        logits = look(volume, network, extent, frame, former, clicks)
        box = frame.voxels(grid)
        return cls(back(logits, frame, grid, box) > 0, box)

    def _halfway(self, extent: Extent, grid: Grid) -> Extent:
        """Return the box between one in its slice and that of the mask, which is not empty."""
        tight = extent_of(self.mask, self.box.start, grid)
        low, high = (extent.low[0], *tight.low[1:]), (extent.high[0], *tight.high[1:])
        return extent.halfway(Extent(low, high))

    def put_into(self, mask: NDArray[np.bool_], box: Box) -> tuple[NDArray[np.bool_], Box]:
        """Return a mask that lies in a box with that of the slice in it, and the box of both."""
        boxes = (box, self.box)
        low = np.min([one.start for one in boxes], axis=0)
        high = np.max([one.stop for one in boxes], axis=0)
        found = np.zeros(high - low, np.bool_)
        found[within(box, low)] = mask
        inner = within(self.box, low)
        found[inner[0]] = False
        found[inner] = self.mask
        return found, Box(zyx(low), zyx(high))


def within(box: Box, low: Iterable[int]) -> tuple[slice, ...]:
    """Return the index of a box in an array whose first voxel is low."""
    return tuple(
        slice(a - first, b - first) for a, b, first in zip(box.start, box.stop, low, strict=True)
    )
