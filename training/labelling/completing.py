"""What a teacher says becomes labels to train on: cleaned, and put around the original ones."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from training.cases.regrid import shares

Floats = NDArray[np.float32]
Labels = NDArray[np.uint8]


def agreement(looks: list[Labels], mean: Labels, classes: int) -> list[float]:
    """Return, per class from 1 on, the mean DSC of the single looks with their mean.

    How far to trust the teacher there: paper 2's idea, between looks instead of networks. 1 where
    all see nothing.
    """
    truth = np.bincount(mean.ravel(), minlength=classes)
    scores = np.zeros(classes)
    for seen in looks:
        total = truth + np.bincount(seen.ravel(), minlength=classes)
        both = np.bincount(seen[seen == mean].ravel(), minlength=classes)
        scores += np.where(total > 0, 2 * both / np.maximum(total, 1), 1.0)
    return [float(score) for score in scores[1:] / len(looks)]


def clean(probabilities: Floats, body: NDArray[np.bool_], small_share: float) -> Floats:
    """Return soft labels without what is outside the body or in small pieces beside the organ.

    Args:
        probabilities: (classes, z, y, x).
        body: Coarse mask over the same box.
        small_share: Pieces smaller than this share of a class's largest are dropped.
    """
    kept = probabilities.copy()
    labels = probabilities.argmax(axis=0)
    zoom = [n / m for n, m in zip(labels.shape, body.shape, strict=True)]
    inside = ndimage.zoom(
        ndimage.binary_dilation(body), zoom, order=0, grid_mode=True, mode="nearest"
    )
    for value in range(1, len(kept)):
        components, _ = ndimage.label((labels == value) & inside)
        counts = np.bincount(components.ravel())
        counts[0] = 0
        good = np.isin(components, np.flatnonzero(counts > small_share * counts.max()))
        near = ndimage.binary_dilation(good, iterations=2) if good.any() else good
        kept[value, ~near] = 0
    kept[0] = 1 - kept[1:].sum(axis=0)
    return kept


def drop_removed(labels: Labels, soft: Floats) -> Labels:
    """Return labels (z, y, x) without what was cleaned away in soft (classes, z/2, y/2, x/2)."""
    cells = tuple(index // 2 for index in np.indices(labels.shape, np.int32, sparse=True))
    kept = soft[(labels, *cells)] > 0
    return np.where(kept, labels, 0).astype(np.uint8)


def without_known(probabilities: Floats, known: tuple[bool, ...]) -> Floats:
    """Return probabilities with the classes that the original tells put into background.

    Where the original does not say them, they are not there: originals win every conflict (paper
    3). The classes are on the last axis; background is never put away.
    """
    told = np.array([False, *known[1:]])
    if not told.any():
        return probabilities
    rest = np.where(told, np.float32(0), probabilities)
    rest[..., 0] += probabilities[..., told].sum(axis=-1)
    return rest


def complete(
    pseudo: Labels, soft: Floats, truth: Labels, known: tuple[bool, ...]
) -> tuple[Labels, Floats]:
    """Return labels and soft labels in which the original labels win every conflict (paper 3).

    Args:
        pseudo: A teacher's labels (z, y, x).
        soft: A teacher's soft labels (classes, z/2, y/2, x/2).
        truth: The original labels (z, y, x).
        known: Classes that the original tells; elsewhere it says nothing.
    """
    told = np.array([False, *known[1:]])
    labels = np.where(truth > 0, truth, np.where(told[pseudo], 0, pseudo)).astype(np.uint8)
    mixed = soft.copy()
    mixed[0] += mixed[told].sum(axis=0)
    mixed[told] = 0
    original = shares(truth, len(soft))
    mixed *= original[0]
    mixed[1:] += original[1:]
    return labels, mixed


def forget(labels: Labels, soft: Floats, values: list[int]) -> tuple[Labels, Floats]:
    """Return labels and soft labels without some classes: what they held is background."""
    kept = soft.copy()
    kept[0] += kept[values].sum(axis=0)
    kept[values] = 0
    return np.where(np.isin(labels, values), 0, labels).astype(np.uint8), kept
