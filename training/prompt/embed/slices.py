"""Axial slices with masks and boxes: organs, painted lesions and grown regions of one slice.

Also what a slice becomes before it is embedded: see shown().
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage
from torch import Tensor
from torch.nn import functional

from training.prompt import lesions
from training.prompt.cases import SCALE, SPACING, TISSUES, Case
from training.prompt.crops import bounds, jitter
from training.prompt.regions import BONE_HU, GAS_HU
from training.prompt.scenes import between, chances_of, lesion_place, region_tissue, seeded
from training.prompt.settings import EmbedSettings

LOW_HU, HIGH_HU = -160.0, 240.0
"""Window of what is shown, 0 to 1."""
ORGANS, LESIONS = 0.3, 0.75
"""Shares of organs, and of organs and lesions; the rest are regions."""
LEAST_SHARE = 20 / 256**2
"""Of a thing in its slice: 20 pixels of 256 x 256 (paper 4)."""
ZOOM = 0.7
"""The longest side of a slice takes that to all of the image."""
PART = 0.3
"""Of a slice is shown at least, along each axis: CTs may be cut to a limb."""
LEAST_MM, MOST_MM, MOST_SHARE = 3.0, 20.0, 0.24
"""Radii of lesions: least; most of nodes and nodules; most of others, in shorter sides shown."""
TRIES = 12

Slice = NDArray[np.float32]
Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Slices:
    """A batch: images (n, 1, y, x), masks (n, k, y, x), boxes (n, k, 4), weight (n, k)."""

    images: Tensor
    masks: Tensor
    boxes: Tensor
    weight: Tensor
    """0 where nothing was found to show."""


def shown(hu: Tensor, image: int, side: int) -> Tensor:
    """Return slices (n, 1, y, x) as a network sees them: window, longest side, padding.

    Args:
        hu: Slices.
        image: Pixels of what is returned, along each axis.
        side: Pixels of the longest side in it; the rest, right and below, is 0.
    """
    return _fitted(((hu - LOW_HU) / (HIGH_HU - LOW_HU)).clamp(0, 1), image, side)


def size_in(shape: Sequence[int], side: int) -> tuple[int, int]:
    """Return rows and columns of a slice whose longest side takes so many pixels."""
    rows, columns = (max(1, round(n * side / max(shape))) for n in shape)
    return rows, columns


def _fitted(maps: Tensor, image: int, side: int) -> Tensor:
    """Return maps (n, c, y, x), proportions kept, in the upper left of an image; see shown()."""
    rows, columns = size_in(maps.shape[2:], side)
    small = functional.interpolate(maps, (rows, columns), mode="bilinear", antialias=True)
    return functional.pad(small, (0, image - columns, 0, image - rows))


class SliceSource:
    """Gives the slices of each step; what is in it depends on seed, kind and step alone."""

    def __init__(self, cases: list[Case], settings: EmbedSettings, device: torch.device) -> None:
        self._cases, self._settings, self._device = cases, settings, device
        self._chances = chances_of(cases, settings.often)

    def batch(self, step: int, kind: int) -> Slices:
        """Return the slices of a step, counted from 0, of the teacher (0) or the student (1)."""
        rng = seeded(self._settings.seed, step, kind)
        drawn = [self._one(rng) for _ in range(self._settings.batch)]
        parts = (torch.stack(part).to(self._device) for part in zip(*drawn, strict=True))
        return Slices(*parts)

    def _one(self, rng: np.random.Generator) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        case = self._cases[int(rng.choice(len(self._cases), p=self._chances))]
        z = int(rng.integers(case.labels.shape[0]))
        part = tuple(_part(count, rng) for count in case.labels.shape[1:])
        hu = case.hu[0, z][part].float().cpu().numpy() * SCALE
        labels = case.labels[z][part].cpu().numpy()
        count, sizes = self._settings.things, self._settings.sizes
        hu, masks = things(hu, labels, count, self._settings.left_out, rng)
        side = round(sizes.image * rng.uniform(ZOOM, 1))
        image = shown(torch.from_numpy(_as_scanned(hu, rng))[None, None], sizes.image, side)[0]
        drawn = torch.from_numpy(np.stack(masks)).float()[None]
        found = (_fitted(drawn, sizes.image, side)[0] > 0.5).float()
        for axis in (1, 2):
            if rng.random() < 0.5:
                image, found = image.flip(axis), found.flip(axis)
        boxes, weight = boxes_of(found)
        return image, found, boxes, weight


def things(
    hu: Slice, labels: NDArray[np.uint8], count: int, left_out: tuple[int, ...],
    rng: np.random.Generator,
) -> tuple[Slice, list[Mask]]:  # fmt: skip
    """Return a slice (y, x) with lesions painted in, and masks of so many things, some empty."""
    hu, masks = hu.copy(), []
    kinds = [float(rng.random()) for _ in range(count)]
    for _ in range(sum(ORGANS <= kind < LESIONS for kind in kinds)):
        lesion = _lesion(hu, labels, rng)
        masks = [mask & ~lesion for mask in masks] + [lesion]
    for kind in kinds:
        if kind < ORGANS:
            masks.append(_organ(labels, left_out, rng))
        elif kind >= LESIONS:
            masks.append(_region(hu, rng))
    return hu, masks


def _organ(labels: NDArray[np.uint8], left_out: tuple[int, ...], rng: np.random.Generator) -> Mask:
    known = [v for v in np.unique(labels) if 0 < v <= 13 and v not in left_out]
    return labels == rng.choice(known) if known else np.zeros(labels.shape, bool)


def _lesion(hu: Slice, labels: NDArray[np.uint8], rng: np.random.Generator) -> Mask:
    """Paint a lesion into a slice, in place; return its mask."""
    mask = np.zeros(hu.shape, bool)
    for _ in range(TRIES):
        place, key = lesion_place(rng)
        where = _tissue(hu, key) if isinstance(key, str) else labels == key
        most = MOST_SHARE * min(hu.shape) * SPACING[1]
        if place in ("node", "nodule"):
            most = min(most, MOST_MM)
        side = round(4 * between(LEAST_MM, most, rng) / SPACING[1])
        box = _about(where, side, rng, shift=True)
        if box is not None:
            patch = torch.from_numpy(hu[box])[None, None, None]
            painted, inside = lesions.paint(patch, [place], rng)
            hu[box], mask[box] = painted[0, 0, 0].numpy(), inside[0, 0, 0].numpy() > 0
            break
    return mask


def _region(hu: Slice, rng: np.random.Generator) -> Mask:
    """Return what is connected to a random pixel and alike, unless it leaves a window."""
    mask = np.zeros(hu.shape, bool)
    smooth = ndimage.uniform_filter(hu, 3)
    for _ in range(TRIES):
        tissue = region_tissue(rng)
        side = round(2 * between(8, 60, rng) / SPACING[1])
        box = _about(_tissue(hu, tissue), side, rng)
        if box is None:
            continue
        part = smooth[box]
        middle = part[side // 2, side // 2]
        alike = np.abs(part - middle) < between(10, 60, rng)
        if tissue == "bone":
            alike = part > BONE_HU
        if tissue in ("lung", "air"):
            alike = part < GAS_HU
        pieces, _ = ndimage.label(alike)
        one = pieces == pieces[side // 2, side // 2]
        if alike[side // 2, side // 2] and not (one[[0, -1]].any() or one[:, [0, -1]].any()):
            mask[box] = ndimage.binary_fill_holes(one)
            break
    return mask


def _part(count: int, rng: np.random.Generator) -> slice:
    """Return a random part of a line of so many pixels."""
    size = round(count * rng.uniform(PART, 1))
    start = int(rng.integers(count - size + 1))
    return slice(start, start + size)


def _tissue(hu: Slice, name: str) -> Mask:
    low, high = TISSUES[name]
    return (hu > low) & (hu < high)


def _about(
    where: Mask, side: int, rng: np.random.Generator, *, shift: bool = False
) -> tuple[slice, slice] | None:
    """Return a square about a random pixel of a mask; None where there is none.

    Where it does not fit the slice it is shifted, or there is none.
    """
    places = np.flatnonzero(where)
    if not len(places):
        return None
    y, x = np.unravel_index(rng.choice(places), where.shape)
    start = np.array([y, x]) - side // 2
    if shift:
        start = np.clip(start, 0, np.array(where.shape) - side)
    if np.any(start < 0) or np.any(start + side > where.shape):
        return None
    return slice(start[0], start[0] + side), slice(start[1], start[1] + side)


def _as_scanned(hu: Slice, rng: np.random.Generator) -> Slice:
    """Return a slice with another contrast and noise."""
    changed = hu * rng.uniform(0.8, 1.25) + rng.uniform(-40, 40)
    noise = rng.standard_normal(hu.shape, np.float32) * rng.uniform(0, 22)
    if rng.random() < 0.5:
        noise = ndimage.uniform_filter(noise, 3) * 2
    return (changed + noise).astype(np.float32)


def boxes_of(masks: Tensor) -> tuple[Tensor, Tensor]:
    """Return boxes (k, 4) about masks (k, y, x) as people draw them, and whether there are any."""
    weight = (masks.sum((1, 2)) > LEAST_SHARE * masks[0].numel()).float()
    low, high = (edge[:, [2, 1]] for edge in bounds(masks[:, None, None]))
    before, after = jitter(len(masks), masks.device, 0.0)[:, :, 1:].unbind(1)
    boxes = torch.cat([low - before * (high - low), high + after * (high - low)], 1)
    return (boxes / masks.shape[-1]).clamp(0, 1) * weight[:, None], weight
