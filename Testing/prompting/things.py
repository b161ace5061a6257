"""A ball in a block of tissue, and a network of prompts whose mask is known."""

from __future__ import annotations

import math

import numpy as np

from FlareSegLib.base.geometry import IDENTITY, Grid, Volume
from FlareSegLib.prompting.channels import NAMES
from FlareSegLib.prompting.prompt_network import PromptConfig

CONFIG = PromptConfig("crop", "bright", "1", "0" * 64, (32, 64, 64), 1.5, NAMES)
CENTRE_RAS = (-40.0, 25.0, 130.0)
"""Of the ball."""
RADIUS = 15.0
TISSUE, BALL = 40, 120
SHAPE, SPACING = (60, 90, 100), (2.0, 1.5, 1.5)


class Bright:
    """Says inside where HU are above 80; counts its calls and keeps what it was shown."""

    config = CONFIG
    one_slice: Bright | None = None
    correction: Bright | None = None

    def __init__(self) -> None:
        self.shown: list[np.ndarray] = []

    def __call__(self, channels: np.ndarray) -> np.ndarray:
        self.shown.append(channels)
        return (channels[1] * 1000 - 80).astype(np.float32)


def ball(direction=IDENTITY) -> Volume:
    """Return the CT: the ball's centre is CENTRE_RAS whatever the direction of the grid."""
    half = [n * s / 2 for n, s in zip(SHAPE, SPACING, strict=True)]
    lps = np.array(CENTRE_RAS) * (-1, -1, 1)
    origin = lps - np.array([half[0], half[1], half[2]]) @ np.array(direction)
    grid = Grid(SHAPE, SPACING, tuple(float(v) for v in origin), direction)
    axes = [np.arange(n) * s - h for n, s, h in zip(SHAPE, SPACING, half, strict=True)]
    apart = axes[0][:, None, None] ** 2 + axes[1][:, None] ** 2 + axes[2] ** 2
    return Volume(np.where(apart <= RADIUS**2, BALL, TISSUE).astype(np.int16), grid)


def box(margin: float = 0.0) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Return the corners of the box about the ball."""
    low = tuple(c - RADIUS - margin for c in CENTRE_RAS)
    return low, tuple(c + RADIUS + margin for c in CENTRE_RAS)


def flat_box(margin: float, above: float = 0.0) -> tuple[list[float], list[float]]:
    """Return the corners of the box about the ball in one slice, so far above its middle."""
    low, high = (list(corner) for corner in box(margin))
    low[2] = high[2] = CENTRE_RAS[2] + above
    return low, high


BALL_ML = 4 / 3 * math.pi * RADIUS**3 / 1000
