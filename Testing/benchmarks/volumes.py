"""CTs of any size, made of the sample; of the phantom where the sample cannot be had."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import SimpleITK as sitk

from FlareSegLib.base.errors import FlareSegError
from FlareSegLib.command.sample import fetch_sample
from Testing.phantoms import abdomen

LARGE_XYZ = (512, 512, 215)


def source_ct(given: Path | None) -> tuple[sitk.Image, str]:
    """Return the CT that is given, else the sample, else a phantom; and what it is called."""
    if given:
        return sitk.ReadImage(str(given)), "a CT of our own"
    try:
        return sitk.ReadImage(str(fetch_sample())), "the sample CT"
    except (FlareSegError, OSError) as error:
        print(f"left out: the sample CT ({error}); a phantom with noise stands in")
    volume, _ = abdomen((133, 256, 256), (2.5, 1.4, 1.4), noise_hu=10)
    image = sitk.GetImageFromArray(volume.array.astype(np.int16))
    image.SetSpacing(volume.grid.spacing_mm[::-1])
    return image, "a phantom with noise"


def on_grid(image: sitk.Image, size_xyz: tuple[int, int, int]) -> sitk.Image:
    """Return the CT on a grid of this size over the same box, int16."""
    pairs = list(zip(image.GetSize(), image.GetSpacing(), size_xyz, strict=True))
    resampler = sitk.ResampleImageFilter()
    resampler.SetReferenceImage(image)
    resampler.SetSize(size_xyz)
    resampler.SetOutputSpacing([n * mm / m for n, mm, m in pairs])
    resampler.SetUseNearestNeighborExtrapolator(True)
    return sitk.Cast(resampler.Execute(image), sitk.sitkInt16)


def with_slices(image: sitk.Image, count: int) -> sitk.Image:
    """Return the middle slices, or the CT mirrored at its ends: a longer patient."""
    array = sitk.GetArrayFromImage(image)
    depth = len(array)
    first = max(0, (depth - count) // 2)
    at = np.abs((np.arange(first, first + count) + depth - 1) % (2 * depth - 2) - depth + 1)
    longer = sitk.GetImageFromArray(array[at])
    longer.SetSpacing(image.GetSpacing())
    longer.SetDirection(image.GetDirection())
    return longer


def written(image: sitk.Image, path: Path) -> Path:
    """Write a CT packed at the level of most tools; return path."""
    sitk.WriteImage(image, str(path), useCompression=True)
    return path
