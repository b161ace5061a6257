"""Scenes: a piece of a CT about a thing, and the mask of the thing. Crops are drawn out of them.

A scene is an organ or a piece of one, a place to paint a lesion in, or a place to grow a region
from. Numbers are drawn by numpy, voxels are touched on the device alone.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from training.prompt.cases import SCALE, SPACING, Case, Zyx

SHAPE = (44, 92, 92)
"""Voxels (z, y, x) of a scene, whatever its size."""
ORGANS, LESIONS = 0.34, 0.82
"""Shares of organs, and of organs and lesions; the rest are regions."""
LESION_PLACES = (("organ", 0.54), ("soft", 0.70), ("node", 0.77), ("nodule", 0.84), ("tube", 1.0))
"""Where lesions are painted, sums of shares: in organs, in soft tissue, in fat, in the lungs; and
tubes, which may be anywhere in soft tissue."""
LESION_ORGANS = (1, 1, 1, 1, 2, 13, 3, 4, 4)
"""The liver often; kidneys, spleen, pancreas."""
OF_PLACE = {"soft": "soft", "node": "fat", "nodule": "lung", "tube": "soft"}
MOST_RADIUS = {"organ": 42.0, "soft": 50.0}
"""mm, of lesions there; elsewhere 20."""
REGIONS = {"soft": 0.42, "bright": 0.25, "bone": 0.12, "fat": 0.08, "lung": 0.08, "air": 0.05}
PIECES = 0.45
"""Share of organs of which a piece along z is taken."""
BENT, SHEAR, WAVE, KNOTS = 0.6, 0.12, 0.08, 4
"""Share of organs that are bent, how far their ends are moved (SD), and points between them, in
halves of the scene; points along each axis."""
FURTHEST = 1.6
"""No voxel is looked for further out."""
COARSE_VOXELS = 2.2
"""Scenes whose voxels are larger than that are cut from the CT at half resolution."""


@dataclass(frozen=True)
class Scene:
    """Where a scene lies, and what it is to show."""

    case: Case
    centre: Zyx
    """Voxel."""
    half_mm: Zyx
    kind: str
    """organ, lesion or region."""
    what: str
    """Place of a lesion, tissue of a region."""
    organ: int = 0
    ends: tuple[float, float] = (0.0, 0.0)
    """First slice of the organ that counts, and the one after the last."""
    bend: Zyx | None = None
    """(3, z, y, x): where its knots are moved to, in halves of the scene; None: it is as it is."""


def seeded(*numbers: int) -> np.random.Generator:
    """Return a generator, and seed torch's own, from numbers such as seed, step and kind."""
    rng = np.random.default_rng(numbers)
    torch.manual_seed(int(rng.integers(2**62)))
    return rng


def chances_of(cases: list[Case], often: tuple[str, ...]) -> Zyx:
    """Return how often each case is drawn: three times where its name holds one of some words."""
    weights = np.array([3.0 if any(word in case.name for word in often) else 1.0 for case in cases])
    found: Zyx = weights / weights.sum()
    return found


def draw(
    cases: list[Case], chances: Zyx, left_out: tuple[int, ...], rng: np.random.Generator
) -> Scene:
    """Return a random scene."""
    while True:
        case = cases[int(rng.choice(len(cases), p=chances))]
        share = rng.random()
        if share < ORGANS:
            scene = _organ(case, left_out, rng)
        elif share < LESIONS:
            scene = _lesion(case, rng)
        else:
            scene = _region(case, rng)
        if scene is not None:
            return scene


def _organ(case: Case, left_out: tuple[int, ...], rng: np.random.Generator) -> Scene | None:
    known = [value for value in case.boxes if value not in left_out]
    if not known:
        return None
    value = int(rng.choice(known))
    low, high = (end.copy() for end in case.boxes[value])
    is_piece = rng.random() < PIECES
    if is_piece:
        whole = high[0] - low[0]
        depth = max(4.0, whole * rng.uniform(0.15, 0.7))
        low[0] += rng.uniform(0, max(whole - depth, 0.1))
        high[0] = low[0] + depth
    half = (high - low) / 2 * SPACING
    half[1:] = half[1:].max()
    half = np.maximum(half * rng.uniform(1.7, 2.2), 6)
    ends = (float(low[0]), float(high[0]))
    bend = _bend(is_piece, rng) if rng.random() < BENT else None
    return Scene(case, (low + high) / 2 - 0.5, half, "organ", "organ", value, ends, bend)


def _bend(is_piece: bool, rng: np.random.Generator) -> Zyx:
    """Return where knots are moved to; a piece stays level, for its ends are flat."""
    line = np.linspace(-1, 1, KNOTS)
    at = np.stack(np.meshgrid(line, line, line, indexing="ij"))
    moved = np.einsum("ij,jzyx->izyx", rng.normal(0, SHEAR, (3, 3)), at)
    moved = moved + rng.normal(0, WAVE, at.shape)
    if is_piece:
        moved[0] = 0
    return moved


def _lesion(case: Case, rng: np.random.Generator) -> Scene | None:
    place, key = lesion_place(rng)
    if key not in case.points:
        return None
    centre = _point(case, key, rng) + rng.uniform(-0.5, 0.5, 3)
    if place == "tube":
        wide = between(8.0, 60.0, rng)
        left = min(centre[0], case.hu.shape[1] - centre[0]) * SPACING[0]
        half = np.array([wide * between(0.8, 6.0, rng), wide, wide])
        half[0] = min(half[0], max(left, 10.0))
        return Scene(case, centre, half * 2, "lesion", place)
    radius = between(3.0, MOST_RADIUS.get(place, 20.0), rng)
    half = np.array([radius * rng.uniform(0.7, 1.3), radius, radius])
    return Scene(case, centre, half * 2, "lesion", place)


def _region(case: Case, rng: np.random.Generator) -> Scene | None:
    tissue = region_tissue(rng)
    if tissue not in case.points:
        return None
    half = between(8.0, 60.0, rng)
    sizes = np.array([half * rng.uniform(0.6, 1.4), half, half])
    return Scene(case, _point(case, tissue, rng), sizes, "region", tissue)


def _point(case: Case, key: int | str, rng: np.random.Generator) -> Zyx:
    points = case.points[key]
    found: Zyx = points[rng.integers(len(points))]
    return found


def lesion_place(rng: np.random.Generator) -> tuple[str, int | str]:
    """Return where a lesion is painted, and the organ or tissue that this is."""
    share = rng.random()
    place = next(name for name, until in LESION_PLACES if share < until)
    return place, int(rng.choice(LESION_ORGANS)) if place == "organ" else OF_PLACE[place]


def region_tissue(rng: np.random.Generator) -> str:
    """Return what a region is grown in."""
    return str(rng.choice(list(REGIONS), p=list(REGIONS.values())))


def between(low: float, high: float, rng: np.random.Generator) -> float:
    """Return a number whose logarithm is spread evenly."""
    return math.exp(rng.uniform(math.log(low), math.log(high)))


def cut(scene: Scene) -> tuple[Tensor, Tensor]:
    """Return HU and mask (1, z, y, x) of a scene; the mask is empty but for organs."""
    coarse = scene.half_mm[1] * 2 / SHAPE[1] > COARSE_VOXELS
    volume = scene.case.pooled if coarse else scene.case.hu
    factor = 2.0 if coarse else 1.0
    centre = (scene.centre - 0.5) / 2 if coarse else scene.centre
    places = _places(scene.bend, volume.device)
    hu = sampled(volume, centre, scene.half_mm / factor, places).float() * SCALE
    if scene.kind != "organ":
        return hu, torch.zeros_like(hu)
    reach = scene.half_mm / SPACING * (1 if scene.bend is None else FURTHEST)
    low = np.maximum(np.floor(scene.centre - reach).astype(int) - 2, 0)
    high = np.ceil(scene.centre + reach).astype(int) + 3
    labels = scene.case.labels[tuple(map(slice, low, high))]
    z = torch.arange(low[0], low[0] + labels.shape[0], device=labels.device)[:, None, None]
    inside = (labels == scene.organ) & (z >= scene.ends[0] - 0.5) & (z < scene.ends[1] - 0.5)
    mask = sampled(inside[None].to(volume.dtype), scene.centre - low, scene.half_mm, places)
    return hu, (mask > 0.5).float()


def _places(bend: Zyx | None, device: torch.device) -> Tensor:
    """Return where voxels are looked for, (3, *SHAPE), in halves of the scene."""
    places = torch.stack(torch.meshgrid(*axes(SHAPE, device), indexing="ij"))
    if bend is None:
        return places
    knots = torch.from_numpy(bend).to(device, torch.float32)[None]
    moved = functional.interpolate(knots, SHAPE, mode="trilinear", align_corners=True)[0]
    return (places + moved).clamp(-FURTHEST, FURTHEST)


def sampled(volume: Tensor, centre: Zyx, half_mm: Zyx, places: Tensor) -> Tensor:
    """Return (1, *SHAPE) of a volume (1, z, y, x) about a voxel; half_mm counts its voxels too."""
    scale = [half / step for half, step in zip(half_mm, SPACING, strict=True)]
    lines = [
        (float(middle) + place * float(factor) + 0.5) / count * 2 - 1
        for middle, place, factor, count in zip(
            centre, places, scale, volume.shape[1:], strict=True
        )
    ]
    grid = torch.stack(lines).permute(1, 2, 3, 0).flip(-1)[None].to(volume.dtype)
    found: Tensor = functional.grid_sample(
        volume[None], grid, mode="bilinear", padding_mode="border", align_corners=False
    )[0]
    return found


def axes(shape: tuple[int, ...], device: torch.device) -> list[Tensor]:
    """Return the middles of voxels along each axis, from -1 to 1."""
    return [torch.linspace(-1 + 1 / n, 1 - 1 / n, n, device=device) for n in shape]
