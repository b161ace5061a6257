"""An abdomen of ellipsoids and tubes, with known volumes, HU and sides, on any grid.

Shapes are given in mm (L, P, S) about the centre of the scan, for a scan of 380 x 300 x 320 mm;
they are stretched to the extent of the grid that is asked for. Organs do not overlap, so that their
volumes are known in closed form: see organ_ml(). Axial plane, the patient's right on the left:

         anterior
      /  gb    st  \\     aorta and vena cava run through the whole scan,
     | liver  pa  sp |    lungs at the top, a table behind;
      \\ ki vc ao ki /     the adrenal glands sit above the kidneys
         ( spine )
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray
from scipy import optimize

from FlareSegLib.base.geometry import IDENTITY, Direction, Grid, Labelmap, Volume, Zyx, ZyxMm
from FlareSegLib.images.writing import to_image
from Testing.flare import BY_KEY

REFERENCE_MM = (380.0, 300.0, 320.0)
"""Extent (L, P, S) of the scan that the shapes below are given for."""
CENTRE_MM = (7.0, -12.0, 230.0)
"""World position (L, P, S) of the centre of the scan: not 0, so that a forgotten origin shows."""
AIR, FAT, TISSUE, LUNG, BONE, TABLE = -1000, -100, 40, -850, 450, -300


@dataclass(frozen=True)
class Shape:
    """An ellipsoid, or an upright elliptic tube, in mm of the reference scan."""

    centre: tuple[float, float, float]
    """(L, P, S)."""
    radii: tuple[float, float, float]
    """(L, P, S); for a tube the last one is half its length."""
    is_tube: bool = False


BODY: tuple[tuple[int, Shape], ...] = (
    (TABLE, Shape((0, 125, 0), (150, 8, 400), is_tube=True)),
    (FAT, Shape((0, -10, 0), (168, 118, 400), is_tube=True)),
    (TISSUE, Shape((0, -10, 0), (155, 105, 400), is_tube=True)),
    (LUNG, Shape((-75, 0, 165), (60, 75, 80))),
    (LUNG, Shape((75, 0, 165), (60, 75, 80))),
    (BONE, Shape((0, 72, 0), (19, 17, 400), is_tube=True)),
)
"""HU of what lies around the organs, from the back to the front."""
SHAPES: dict[str, Shape] = {
    "liver": Shape((-75, -15, 55), (65, 60, 60)),
    "right_kidney": Shape((-60, 50, -40), (25, 22, 50)),
    "spleen": Shape((100, 12, 65), (32, 40, 45)),
    "pancreas": Shape((20, 5, -5), (55, 11, 14)),
    "aorta": Shape((12, 42, 0), (11, 11, 400), is_tube=True),
    "inferior_vena_cava": Shape((-18, 40, 0), (11, 10, 400), is_tube=True),
    "right_adrenal_gland": Shape((-38, 52, 18), (6, 8, 11)),
    "left_adrenal_gland": Shape((36, 46, 24), (6, 8, 11)),
    "gallbladder": Shape((-45, -60, -26), (14, 14, 20)),
    "esophagus": Shape((6, 16, 110), (9, 8, 40), is_tube=True),
    "stomach": Shape((42, -45, 50), (36, 30, 45)),
    "duodenum": Shape((-32, 4, -45), (16, 16, 28)),
    "left_kidney": Shape((62, 52, -28), (25, 22, 50)),
}
"""By organ key."""


def organ_hu(value: int) -> int:
    """Return the HU of an organ: 72, 84 ... 216, so that HU alone tells the organ."""
    return 60 + 12 * value


def organ_ml(key: str, extent_mm: ZyxMm) -> float:
    """Return the exact volume of an organ in a scan of this extent (z, y, x)."""
    shape = SHAPES[key]
    a, b, c = shape.radii
    stretch = math.prod(extent_mm) / math.prod(REFERENCE_MM)
    height = 2 * min(c, REFERENCE_MM[2] / 2)
    reference = math.pi * a * b * height if shape.is_tube else 4 / 3 * math.pi * a * b * c
    return reference * stretch / 1000


def abdomen(
    shape: Zyx,
    spacing_mm: ZyxMm,
    *,
    direction: Direction | None = None,
    noise_hu: float = 0.0,
    seed: int = 0,
) -> tuple[Volume, Labelmap]:
    """Return a CT (int16) and its true labelmap.

    Args:
        shape: Voxels along each array axis.
        spacing_mm: Along each array axis. Shape times spacing of 320 x 300 x 380 mm is life-sized.
        direction: As in Grid; canonical (S, P, L) if None. May be flipped, permuted, oblique.
        noise_hu: SD of the noise.
        seed: Of the noise.
    """
    grid = _grid(shape, spacing_mm, direction or IDENTITY)
    planes = [_plane(position) for position in _reference_mm(grid)]
    hu, labels = np.stack([a for a, _ in planes]), np.stack([b for _, b in planes])
    if noise_hu:
        noise = np.random.default_rng(seed).normal(0, noise_hu, shape)
        hu = np.clip(hu + noise.round(), -1024, 3071).astype(np.int16)
    return Volume(hu, grid), Labelmap(labels, grid)


def _grid(shape: Zyx, spacing_mm: ZyxMm, direction: Direction) -> Grid:
    half = Grid(shape, spacing_mm, CENTRE_MM, direction).to_world(
        tuple(-(n - 1) / 2 for n in shape)  # type: ignore[arg-type]
    )
    return Grid(shape, spacing_mm, half, direction)


def _reference_mm(grid: Grid) -> Iterator[NDArray[np.float32]]:
    """Yield, plane by plane, where in the reference scan each voxel lies: (lps, y, x)."""
    axes = optimize.linear_sum_assignment(np.abs(np.array(grid.direction)), maximize=True)[1]
    extent = np.empty(3)
    extent[axes] = grid.extent_mm
    stretched = np.array(grid.direction) * (np.array(REFERENCE_MM) / extent)
    z, y, x = (
        np.multiply.outer((np.arange(n) - (n - 1) / 2) * spacing, row)
        for n, spacing, row in zip(grid.shape, grid.spacing_mm, stretched, strict=True)
    )
    for step in z:
        plane = step + y[:, None] + x[None]
        yield np.moveaxis(plane, -1, 0).astype(np.float32)


def _plane(position: NDArray[np.float32]) -> tuple[NDArray[np.int16], NDArray[np.uint8]]:
    """Return HU and labels of one plane."""
    hu = np.full(position.shape[1:], AIR, np.int16)
    labels = np.zeros(position.shape[1:], np.uint8)
    for value, thing in BODY:
        hu[_inside(thing, position)] = value
    for key, thing in SHAPES.items():
        mask = _inside(thing, position)
        labels[mask] = BY_KEY[key].value
        hu[mask] = organ_hu(BY_KEY[key].value)
    return hu, labels


def _inside(shape: Shape, position: NDArray[np.float32]) -> NDArray[np.bool_]:
    x, y, z = (
        (position[i] - np.float32(shape.centre[i])) / np.float32(shape.radii[i]) for i in range(3)
    )
    if shape.is_tube:
        return (x * x + y * y <= 1) & (np.abs(z) <= 1)
    return x * x + y * y + z * z <= 1


def save(image: Volume | Labelmap, path: Path) -> None:
    """Write an image file."""
    if isinstance(image, Labelmap):
        sitk.WriteImage(to_image(image), str(path), True)
        return
    made = sitk.GetImageFromArray(np.ascontiguousarray(image.array))
    made.CopyInformation(to_image(Labelmap(np.zeros(image.grid.shape, np.uint8), image.grid)))
    sitk.WriteImage(made, str(path), True)
