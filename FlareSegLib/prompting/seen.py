"""What one look at a box found, and all that the next prompt needs of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from FlareSegLib.base.geometry import Volume
from FlareSegLib.prompting import rules
from FlareSegLib.prompting.crop import Frame, back
from FlareSegLib.prompting.found import Found
from FlareSegLib.prompting.look import look
from FlareSegLib.prompting.one_slice import Slice
from FlareSegLib.prompting.prompt_network import PromptNetwork
from FlareSegLib.prompting.prompts import ClickPrompt, Extent, Prompt


@dataclass(frozen=True)
class Seen:
    """What was found in a box."""

    found: Found
    former: NDArray[np.float32]
    """Mask in the crop."""
    logits: NDArray[np.float32]
    """Of the crop."""
    frame: Frame
    extent: Extent
    """The box that was looked at last."""
    slice: Slice | None = None
    """What was found in the slice of the box, if it lies in one."""

    @classmethod
    def by(
        cls,
        network: PromptNetwork,
        volume: Volume,
        extent: Extent,
        prompts: tuple[Prompt, ...],
        last: Seen | None = None,
    ) -> Seen:
        """Look at a box once: crop, channels, network, and back.

        Args:
            network: Of boxes.
            volume: Canonical, HU.
            extent: The box.
            prompts: All of them; clicks count.
            last: What was found before them.
        """
        config = network.config
        frame = Frame.about(extent, config.ratio, config.grid)
        former = np.zeros(frame.shape, np.float32) if last is None else last.shown(frame)
        clicks = clicks_of(prompts)
        logits = look(volume, network, extent, frame, former, clicks)
        box = frame.voxels(volume.grid)
        mask = back(logits, frame, volume.grid, box) > 0
        rules.obey(mask, box.start, clicks, volume.grid)
        mask = rules.tidy(mask, box.start, clicks, volume.grid)
        found = Found(mask, box, volume.grid, extent, prompts)
        return cls(found, (logits > 0).astype(np.float32), logits, frame, extent)

    def shown(self, frame: Frame) -> NDArray[np.float32]:
        """Return 1 where the thing lies in a frame, else 0."""
        own = self.frame
        if np.array_equal(own.low, frame.low) and np.array_equal(own.step, frame.step):
            return self.former
        return self.found.shown(frame)

    def filling(self) -> Seen:
        """Return it with as much around it, or as little, as fills the drawn box best.

        Where a mask hardly fills its box, voxels above or below the usual threshold of the logits
        may: the box says how far the thing reaches. There are no clicks yet.
        """
        best = max(self.others(), key=lambda other: other.found.fills)
        return best if best.found.fills > self.found.fills + rules.FULLER else self

    def others(self) -> Iterator[Seen]:
        """Yield it with more around it, and with less: other thresholds of the logits."""
        found, grid = self.found, self.found.grid
        values = back(self.logits, self.frame, grid, found.box)
        for threshold in rules.THRESHOLDS:
            mask = rules.tidy(values > threshold, found.box.start, (), grid)
            former = (self.logits > threshold).astype(np.float32)
            yield replace(self, found=replace(found, mask=mask), former=former)


def clicks_of(prompts: Sequence[Prompt]) -> list[ClickPrompt]:
    """Return the clicks among prompts."""
    return [prompt for prompt in prompts if isinstance(prompt, ClickPrompt)]
