"""What the network knew of each organ besides its label: how sure it was, inside and at the border.

All is taken from cells of the logits that hold an organ or lie near one: a tenth of them, so that
it costs some hundredths of a second.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from FlareSegLib.base.geometry import Grid, Labelmap, ZyxMm
from FlareSegLib.inference.looks import Looks

NEAR = 2
"""Cells this near to an organ are looked at too."""
UNSURE = 0.6
"""Probability at which a cell counts as half unsure."""
FAINT = 0.2
"""Probability at which a cell that is no part of an organ counts by half."""
RAMP = 0.1
"""How far from these a cell counts wholly, or not at all; between in shares, so that a hair's
breadth in a probability, as between two runtimes, is one in what is counted."""
FEW_CELLS, OF_FEW = 6, 0.6
"""Agreement of two looks is told as if so many cells more agreed so well: of an organ of a few
cells, one more or less would say all or nothing."""
FIRST_LOOK = 2
"""Cells of the first look are this many cells of the logits wide."""
MOST_NUMBERS = 2_000_000
"""Probabilities that are held at a time."""
ROUNDING = 1e-6
"""Voxels: the middle of a cell may lie just between two, and must not fall to either by chance."""
Floats = NDArray[np.float32]
Ints = NDArray[np.intp]


@dataclass(frozen=True)
class Evidence:
    """What the network knew of a scan."""

    organs: dict[int, dict[str, float]]
    """Of each organ, by its value: name and number."""
    doubt: Labelmap
    """100 % minus the highest probability, of cells near organs; 0 elsewhere. Canonical, on the
    grid of the logits."""


@dataclass(frozen=True)
class _Cells:
    """What is known of cells that hold an organ or lie near one: an entry per cell or class."""

    at: Ints
    """Where they are in the array."""
    own: Ints
    """Class of each cell's label."""
    chance: Floats
    """Probability of that class."""
    nothing: Floats
    """Probability of the background."""
    margin: Floats
    """Between the best two logits."""
    border: NDArray[np.bool_]
    """Whether it has another label beside it."""
    edge: NDArray[np.bool_]
    """Whether it lies in the lowest or highest slice."""
    total: NDArray[np.float64]
    """Of the probabilities of each class."""
    faint: NDArray[np.float64]
    """Cells of each class with a probability of about FAINT or more."""
    most: Floats
    """Highest probability of each class."""
    best: Floats
    """Highest probability in each cell."""


def evidence(
    logits: NDArray[np.float16],
    logits_spacing_mm: ZyxMm,
    target: Labelmap,
    values: tuple[int, ...],
    looks: Looks | None = None,
) -> Evidence:
    """Return what is known of each organ, and where the network was unsure.

    Args:
        logits: (z, y, x, classes), over the box of target.
        logits_spacing_mm: Their spacing (z, y, x).
        target: Labels on the grid of the CT, cleaned, canonical.
        values: Of each class in target, from 0 on.
        looks: What was seen twice, if anything was.
    """
    class_of = np.zeros(256, np.uint8)
    class_of[list(values)] = np.arange(len(values))
    classes = class_of[at_cells(target, logits.shape, logits_spacing_mm)]
    cells = _cells(logits, classes)
    agreeing = _agreement(classes, looks or Looks(len(values)))
    organs = {
        value: {**_of_organ(number, cells), **{name: dsc[number] for name, dsc in agreeing.items()}}
        for number, value in enumerate(values)
        if number
    }
    return Evidence(organs, _doubt(cells, classes.shape, logits_spacing_mm, target.grid))


def _doubt(cells: _Cells, shape: tuple[int, ...], spacing_mm: ZyxMm, grid: Grid) -> Labelmap:
    """Return the doubt of cells in percent, on a grid of their own over that of the labels."""
    found = np.zeros(shape, np.uint8)
    found.reshape(-1)[cells.at] = np.rint(100 * (1 - cells.best))
    z, y, x = ((mm / own - 1) / 2 for mm, own in zip(spacing_mm, grid.spacing_mm, strict=True))
    return Labelmap(
        found,
        Grid((shape[0], shape[1], shape[2]), spacing_mm, grid.to_world((z, y, x)), grid.direction),
    )


def _cells(logits: NDArray[np.float16], classes: NDArray[np.uint8]) -> _Cells:
    """Return what is known of the cells near organs, a part of them at a time."""
    at = np.flatnonzero(_near(classes != 0))
    flat, own = logits.reshape(-1, logits.shape[-1]), classes.reshape(-1)[at].astype(np.intp)
    count = flat.shape[1]
    total, faint = np.zeros(count), np.zeros(count)
    most = np.zeros(count, np.float32)
    chance, nothing, margin, best = (np.zeros(at.size, np.float32) for _ in range(4))
    step = max(1, MOST_NUMBERS // count)
    for first in range(0, at.size, step):
        part = slice(first, first + step)
        chances, margin[part] = _chances(flat[at[part]])
        total += chances.sum(axis=1, dtype=np.float64)
        faint += _over(chances, FAINT).sum(axis=1, dtype=np.float64)
        np.maximum(most, chances.max(axis=1), out=most)
        chance[part] = chances[own[part], np.arange(chances.shape[1])]
        nothing[part], best[part] = chances[0], chances.max(axis=0)
    border, edge = (grid.reshape(-1)[at] for grid in (_border(classes), _edge(classes.shape)))
    return _Cells(at, own, chance, nothing, margin, border, edge, total, faint, most, best)


def _of_organ(number: int, cells: _Cells) -> dict[str, float]:
    """Return the numbers of a class; those of its own cells are left out if it has none."""
    mine = np.flatnonzero(cells.own == number)
    own, total = cells.chance[mine], float(cells.total[number])
    found = {
        "cells": float(mine.size),
        "missed": max(0.0, total - float(own.sum(dtype=np.float64))) / max(total, 1e-6),
        "faint": float(cells.faint[number] - _over(own, FAINT).sum(dtype=np.float64)),
        "most": float(cells.most[number]),
    }
    if not mine.size:
        return found
    border, margin = cells.border[mine], cells.margin[mine]
    return found | {
        "chance": float(own.mean()),
        "chance_border": _mean(own[border]),
        "chance_inside": _mean(own[~border]),
        "unsure": _mean(1 - _over(own, UNSURE)),
        "unsure_inside": _mean(1 - _over(own[~border], UNSURE)),
        "rivals": float((1 - own - cells.nothing[mine]).mean()),
        "margin": float(margin.mean()),
        "margin_border": _mean(margin[border]),
        "margin_p10": float(np.percentile(margin, 10)),
        "border": float(border.mean()),
        "edge": float(cells.edge[mine].sum() / max(1, border.sum())),
    }


def _over(chances: Floats, limit: float) -> Floats:
    """Return 1 for probabilities over a limit, 0 for those under it, a share near it."""
    share = chances * np.float32(0.5 / RAMP) + np.float32(0.5 - 0.5 * limit / RAMP)
    return np.clip(share, 0, 1, out=share)


def _mean(values: NDArray[np.generic]) -> float:
    return float(values.mean()) if values.size else float("nan")


def at_cells(target: Labelmap, shape: tuple[int, ...], spacing_mm: ZyxMm) -> NDArray[np.uint8]:
    """Return the labels at the middle of cells of a shape and spacing over the same box.

    Where the middle lies between two voxels, the label is that of the later one.
    """
    places = (
        np.minimum(((np.arange(n) + 0.5) * mm / own + ROUNDING).astype(np.intp), size - 1)
        for n, mm, own, size in zip(
            shape[:3], spacing_mm, target.grid.spacing_mm, target.grid.shape, strict=True
        )
    )
    found: NDArray[np.uint8] = target.array[np.ix_(*places)]
    return found


def _chances(logits: NDArray[np.float16]) -> tuple[Floats, Floats]:
    """Return the probabilities (classes, cells), and the margin between the best two logits.

    Classes come first, so that each step goes over many cells at once: four times as fast.
    """
    values = np.ascontiguousarray(logits.T, np.float32)
    best, second = values[0].copy(), np.full(values.shape[1], -np.inf, np.float32)
    for row in values[1:]:
        np.maximum(second, np.minimum(best, row), out=second)
        np.maximum(best, row, out=best)
    values -= best
    np.exp(values, out=values)
    values /= values.sum(axis=0)
    return values, best - second


def _near(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    found = mask.copy()
    for axis in range(3):
        seen = np.moveaxis(found.copy(), axis, 0)
        grown = np.moveaxis(found, axis, 0)
        for step in range(1, NEAR + 1):
            grown[step:] |= seen[:-step]
            grown[:-step] |= seen[step:]
    return found


def _border(labels: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Return which cells have another label beside them."""
    found = np.zeros(labels.shape, np.bool_)
    for axis in range(3):
        one, seen = np.moveaxis(labels, axis, 0), np.moveaxis(found, axis, 0)
        differs = one[1:] != one[:-1]
        seen[1:] |= differs
        seen[:-1] |= differs
    return found


def _edge(shape: tuple[int, ...]) -> NDArray[np.bool_]:
    found = np.zeros(shape, np.bool_)
    found[[0, -1]] = True
    return found


def _agreement(labels: NDArray[np.uint8], looks: Looks) -> dict[str, list[float]]:
    """Return how far looks agree on each class: the first and the close one, slab and slab."""
    both, total = np.zeros_like(looks.both), np.zeros_like(looks.both)
    if looks.first is not None:
        both, total = _with_first(labels, looks.first, len(looks.both))
    return {"first_look": _dsc(both, total), "slabs": _dsc(looks.both, looks.total)}


def _with_first(
    labels: NDArray[np.uint8], first: NDArray[np.uint8], classes: int
) -> tuple[Ints, Ints]:
    """Return the cells of each class that both looks call so, and the sum of those of either."""
    z, y, x = (min(FIRST_LOOK * n, m) for n, m in zip(first.shape, labels.shape, strict=True))
    close = labels[1:z:FIRST_LOOK, 1:y:FIRST_LOOK, 1:x:FIRST_LOOK]
    first = first[tuple(slice(n) for n in close.shape)]
    both = np.bincount(close[close == first], minlength=classes)
    total = np.bincount(close.ravel(), minlength=classes)
    return both, total + np.bincount(first.ravel(), minlength=classes)


def _dsc(both: Ints, total: Ints) -> list[float]:
    """Return about the DSC of each class; NaN where neither look holds it."""
    agreed, cells = 2 * both + FEW_CELLS * OF_FEW, total + FEW_CELLS
    found: list[float] = np.where(total > 0, agreed / cells, np.nan).tolist()
    return found
