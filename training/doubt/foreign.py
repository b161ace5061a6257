"""Scans that are not what FlareSeg was made for, made from a CT with labels, or drawn."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from training.doubt.degrade import AIR_HU, FAT_HU, Copy, Random, erase

WATER_HU, MUSCLE_HU, BONE_HU, BRAIN_HU = 0.0, 55.0, 900.0, 35.0
MR_OF_HU = ((-900, -150, -60, 0, 60, 250, 700), (5, 700, 600, 350, 250, 300, 80))
"""HU, and the signal of an MR in such tissue."""
SOLID = (1, 2, 3, 4, 13)
"""Values of liver, kidneys, spleen and pancreas."""
DRAWN_MM = (3.0, 1.5, 1.5)
DRAWN_SHAPE = (80, 200, 260)


def as_it_is(copy: Copy, random: Random) -> Copy:
    """Change nothing: an abdomen that must not be called foreign."""
    return copy


def _flipped(*axes: int) -> Callable[[Copy, Random], Copy]:
    return lambda copy, _: copy.flipped(*axes)


def child(copy: Copy, random: Random) -> Copy:
    """Be as small as a child of one to eight years."""
    factor = random.uniform(0.45, 0.65)
    z, y, x = (mm * factor for mm in copy.spacing_mm)
    return replace(copy, spacing_mm=(z, y, x))


def older_child(copy: Copy, random: Random) -> Copy:
    """Be as small as a child of eight to fourteen years: some are as wide as a thin adult."""
    factor = random.uniform(0.65, 0.85)
    z, y, x = (mm * factor for mm in copy.spacing_mm)
    return replace(copy, spacing_mm=(z, y, x))


def animal(copy: Copy, random: Random) -> Copy:
    """Be as small as a dog, with a chest that is deeper than it is wide."""
    factor = random.uniform(0.4, 0.6)
    z, y, x = copy.spacing_mm
    return replace(copy, spacing_mm=(z * factor * 1.2, y * factor * 1.3, x * factor * 0.7))


def large_animal(copy: Copy, random: Random) -> Copy:
    """Be as large as a man, with a chest that is deeper than it is wide, on its belly."""
    factor, (z, y, x) = random.uniform(0.85, 1.1), copy.spacing_mm
    turned = copy.flipped(1, 2)
    return replace(turned, spacing_mm=(z * factor * 1.2, y * factor * 1.3, x * factor * 0.7))


def upper_half(copy: Copy, random: Random) -> Copy:
    """End in the middle of the organs."""
    return copy.part(slice(_middle(copy), None))


def lower_half(copy: Copy, random: Random) -> Copy:
    """Begin in the middle of the organs."""
    return copy.part(slice(_middle(copy)))


def chest(copy: Copy, random: Random) -> Copy:
    """Show nothing under the dome of the liver."""
    liver = np.flatnonzero((copy.labels == 1).any(axis=(1, 2)))
    return copy.part(slice(int(liver.max()), None))


def pelvis(copy: Copy, random: Random) -> Copy:
    """Show nothing but what lies under the lowest solid organ."""
    return copy.part(slice(int(_solid(copy).min())))


def _middle(copy: Copy) -> int:
    solid = _solid(copy)
    return int(solid.min() + solid.max() + 1) // 2


def _solid(copy: Copy) -> NDArray[np.intp]:
    """Return the slices that show a solid organ."""
    return np.flatnonzero(np.isin(copy.labels, SOLID).any(axis=(1, 2)))


def cone_beam(copy: Copy, random: Random) -> Copy:
    """Be noisy, flat, on a wrong scale, and cut by a round field."""
    hu = ndimage.gaussian_filter(copy.hu, (0, 0.7, 0.7)) * random.uniform(0.6, 0.8)
    hu += random.uniform(-150, 150) + random.normal(0, random.uniform(50, 100), hu.shape)
    wide = random.uniform(200, 260)
    hu[:, ~_disc(hu.shape[1:], copy.spacing_mm[1:], wide)] = AIR_HU
    return replace(copy, hu=hu.astype(np.float32))


def streaked(copy: Copy, random: Random) -> Copy:
    """Be a cone-beam CT with streaks of few views, rings and a dark middle, in a wide field."""
    shape, mm = copy.hu.shape[1:], copy.spacing_mm[1:]
    y, x = ((np.arange(n) - (n - 1) / 2) * step for n, step in zip(shape, mm, strict=True))
    far, half = np.hypot(y[:, None], x), random.uniform(130, 200)
    cupping = -random.uniform(60, 200) * np.maximum(0, 1 - (far / half) ** 2)
    rings = random.normal(0, 15, 400)[(far / 2).astype(int) % 400]
    hu = copy.hu + cupping + rings
    views = random.uniform(0, np.pi, 60)
    for slice_ in hu:
        for angle in views:
            along = y[:, None] * np.sin(angle) + x * np.cos(angle) + 500
            slice_ += random.normal(0, 4, 501)[(along / 2).astype(int) % 501]
    hu[:, far >= half] = AIR_HU
    return replace(copy, hu=hu.astype(np.float32))


def pet(copy: Copy, random: Random) -> Copy:
    """Hold uptake: nothing in air, little in tissue, much in liver, kidneys and spots."""
    uptake = np.where(copy.hu > -400, 900.0, 20.0)
    for value, much in ((1, 2500), (2, 6000), (13, 6000), (3, 2200)):
        uptake[copy.labels == value] = much
    uptake = ndimage.gaussian_filter(uptake, [3 / mm for mm in copy.spacing_mm])
    noisy = random.poisson(np.maximum(uptake, 0) / 20) * 20.0
    return replace(copy, hu=noisy.astype(np.float32))


def pet_shifted(copy: Copy, random: Random) -> Copy:
    """Be a PET on a scale that passes for HU: most of the body near water, organs far over it."""
    found = pet(copy, random)
    return replace(found, hu=found.hu * random.uniform(0.9, 1.2) - 1000)


def mr(copy: Copy, random: Random) -> Copy:
    """Show fat bright, bone and air dark, muscle between, with a bias of the field."""
    signal = np.interp(copy.hu, *MR_OF_HU)
    bias = random.uniform(0.7, 1.3, (2, 2, 2))
    signal *= ndimage.zoom(bias, np.array(signal.shape) / 2, order=1)
    real, imaginary = (random.normal(0, 20, signal.shape) for _ in range(2))
    return replace(copy, hu=np.hypot(signal + real, imaginary).astype(np.float32))


def mr_shifted(copy: Copy, random: Random) -> Copy:
    """Be an MR on a scale that passes for HU."""
    found = mr(copy, random)
    return replace(found, hu=found.hu * random.uniform(0.5, 1.0) - random.uniform(200, 400))


def phantom(copy: Copy, random: Random) -> Copy:
    """Draw a cylinder of water in a shell of plastic, with rods of other stuff."""
    hu = np.full(DRAWN_SHAPE, AIR_HU)
    wide = random.uniform(160, 320)
    hu[:, _disc(DRAWN_SHAPE[1:], DRAWN_MM[1:], wide)] = 120.0
    hu[:, _disc(DRAWN_SHAPE[1:], DRAWN_MM[1:], wide - 10)] = random.choice([WATER_HU, 90.0])
    for number, rod in enumerate((-1000.0, -100.0, 120.0, 340.0, 990.0, 60.0, -35.0, 15.0)):
        angle = number * np.pi / 4
        middle = (wide * 0.32 * np.sin(angle), wide * 0.32 * np.cos(angle))
        hu[:, _disc(DRAWN_SHAPE[1:], DRAWN_MM[1:], random.uniform(10, 40), middle)] = rod
    return _drawn(hu, random, 12)


def limbs(copy: Copy, random: Random) -> Copy:
    """Draw two thighs."""
    hu, wide = np.full(DRAWN_SHAPE, AIR_HU), random.uniform(120, 180)
    for side in (-1, 1):
        at = (0.0, side * (wide / 2 + random.uniform(2, 10)))
        for value, size in ((FAT_HU, wide), (MUSCLE_HU, wide - 24), (BONE_HU, 30.0), (-60.0, 16.0)):
            hu[:, _disc(DRAWN_SHAPE[1:], DRAWN_MM[1:], size, at)] = value
    return _drawn(hu, random, 12)


def head(copy: Copy, random: Random) -> Copy:
    """Draw a skull with a brain."""
    z, y, x = (
        (np.arange(n) - (n - 1) / 2) * mm for n, mm in zip(DRAWN_SHAPE, DRAWN_MM, strict=True)
    )
    hu = np.full(DRAWN_SHAPE, AIR_HU)
    for value, rim in ((FAT_HU / 2, 0), (BONE_HU, 5), (BRAIN_HU, 12)):
        far = (z[:, None, None] / (115 - rim)) ** 2 + (y[:, None] / (95 - rim)) ** 2
        hu[far + (x / (75 - rim)) ** 2 < 1] = value
    return _drawn(hu, random, 6)


def _drawn(hu: NDArray[np.float64], random: Random, noise_hu: float) -> Copy:
    blurred = ndimage.gaussian_filter(hu, (0, 0.6, 0.6)) + random.normal(0, noise_hu, hu.shape)
    return Copy(blurred.astype(np.float32), np.zeros(hu.shape, np.uint8), DRAWN_MM)


def _disc(
    shape: tuple[int, ...],
    spacing_mm: tuple[float, ...],
    wide_mm: float,
    at_mm: tuple[float, float] = (0.0, 0.0),
) -> NDArray[np.bool_]:
    """Return where a disc is in a slice; at_mm is the way (y, x) to its middle."""
    y, x = (
        (np.arange(n) - (n - 1) / 2) * mm - at
        for n, mm, at in zip(shape, spacing_mm, at_mm, strict=True)
    )
    return np.hypot(y[:, None], x) < wide_mm / 2


@dataclass(frozen=True)
class Kind:
    """A kind of scan."""

    words: str
    """For people."""
    make: Callable[[Copy, Random], Copy]
    told_by: frozenset[str] = frozenset()
    """Flags of the scan of which any one tells the kind; empty: no flag is right."""
    is_drawn: bool = False
    """Whether it needs no CT."""
    needs: tuple[int, ...] = (1, 2, 3, 13)
    """Values of organs that the labels of its CT must have; empty: it is a CT as it came."""


ODD = frozenset({"few_organs", "no_organ_found"})
SMALL = ODD | {"small_body"}
KINDS = {
    "as_it_is": Kind("a CT with organs", as_it_is, needs=()),
    "limb": Kind("a limb", as_it_is, SMALL, needs=()),
    "no_organs": Kind("a pelvis of a cadaver", as_it_is, ODD, needs=()),
    "slices_reversed": Kind(
        "slices in the wrong order", _flipped(0), frozenset({"upside_down", "mirrored"})
    ),
    "feet_first": Kind("upside down", _flipped(0, 2), frozenset({"upside_down"})),
    "front_to_back": Kind("front and back swapped", _flipped(1), frozenset({"front_to_back"})),
    "belly": Kind("on the belly, not said", _flipped(1, 2), frozenset({"front_to_back"})),
    "mirrored": Kind("left and right swapped", _flipped(2), frozenset({"mirrored"})),
    "child": Kind("a child", child, SMALL),
    "older_child": Kind("an older child", older_child, SMALL),
    "animal": Kind("an animal", animal, SMALL),
    "large_animal": Kind("an animal, as large as a man", large_animal, SMALL | {"front_to_back"}),
    "cone_beam": Kind("like a cone-beam CT", cone_beam, SMALL | {"unusual_hu", "very_noisy"}),
    "streaked": Kind(
        "like a cone-beam CT of streaks", streaked, SMALL | {"unusual_hu", "very_noisy"}
    ),
    "pet": Kind("like a PET", pet, ODD | {"refused"}),
    "pet_shifted": Kind("like a PET, shifted", pet_shifted, ODD | {"refused", "unusual_hu"}),
    "mr": Kind("like an MR", mr, ODD | {"refused"}),
    "mr_shifted": Kind("like an MR, shifted", mr_shifted, ODD | {"refused", "unusual_hu"}),
    "chest": Kind("a chest, cut", chest, ODD),
    "pelvis": Kind("a pelvis, cut", pelvis, ODD),
    "erased": Kind("one to three organs erased", erase),
    "upper_half": Kind("upper half of the organs", upper_half),
    "lower_half": Kind("lower half of the organs", lower_half),
    "phantom": Kind("a phantom of water and rods", phantom, SMALL, is_drawn=True),
    "limbs": Kind("two thighs, drawn", limbs, SMALL, is_drawn=True),
    "head": Kind("a head, drawn", head, SMALL, is_drawn=True),
}
"""By name."""
