"""Degraded copies of a CT and its labels: what scanners, patients and mistakes do to a scan."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from FlareSegLib.base.geometry import Grid, Labelmap, Volume

Random = np.random.Generator
FAT_HU, AIR_HU = -90.0, -1024.0


@dataclass(frozen=True)
class Copy:
    """A CT with its labels, canonical."""

    hu: NDArray[np.float32]
    """(z, y, x)."""
    labels: NDArray[np.uint8]
    """On the same grid."""
    spacing_mm: tuple[float, float, float]

    @property
    def volume(self) -> Volume:
        """The CT as the pipeline takes it."""
        hu = np.clip(self.hu.round(), -1024, 3071).astype(np.int16)
        return Volume(hu, Grid(hu.shape, self.spacing_mm))

    @property
    def labelmap(self) -> Labelmap:
        """The labels on the grid of the volume."""
        return Labelmap(self.labels, Grid(self.labels.shape, self.spacing_mm))

    def part(self, *at: slice) -> Copy:
        """Return a part along z, and y and x if they are given."""
        return replace(self, hu=self.hu[at], labels=self.labels[at])

    def flipped(self, *axes: int) -> Copy:
        """Return it turned or mirrored under a header that stays."""
        hu, labels = (np.ascontiguousarray(np.flip(a, axes)) for a in (self.hu, self.labels))
        return replace(self, hu=hu, labels=labels)


def noise(copy: Copy, random: Random) -> Copy:
    """Add noise of 20 to 120 HU, grainy or fine."""
    grain = random.normal(0, 1, copy.hu.shape).astype(np.float32)
    grain = ndimage.gaussian_filter(grain, random.uniform(0, 1.2))
    return replace(copy, hu=copy.hu + grain / grain.std() * random.uniform(20, 120))


def blur(copy: Copy, random: Random) -> Copy:
    """Blur by 1.5 to 5 mm."""
    sigma = [random.uniform(1.5, 5) / mm for mm in copy.spacing_mm]
    return replace(copy, hu=ndimage.gaussian_filter(copy.hu, sigma))


def thick(copy: Copy, random: Random) -> Copy:
    """Average 2 to 6 slices."""
    n = min(int(random.integers(2, 7)), len(copy.hu))
    count = len(copy.hu) // n
    hu = copy.hu[: count * n].reshape(count, n, *copy.hu.shape[1:]).mean(axis=1)
    z, y, x = copy.spacing_mm
    return Copy(hu, copy.labels[n // 2 : count * n : n], (z * n, y, x))


def crop_slices(copy: Copy, random: Random) -> Copy:
    """Keep 60 to 160 mm around some organ."""
    deep = int(random.uniform(60, 160) / copy.spacing_mm[0])
    z = np.flatnonzero(copy.labels.any(axis=(1, 2)))
    middle = int(random.choice(z)) if z.size else len(copy.hu) // 2
    start = int(np.clip(middle - deep // 2, 0, max(0, len(copy.hu) - deep)))
    return copy.part(slice(start, start + deep))


def crop_plane(copy: Copy, random: Random) -> Copy:
    """Keep a field that is 55 to 85 % as wide and high."""
    part = [slice(None)]
    for n in copy.hu.shape[1:]:
        size = int(n * random.uniform(0.55, 0.85))
        start = int(random.integers(0, n - size + 1))
        part.append(slice(start, start + size))
    return copy.part(*part)


def scale(copy: Copy, random: Random) -> Copy:
    """Get the HU scale wrong."""
    factor, shift = random.uniform(0.5, 1.5), random.uniform(-120, 120)
    return replace(copy, hu=copy.hu * factor + shift)


def contrast(copy: Copy, random: Random) -> Copy:
    """Add HU to each organ, or take them away, each its own amount."""
    hu = copy.hu.copy()
    for value in np.unique(copy.labels[copy.labels > 0]):
        mask = copy.labels == value
        wanted = random.choice([random.uniform(25, 60), random.uniform(60, 250)])
        hu[mask] += wanted - np.median(hu[mask])
    return replace(copy, hu=hu)


def lesions(copy: Copy, random: Random) -> Copy:
    """Paint balls of 8 to 45 mm radius into organs."""
    hu, at = copy.hu.copy(), np.argwhere(copy.labels)
    for _ in range(int(random.integers(2, 9)) if len(at) else 0):
        middle, radius = at[random.integers(len(at))], random.uniform(8, 45)
        low = [max(0, int(m - radius / mm)) for m, mm in zip(middle, copy.spacing_mm, strict=True)]
        high = [int(m + radius / mm) + 1 for m, mm in zip(middle, copy.spacing_mm, strict=True)]
        box = tuple(slice(a, b) for a, b in zip(low, high, strict=True))
        steps = np.ogrid[tuple(slice(a, a + n) for a, n in zip(low, hu[box].shape, strict=True))]
        far = sum(
            ((g - m) * mm) ** 2 for g, m, mm in zip(steps, middle, copy.spacing_mm, strict=True)
        )
        part = hu[box]
        value = random.choice([random.uniform(-20, 30), random.uniform(80, 200), 400.0])
        part[far <= radius**2] = value + random.normal(0, 10)
    return replace(copy, hu=hu)


def erase(copy: Copy, random: Random) -> Copy:
    """Put fat where one to three organs are; they are gone from the labels too."""
    hu, labels = copy.hu.copy(), copy.labels.copy()
    present = np.unique(labels[labels > 0])
    for value in random.choice(present, min(present.size, int(random.integers(1, 4))), False):
        mask = ndimage.binary_dilation(labels == value, iterations=2) & (
            (labels == value) | (labels == 0)
        )
        hu[mask] = FAT_HU + random.normal(0, 12, int(mask.sum()))
        labels[labels == value] = 0
    return replace(copy, hu=hu, labels=labels)


def double(copy: Copy, random: Random) -> Copy:
    """Paste one to three organs a second time, elsewhere, as no organ."""
    hu, labels = copy.hu.copy(), copy.labels.copy()
    present = np.unique(labels[labels > 0])
    for value in random.choice(present, min(present.size, int(random.integers(1, 4))), False):
        at = np.argwhere(copy.labels == value)
        shift = [int(random.uniform(-90, 90) / mm) for mm in copy.spacing_mm]
        to = at + shift
        inside = ((to >= 0) & (to < copy.hu.shape)).all(axis=1)
        to, at = to[inside], at[inside]
        hu[tuple(to.T)] = copy.hu[tuple(at.T)]
        labels[tuple(to.T)] = 0
    return replace(copy, hu=hu, labels=labels)


def flip(copy: Copy, random: Random) -> Copy:
    """Mirror the scan along one axis, as a lost or wrong header does."""
    return copy.flipped(int(random.integers(0, 3)))


def zoom(copy: Copy, random: Random) -> Copy:
    """Get the size of the voxels wrong: a child, or a giant."""
    factor = random.choice([random.uniform(0.55, 0.85), random.uniform(1.2, 1.6)])
    z, y, x = (mm * factor for mm in copy.spacing_mm)
    return replace(copy, spacing_mm=(z, y, x))


def clean(copy: Copy, random: Random) -> Copy:
    """Change nothing."""
    return copy


def mild(copy: Copy, random: Random) -> Copy:
    """Change little: half of the dose, a softer kernel, a slightly wrong scale."""
    hu = ndimage.gaussian_filter(copy.hu, random.uniform(0, 0.7))
    hu += random.normal(0, random.uniform(5, 25), hu.shape)
    return replace(copy, hu=hu.astype(np.float32) * random.uniform(0.97, 1.03))


WAYS: dict[str, Callable[[Copy, Random], Copy]] = {
    "clean": clean, "mild": mild, "noise": noise, "blur": blur, "thick": thick,
    "crop_slices": crop_slices, "crop_plane": crop_plane, "scale": scale, "contrast": contrast,
    "lesions": lesions, "erase": erase, "double": double, "flip": flip, "zoom": zoom,
}  # fmt: skip
"""By name."""


def degraded(copy: Copy, way: str, random: Random) -> Copy:
    """Return a copy degraded in a way; a third of the copies in a second way too."""
    result = WAYS[way](copy, random)
    if way not in ("clean", "mild") and random.random() < 1 / 3:
        result = WAYS[str(random.choice(list(WAYS)[1:]))](result, random)
    return result
