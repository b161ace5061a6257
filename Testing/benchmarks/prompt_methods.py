"""Simple ways from a box to a mask, which a network of prompts is to beat."""

from __future__ import annotations

from importlib.util import find_spec

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage, sparse
from scipy.sparse.linalg import cg

WALK_SHAPE = (24, 48, 48)
"""The random walker walks on so many voxels."""
CORNERS = 1.4
"""Squared radius, in those of the ellipsoid, beyond which all is outside for the random walker."""
BETA = 90.0
"""Of its edges (Grady 2006, with differences in SD)."""


def filled(hu: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Everything in the box."""
    return np.ones(hu.shape, bool)


def ellipsoid(hu: NDArray[np.float32]) -> NDArray[np.bool_]:
    """The ellipsoid (in one slice: the ellipse) that the box holds."""
    return _radius2(hu.shape) <= 1


def _radius2(shape: tuple[int, ...]) -> NDArray[np.float64]:
    """Return squared radii, 1 on the ellipsoid that a box of a shape holds."""
    axes = (np.arange(n) + 0.5 for n in shape)
    z, y, x = ((2 * at / n - 1) ** 2 * (n > 1) for at, n in zip(axes, shape, strict=True))
    return z[:, None, None] + y[:, None] + x


def otsu(hu: NDArray[np.float32]) -> NDArray[np.bool_]:
    """The side of Otsu's threshold that the middle of the box is on, its largest piece, filled."""
    smooth = ndimage.gaussian_filter(hu, 1.0)
    values = np.sort(smooth.ravel())[:: max(1, hu.size // 4096)]
    n = np.arange(1, len(values))
    low = np.cumsum(values)[:-1] / n
    high = (values.sum() - np.cumsum(values)[:-1]) / (len(values) - n)
    cut = values[(n * (len(values) - n) * (high - low) ** 2).argmax()]
    core = tuple(slice(k // 2 - k // 8, k // 2 + k // 8 + 1) for k in hu.shape)
    side = np.median(smooth[core]) > cut
    return ndimage.binary_fill_holes(largest((smooth > cut) == side))


def walker(hu: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Random walker: the middle of the box is inside, its corners are outside."""
    shape = tuple(min(n, m) for n, m in zip(hu.shape, WALK_SHAPE, strict=True))
    small = ndimage.zoom(hu, [m / n for m, n in zip(shape, hu.shape, strict=True)], order=1)
    ahead = np.zeros(shape, bool)
    ahead[tuple(slice(int(n * 0.35), max(int(n * 0.65), int(n * 0.35) + 1)) for n in shape)] = True
    behind = _radius2(shape) > CORNERS
    chance = _walk(small / max(float(small.std()), 1.0), ahead, behind & ~ahead)
    back = ndimage.zoom(chance, [m / n for m, n in zip(hu.shape, shape, strict=True)], order=1)
    return largest(back > 0.5)


def _walk(values: NDArray[np.float32], ahead: NDArray[np.bool_], behind: NDArray[np.bool_]):
    number = np.arange(values.size).reshape(values.shape)
    pairs = [
        (number.take(range(n - 1), axis).ravel(), number.take(range(1, n), axis).ravel())
        for axis, n in enumerate(values.shape)
        if n > 1
    ]
    a, b = (np.concatenate(side) for side in zip(*pairs, strict=True))
    flat = values.ravel()
    weight = np.exp(-BETA * (flat[a] - flat[b]) ** 2 / 10) + 1e-5
    edges = sparse.coo_matrix((weight, (a, b)), (flat.size, flat.size)).tocsr()
    edges = edges + edges.T
    laplacian = sparse.diags(np.asarray(edges.sum(1)).ravel()) - edges
    seeds = (ahead | behind).ravel()
    free, fixed = np.flatnonzero(~seeds), np.flatnonzero(seeds)
    right = -laplacian[free][:, fixed] @ ahead.ravel()[fixed].astype(float)
    inner = laplacian[free][:, free]
    found, _ = cg(inner, right, rtol=1e-3, maxiter=300, M=sparse.diags(1 / inner.diagonal()))
    chance = ahead.ravel().astype(float)
    chance[free] = found
    return chance.reshape(values.shape)


def grabcut(hu: NDArray[np.float32], inner: tuple[slice, ...]) -> NDArray[np.bool_]:
    """OpenCV's GrabCut in each slice, its largest piece; inner is the box in what is shown."""
    import cv2

    grey = np.clip((hu + 160) / 400 * 255, 0, 255).astype(np.uint8)  # soft tissue
    _, y, x = inner
    box = (x.start, y.start, x.stop - x.start, y.stop - y.start)
    found = np.zeros(hu.shape, bool)
    for z, plane in enumerate(grey):
        colours = cv2.cvtColor(cv2.GaussianBlur(plane, (0, 0), 2.0), cv2.COLOR_GRAY2BGR)
        labels, models = np.zeros(plane.shape, np.uint8), (np.zeros((1, 65)), np.zeros((1, 65)))
        cv2.setRNGSeed(0)
        cv2.grabCut(colours, labels, box, *models, 5, cv2.GC_INIT_WITH_RECT)
        found[z] = np.isin(labels, (cv2.GC_FGD, cv2.GC_PR_FGD))
    return largest(found)


def largest(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return the largest piece of a mask."""
    labels, count = ndimage.label(mask)
    return mask if count < 2 else labels == np.bincount(labels.ravel())[1:].argmax() + 1


METHODS = {"box": filled, "ellipsoid": ellipsoid, "Otsu": otsu, "walker": walker}
if find_spec("cv2"):
    METHODS["GrabCut"] = grabcut
