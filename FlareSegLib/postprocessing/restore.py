"""Labels on the grid of the CT from logits on the coarse grid of the model.

Interpolating 14 channels to every voxel and taking the arg-max costs a hundred times more than the
network (Testing/benchmarks). Where the eight logits around a voxel agree on the class, so does any
mean of them: only voxels in mixed cells are interpolated. The labels are those of the plain way; a
test compares the two.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from FlareSegLib.base.config import ModelConfig
from FlareSegLib.base.geometry import Labelmap, ZyxMm
from FlareSegLib.base.labels import Organ
from FlareSegLib.base.linear import Axis, axes_between
from FlareSegLib.base.recipe import Recipe, apart_axis
from FlareSegLib.base.threads import for_each

BLOCK_VALUES = 2**20
"""Interpolated at a time by each thread, 4 MiB."""
MIXED = 255
"""Stands for a cell whose corners differ; a cell of class 255 is interpolated as these are."""


Decide = Callable[[NDArray[Any]], NDArray[Any]]
"""Gives labels of logits, whose last axis are the classes."""


def arg_max(logits: NDArray[Any]) -> NDArray[Any]:
    """Return the class with the largest logit."""
    found: NDArray[Any] = logits.argmax(axis=-1)
    return found


def last_over_zero(logits: NDArray[Any]) -> NDArray[Any]:
    """Return 1 + the last class whose logit is over 0, 0 if there is none (nnU-Net's regions)."""
    count = logits.shape[-1]
    found = count - (logits[..., ::-1] > 0).argmax(axis=-1)
    return np.where((logits > 0).any(axis=-1), found, 0)


def to_labels(
    logits: NDArray[np.float16],
    logits_spacing_mm: ZyxMm,
    target: Labelmap,
    threads: int,
    config: ModelConfig | None = None,
) -> None:
    """Write the arg-max (z, y, x) of the logits, interpolated linearly at the voxels of a CT.

    Both grids cover the same box: the edges of their first voxels coincide.

    Args:
        logits: (z, y, x, classes).
        logits_spacing_mm: Spacing of the logits (z, y, x).
        target: All zero, on the grid of the CT; may be a view into a larger array.
        threads: Layers restored at the same time; if a thread fails, all is done again by one.
        config: Its recipe says where the nearest logit is taken, and whether classes are regions.
    """
    z, y, x = axes_between(logits.shape, logits_spacing_mm, target.grid)
    decide: Decide = arg_max
    if config and config.recipe:
        z, y, x = _by_recipe((z, y, x), config.spacing_for(target.grid), target, config.recipe)
        decide = last_over_zero if config.recipe.has_regions else arg_max
    cells = _cells(decide(logits).astype(np.uint8))
    starts = [0, *(np.flatnonzero(np.diff(z.low)) + 1), z.low.size]
    layers = [(int(a), int(b)) for a, b in pairwise(starts) if cells[z.low[a]].any()]

    def restore_layer(layer: tuple[int, int]) -> None:
        first, last = layer
        low, high = z.low[first], z.high[first]
        _fill(
            target.array[first:last],
            cells[low],
            (logits[low], logits[high]),
            z.share[first:last],
            (y, x),
            decide,
        )

    for_each(restore_layer, layers, threads)


def to_values(target: Labelmap, values: tuple[int, ...]) -> None:
    """Put organ values in the place of classes.

    Args:
        target: Classes; changed.
        values: Of each class from 0 on.
    """
    if values != tuple(range(len(values))):
        table = np.zeros(256, np.uint8)
        table[: len(values)] = values
        target.array[...] = table[target.array]


def _by_recipe(
    axes: tuple[Axis, Axis, Axis], model_mm: ZyxMm, target: Labelmap, recipe: Recipe
) -> tuple[Axis, ...]:
    """Return the axes, some of them without interpolation."""
    apart = apart_axis(model_mm, target.grid.spacing_mm, recipe.separate_z)
    orders = [recipe.logits_order_z if i == apart else recipe.logits_order for i in range(3)]
    return tuple(a if order else a.nearest() for a, order in zip(axes, orders, strict=True))


def only(organs: Iterable[Organ], labelmap: Labelmap) -> Labelmap:
    """Return a labelmap with the values of these organs alone."""
    table = np.zeros(256, np.uint8)
    values = [organ.value for organ in organs]
    table[values] = values
    return Labelmap(table[labelmap.array], labelmap.grid)


def _cells(coarse: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return the class of each cell: of a logit and its next ones along z, y, x; or MIXED."""
    lowest, highest = coarse, coarse
    for axis in range(3):
        width = [(0, int(axis == i)) for i in range(3)]
        further = tuple(slice(int(axis == i), None) for i in range(3))
        lowest = np.minimum(lowest, np.pad(lowest, width, mode="edge")[further])
        highest = np.maximum(highest, np.pad(highest, width, mode="edge")[further])
    return np.where(lowest == highest, coarse, np.uint8(MIXED))


def _fill(
    labels: NDArray[np.uint8],
    cells: NDArray[np.uint8],
    pair: tuple[NDArray[np.float16], NDArray[np.float16]],
    shares: NDArray[np.float32],
    axes: tuple[Axis, Axis],
    decide: Decide,
) -> None:
    """Write the slices of a CT that lie between two slices of logits.

    Args:
        labels: The slices (z, y, x), all zero; written.
        cells: Class of each cell between the two, (y, x).
        pair: Logits of the lower and of the upper slice, (y, x, classes).
        shares: Weight of the upper slice in each slice of labels.
        axes: Interpolation along y and x.
        decide: Gives labels of logits.
    """
    seen = cells != 0
    box = tuple(_extent(axis, seen.any(axis=1 - i)) for i, axis in enumerate(axes))
    (rows, y), (columns, x) = (axis.part(where) for axis, where in zip(axes, box, strict=True))
    plane = cells[rows, columns][y.low].take(x.low, axis=1)
    both = np.concatenate([one[rows, columns] for one in pair], axis=-1, dtype=np.float32)
    at = np.flatnonzero(plane == MIXED)
    found = np.empty((len(shares), at.size), np.uint8)
    for some in _blocks(at.size, both.shape[2]):
        below, above = np.split(interpolated(both, at[some], y, x), 2, axis=1)
        above -= below
        for share, classes in zip(shares, found, strict=True):
            classes[some] = decide(below + share * above)
    for classes, target in zip(found, labels, strict=True):
        plane.reshape(-1)[at] = classes
        target[box] = plane


def _blocks(voxels: int, channels: int) -> Iterator[slice]:
    """Yield voxels that are interpolated at a time: memory must not grow with the classes."""
    step = max(1, BLOCK_VALUES // channels)
    return (slice(start, start + step) for start in range(0, voxels, step))


def _extent(axis: Axis, wanted: NDArray[np.bool_]) -> slice:
    """Return the voxels of a CT that lie in cells from the first wanted one to the last."""
    hits = np.flatnonzero(wanted)
    first, last = np.searchsorted(axis.low, [hits[0], hits[-1] + 1])
    return slice(int(first), int(last))


def interpolated(
    values: NDArray[np.float32], at: NDArray[np.intp], y: Axis, x: Axis
) -> NDArray[np.float32]:
    """Return values (y, x, channels) interpolated at some voxels, (voxels, channels).

    Args:
        values: Of the sources of y and x.
        at: Flat indices of the voxels, in a plane of the targets of y and x.
        y: Interpolation along y.
        x: Interpolation along x.
    """
    rows, columns = np.divmod(at, x.low.size)
    found = np.zeros((at.size, values.shape[2]), np.float32)
    for line, to_y in ((y.low, 1 - y.share), (y.high, y.share)):
        for column, to_x in ((x.low, 1 - x.share), (x.high, x.share)):
            corner = values[line[rows], column[columns]]
            corner *= (to_y[rows] * to_x[columns])[:, None]
            found += corner
    return found
