"""The published FLARE25 network in the plain nnU-Net way: the peer to measure against.

Our own few lines of that way: cubic resampling, windows at step 0.5 over the whole grid with
Gaussian weights, optional flips, soft labels summed, labels back by linear interpolation of each
class.

    python Testing/benchmarks/peer.py WEIGHTS.onnx CT OUT [--flips] [--nearest]
"""

from __future__ import annotations

import argparse
import itertools
from pathlib import Path

import numpy as np
import onnxruntime
import SimpleITK as sitk
from numpy.typing import NDArray

SPACING_MM = (1.5380100, 1.5380100, 1.9735865)
"""(x, y, z), as SimpleITK counts."""
WINDOW = (96, 160, 160)
HU_RANGE, HU_MEAN, HU_SD = (-971.0, 291.0), 83.778564, 144.838928
FLIPS = ((), (0,), (1,), (2,))


def resampled(image: sitk.Image, reference: sitk.Image | None, interpolator: int) -> sitk.Image:
    """Return the image on the grid of reference, or on one of SPACING_MM over the same box."""
    if reference is None:
        pairs = zip(image.GetSize(), image.GetSpacing(), SPACING_MM, strict=True)
        size = [round(n * old / new) for n, old, new in pairs]
        reference = sitk.Image(size, sitk.sitkUInt8)
        reference.SetSpacing(SPACING_MM)
        reference.SetDirection(image.GetDirection())
        ratios = [new / old for old, new in zip(image.GetSpacing(), SPACING_MM, strict=True)]
        first = [0.5 * ratio - 0.5 for ratio in ratios]
        reference.SetOrigin(image.TransformContinuousIndexToPhysicalPoint(first))
    resampler = sitk.ResampleImageFilter()
    resampler.SetReferenceImage(reference)
    resampler.SetInterpolator(interpolator)
    resampler.SetUseNearestNeighborExtrapolator(True)
    resampler.SetOutputPixelType(image.GetPixelID())
    return resampler.Execute(image)


def starts(length: int, window: int) -> list[int]:
    """Return window starts at step 0.5, spread evenly."""
    count = 1 + -(-(length - window) // (window // 2))
    return [round(i * (length - window) / max(1, count - 1)) for i in range(count)]


def predicted(
    session: onnxruntime.InferenceSession, array: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Return the Gaussian-weighted mean of logits (classes, z, y, x)."""
    padding = [(0, max(0, m - n)) for n, m in zip(array.shape, WINDOW, strict=True)]
    padded = np.pad(array, padding)
    rows = [np.exp(-0.5 * ((np.arange(n) - (n - 1) / 2) / (n / 8)) ** 2) for n in WINDOW]
    weights = np.einsum("i,j,k->ijk", *rows).astype(np.float32) + 1e-4
    logits, total = np.zeros((14, *padded.shape), np.float32), np.zeros(padded.shape, np.float32)
    name = session.get_inputs()[0].name
    places = [starts(n, m) for n, m in zip(padded.shape, WINDOW, strict=True)]
    for corner in itertools.product(*places):
        box = tuple(slice(a, a + n) for a, n in zip(corner, WINDOW, strict=True))
        found = session.run(None, {name: padded[box][None, None]})[0][0]
        logits[(slice(None), *box)] += found * weights
        total[box] += weights
    inside = tuple(slice(0, n) for n in array.shape)
    return (logits / total)[(slice(None), *inside)]


def probabilities(logits: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the softmax over the first axis, in place."""
    logits -= logits.max(axis=0)
    np.exp(logits, out=logits)
    logits /= logits.sum(axis=0)
    return logits


def restored(soft: NDArray[np.float32], grid: sitk.Image, ct: sitk.Image) -> NDArray[np.uint8]:
    """Return the likeliest class of each voxel of the CT, a class at a time."""
    best = np.zeros(ct.GetSize()[::-1], np.float32)
    labels = np.zeros(best.shape, np.uint8)
    for value, channel in enumerate(soft):
        image = sitk.GetImageFromArray(channel)
        image.CopyInformation(grid)
        found = sitk.GetArrayFromImage(resampled(image, ct, sitk.sitkLinear))
        labels[found > best] = value
        np.maximum(best, found, out=best)
    return labels


def main() -> None:
    """Segment one CT with the peer's weights."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("weights", "ct", "out"):
        parser.add_argument(name, type=Path)
    parser.add_argument("--flips", action="store_true", help="mean over 4 flips")
    parser.add_argument("--nearest", action="store_true", help="nearest labels out: the lean way")
    options = parser.parse_args()
    ct = sitk.DICOMOrient(sitk.ReadImage(str(options.ct)), "LPS")
    grid = resampled(sitk.Cast(ct, sitk.sitkFloat32), None, sitk.sitkBSpline)
    array = (np.clip(sitk.GetArrayFromImage(grid), *HU_RANGE) - HU_MEAN) / HU_SD
    settings = onnxruntime.SessionOptions()
    settings.add_session_config_entry("session.intra_op.allow_spinning", "0")
    session = onnxruntime.InferenceSession(str(options.weights), settings)
    flips = FLIPS if options.flips else FLIPS[:1]
    soft = np.zeros((14, *array.shape), np.float32)
    for flip in flips:
        logits = predicted(session, np.flip(array, flip).astype(np.float32))
        soft += np.flip(probabilities(logits), [axis + 1 for axis in flip])
    if options.nearest:
        image = sitk.GetImageFromArray(soft.argmax(axis=0).astype(np.uint8))
        image.CopyInformation(grid)
        labels = sitk.GetArrayFromImage(resampled(image, ct, sitk.sitkNearestNeighbor))
    else:
        labels = restored(soft, grid, ct)
    result = sitk.GetImageFromArray(labels)
    result.CopyInformation(ct)
    sitk.WriteImage(result, str(options.out), useCompression=True)


if __name__ == "__main__":
    main()
