"""One look: what its logits are worth where the mask hardly fills the box."""

import numpy as np
import pytest

from FlareSegLib.base.geometry import Volume
from FlareSegLib.prompting.session import Session
from Testing.prompting.things import BALL, BALL_ML, CENTRE_RAS, RADIUS, SPACING, Bright, ball, box

CORE = 280
"""HU of the middle of the ball."""


class Shy(Bright):
    """Sure of what is as bright as the core, and in doubt of the rest of the ball."""

    def __call__(self, channels):
        self.shown.append(channels)
        return ((channels[1] * 1000 - BALL) / 40 - 1.5).clip(-3.5, 4).astype(np.float32)


def ball_with_a_core() -> Volume:
    """Return the ball with a small bright core."""
    volume = ball()
    z, y, x = (
        (np.arange(n) - n / 2) * step for n, step in zip(volume.array.shape, SPACING, strict=True)
    )
    near = z[:, None, None] ** 2 + y[:, None] ** 2 + x**2 <= (RADIUS / 2) ** 2
    return Volume(np.where(near, CORE, volume.array).astype(np.int16), volume.grid)


def test_a_mask_that_hardly_fills_its_box_takes_in_what_the_network_doubts():
    network = Shy()
    session = Session(ball_with_a_core(), network)
    found = session.box(*box(1))
    assert found.ml == pytest.approx(BALL_ML, rel=0.1)
    looks = len(network.shown)
    session.click(CENTRE_RAS)
    shown = network.shown[looks]
    assert np.count_nonzero(shown[4]) > 4 * np.count_nonzero(shown[1] > 0.27)


def test_a_mask_that_fills_its_box_is_left_as_the_network_says():
    session = Session(ball_with_a_core(), Shy())
    low, high = (tuple(c + side * RADIUS / 2 for c in CENTRE_RAS) for side in (-1, 1))
    found = session.box(low, high)
    assert found.ml < BALL_ML / 4
    assert found.fills > 0.6
