"""Which windows the network sees, and in which order. Pure: shapes in, boxes out."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from FlareSegLib.base.config import ModelConfig
from FlareSegLib.base.geometry import Box, Zyx
from FlareSegLib.base.run_options import RunOptions
from FlareSegLib.inference import flat

EMPTY_VOXELS = 1000
"""A centre window with fewer foreground voxels of the input grid is empty (CDL-UNet's program)."""
TOUCH_VOXELS = 10
"""A tube touches a face of the centre window with more voxels than this (CDL-UNet's program)."""

MOST_VOXELS = 4_500_000
"""Of a window of a flat network: its feature maps take about 60 bytes a voxel."""
SLAB_OVERLAP = 16
"""Slices that neighbouring slabs share."""


@dataclass(frozen=True)
class ZStep:
    """The windows at one position along z."""

    centre: Box
    neighbours: tuple[Box, ...]


@dataclass(frozen=True)
class Plan:
    """All windows over a volume."""

    shape: Zyx
    """Shape (z, y, x) that the volume, or the area of it, is padded to, at its far end."""
    window: Zyx
    """Shape of every window."""
    steps: tuple[ZStep, ...]
    is_fine: bool
    """True if the fine stride was taken."""

    @property
    def count(self) -> int:
        """Number of windows."""
        return sum(1 + len(step.neighbours) for step in self.steps)

    def seams(self, stride: int) -> list[tuple[int, int]]:
        """Return the slices [start, stop) of logits that are each z step's own.

        A seam lies in the middle of what two steps share, where both see equally far.
        """
        tops = [step.centre.start[0] for step in self.steps]
        middles = [(a + self.window[0] + b) // (2 * stride) for a, b in pairwise(tops)]
        return list(pairwise([tops[0] // stride, *middles, (tops[0] + self.shape[0]) // stride]))


def starts(length: int, window: int, overlap: float, multiple: int = 1) -> list[int]:
    """Return evenly spread window starts that cover length, with at least the given overlap.

    A length of 110 under windows of 64 at overlap 0.5 gives 0, 23, 46. Starts are multiples of
    `multiple`.
    """
    if length <= window:
        return [0]
    count = 1 + math.ceil((length - window) / (window * (1 - overlap)))
    spread = (length - window) / (count - 1)
    return [min(length - window, multiple * round(i * spread / multiple)) for i in range(count)]


def plan(shape: Zyx, config: ModelConfig, options: RunOptions, area: Box | None = None) -> Plan:
    """Return the windows over a volume of this shape, or over an area of it for a flat network.

    The fine stride is taken where it needs few windows (config.fine_windows_limit), else the
    coarse one; speed "fast" always takes the coarse, "accurate" and a recipe always the fine.
    """
    if config.is_flat:
        return _slabs(area or Box((0, 0, 0), shape), slab_overlap(options))
    fine = _lay_out(shape, config, config.fine_overlap, is_fine=True)
    few = fine.count <= config.fine_windows_limit
    wants_fine = few or options.speed == "accurate" or config.recipe is not None
    if wants_fine and options.speed != "fast":
        return fine
    return _lay_out(shape, config, config.coarse_overlap, is_fine=False)


def slab_overlap(options: RunOptions) -> int:
    """Return how many slices neighbouring slabs share."""
    return 2 * SLAB_OVERLAP if options.speed == "accurate" else SLAB_OVERLAP


def _lay_out(shape: Zyx, config: ModelConfig, overlap: float, *, is_fine: bool) -> Plan:
    step = config.logits_stride
    z, y, x = (
        max(window, step * math.ceil(n / step))
        for n, window in zip(shape, config.window, strict=True)
    )
    rows = [
        starts(n, w, overlap if w > 1 else 0.0, step)
        for n, w in zip((z, y, x), config.window, strict=True)
    ]
    middle = (y - config.window[1]) / 2, (x - config.window[2]) / 2
    in_plane = sorted(
        ((b, c) for b in rows[1] for c in rows[2]),
        key=lambda at: (math.dist(at, middle), at),
    )
    steps = tuple(_z_step(a, in_plane, config.window) for a in rows[0])
    return Plan((z, y, x), config.window, steps, is_fine)


def _slabs(area: Box, overlap: int) -> Plan:
    """Return windows of the whole plane, as deep as MOST_VOXELS allows, over an area.

    A flat network has no norm that depends on its window, so more context only costs time.
    """
    z, y, x = (
        step * math.ceil(n / step) for n, step in zip(area.shape, flat.MULTIPLE, strict=True)
    )
    deepest = max(3 * overlap, MOST_VOXELS // (y * x))
    count = max(1, math.ceil((z - overlap) / (deepest - overlap)))
    depth = 2 * math.ceil((z + (count - 1) * overlap) / count / 2)
    tops = [2 * round(i * (z - depth) / max(1, count - 1) / 2) for i in range(count)]
    bottom, *corner = area.start
    steps = tuple(_z_step(bottom + top, [(corner[0], corner[1])], (depth, y, x)) for top in tops)
    return Plan((z, y, x), (depth, y, x), steps, is_fine=True)


def _z_step(start: int, in_plane: list[tuple[int, int]], window: Zyx) -> ZStep:
    boxes = [
        Box((start, y, x), (start + window[0], y + window[1], x + window[2])) for y, x in in_plane
    ]
    return ZStep(boxes[0], tuple(boxes[1:]))


def holds_body(box: Box, body: NDArray[np.bool_], shape: Zyx) -> bool:
    """Return whether the box holds body; body is a coarse mask over a volume of this shape."""
    slices = tuple(
        slice(a * n // full, max(a * n // full + 1, math.ceil(b * n / full)))
        for a, b, n, full in zip(box.start, box.stop, body.shape, shape, strict=True)
    )
    return bool(body[slices].any())


def wanted_neighbours(
    step: ZStep, labels: NDArray[np.uint8], tubes: Sequence[int], stride: int = 1
) -> Iterator[Box]:
    """Yield the neighbours worth running after the centre window gave these labels.

    None if the centre is empty. Where it holds only tubes, those in front of or behind it if a tube
    touches that face. Else all.

    Args:
        step: Centre window and neighbours.
        labels: Classes (z, y, x), one per `stride` input voxels.
        tubes: Classes that run through the scan: in FLARE aorta, vena cava, esophagus.
        stride: Of the labels.
    """
    if np.count_nonzero(labels) * stride**3 < EMPTY_VOXELS:
        return
    only_tubes = bool(np.isin(labels[labels > 0], tubes).all())
    for box in step.neighbours:
        if not only_tubes or _is_touched(box, step.centre, labels, stride):
            yield box


def _is_touched(box: Box, centre: Box, labels: NDArray[np.uint8], stride: int) -> bool:
    if box.start[2] != centre.start[2] or box.start[1] == centre.start[1]:
        return False
    face = labels[:, 0] if box.start[1] < centre.start[1] else labels[:, -1]
    return bool(np.count_nonzero(face) * stride**2 > TOUCH_VOXELS)


def padding(shape: Zyx, config: ModelConfig) -> list[tuple[int, int]]:
    """Return how many voxels go before and behind each axis of a volume smaller than the window.

    None by FlareSeg, which fills up single windows; nnU-Net puts such a volume into the middle.
    """
    if config.recipe is None:
        return [(0, 0)] * 3
    missing = [max(0, w - n) for n, w in zip(shape, config.window, strict=True)]
    return [(n // 2, n - n // 2) for n in missing]


def moved_into(box: Box, before: Zyx, shape: Zyx) -> Box:
    """Return a box of a padded volume as a box of the volume itself, cut at its borders."""
    start, stop = (
        tuple(min(max(at - b, 0), n) for at, b, n in zip(corner, before, shape, strict=True))
        for corner in (box.start, box.stop)
    )
    return Box(start, stop)  # type: ignore[arg-type]


def importance_for(config: ModelConfig) -> NDArray[np.float32]:
    """Return the weight of each logit of a window.

    nnU-Net's Gaussian has its middle on a voxel, and goes on where FlareSeg's ends.
    """
    z, y, x = (n // config.logits_stride for n in config.window)
    if config.recipe is None:
        return importance((z, y, x))
    rows = [np.exp(-0.5 * ((np.arange(n) - n // 2) / (n / 8)) ** 2) for n in (z, y, x)]
    weights = rows[0][:, None, None] * rows[1][:, None] * rows[2]
    found: NDArray[np.float32] = np.maximum(weights, _LEAST_WEIGHT).astype(np.float32)
    return found


_LEAST_WEIGHT = 6e-9
"""A tenth of the least that float16 holds: nnU-Net keeps ten times its weights in that."""


def importance(shape: Zyx) -> NDArray[np.float32]:
    """Return the weight of each voxel of a window: a Gaussian, SD 1/8 of the window (nnU-Net)."""
    weights = np.ones(shape, np.float32)
    for axis, n in enumerate(shape):
        distance = (np.arange(n) - (n - 1) / 2) / (n / 8)
        row = np.maximum(np.exp(-0.5 * distance**2), 1e-3).astype(np.float32)
        weights *= row.reshape([-1 if i == axis else 1 for i in range(3)])
    return np.maximum(weights, np.float32(1e-6))
