"""One look of a network at a box: crop, channels, network."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from FlareSegLib.base.geometry import Volume
from FlareSegLib.prompting.channels import box_channel, channels, click_channel
from FlareSegLib.prompting.crop import Frame, read
from FlareSegLib.prompting.prompt_network import PromptNetwork
from FlareSegLib.prompting.prompts import ClickPrompt, Extent, on_grid


def look(
    volume: Volume,
    network: PromptNetwork,
    extent: Extent,
    frame: Frame,
    former: NDArray[np.float32],
    clicks: Sequence[ClickPrompt],
) -> NDArray[np.float32]:
    """Return the logits of a crop.

    Args:
        volume: Canonical, HU.
        network: Its crops are as the frame's.
        extent: The box.
        frame: Of the crop.
        former: What was found before, in the crop; zeros: nothing.
        clicks: Those that count.
    """
    hu = read(volume.array, volume.grid, frame)
    plus, minus = (
        click_channel((on_grid(c.at, volume.grid) for c in clicks if c.inside is side), frame)
        for side in (True, False)
    )
    return network(channels(hu, box_channel(extent, frame), former, plus, minus))
