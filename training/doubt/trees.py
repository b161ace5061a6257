"""Boosted regression trees, small and deterministic (Friedman, Ann. Statist. 29(5), 2001)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.intp]


@dataclass(frozen=True)
class Growth:
    """How trees are grown."""

    trees: int = 150
    depth: int = 3
    rate: float = 0.06
    least: int = 30
    """Rows of a leaf."""
    bins: int = 24
    """Thresholds that are tried, per feature: quantiles."""
    shrink: float = 10.0
    """Rows of value 0 that are added to each leaf."""
    features: float = 0.5
    """Share of the features that a tree may use."""
    rows: float = 0.7
    """Share of the rows that a tree sees."""


def grow(table: Floats, target: Floats, growth: Growth, seed: int) -> dict[str, Any]:
    """Return base and trees for confidence.predict().

    Args:
        table: (rows, features); NaN is missing.
        target: (rows,).
        growth: How.
        seed: Of the features and rows that each tree sees.
    """
    random = np.random.default_rng(seed)
    cuts = [_cuts(column, growth.bins) for column in table.T]
    binned = np.stack(
        [_binned(column, cut) for column, cut in zip(table.T, cuts, strict=True)], axis=1
    )
    base = float(target.mean())
    said, trees = np.full(target.shape, base), []
    for _ in range(growth.trees):
        wanted = np.flatnonzero(random.random(table.shape[1]) < growth.features)
        some = np.flatnonzero(random.random(len(target)) < growth.rows)
        tree = _tree(binned[some], target[some] - said[some], wanted, cuts, growth)
        said += tree["leaf"][_leaf_of(binned, tree, growth.depth)]
        trees.append(_plain(tree, cuts))
    return {"base": round(base, 4), "trees": trees}


def _cuts(column: Floats, bins: int) -> Floats:
    known = column[~np.isnan(column)]
    quantiles = np.linspace(0, 1, bins + 1)[1:-1]
    return np.unique(np.quantile(known, quantiles).round(4)) if known.size else np.zeros(0)


def _binned(column: Floats, cuts: Floats) -> NDArray[np.uint8]:
    """Return the bin of each value, from 1 (not over the first cut); 0 if missing."""
    found = np.searchsorted(cuts, column, "left") + 1
    return np.where(np.isnan(column), 0, found).astype(np.uint8)


def _tree(
    binned: NDArray[np.uint8], rest: Floats, wanted: Ints, cuts: list[Floats], growth: Growth
) -> dict[str, Any]:
    nodes, leaves = 2**growth.depth - 1, 2**growth.depth
    feature, cut = np.zeros(nodes, np.intp), np.full(nodes, 255)
    missing = np.zeros(nodes, np.intp)
    rows: list[Ints] = [np.arange(len(rest))] + [np.zeros(0, np.intp)] * (nodes + leaves - 1)
    for node in range(nodes):
        mine = rows[node]
        best = _split(binned[mine], rest[mine], wanted, cuts, growth)
        if best:
            feature[node], cut[node], missing[node] = best
        goes = _goes(binned[mine, feature[node]], cut[node], missing[node])
        rows[2 * node + 1], rows[2 * node + 2] = mine[~goes], mine[goes]
    sums = np.array([rest[mine].sum() for mine in rows[nodes:]])
    counts = np.array([mine.size for mine in rows[nodes:]])
    leaf = growth.rate * sums / np.maximum(1, counts + growth.shrink)
    return {"feature": feature, "cut": cut, "missing": missing, "leaf": leaf}


def _goes(bins: NDArray[np.uint8], cut: int, missing: int) -> NDArray[np.bool_]:
    return np.where(bins == 0, bool(missing), bins > cut)


def _split(
    binned: NDArray[np.uint8], rest: Floats, wanted: Ints, cuts: list[Floats], growth: Growth
) -> tuple[int, int, int] | None:
    """Return feature, bin and side of the missing of the split that explains most; None if none."""
    if len(rest) < 2 * growth.least or not wanted.size:
        return None
    width = max(cut.size for cut in cuts) + 2
    places = (binned[:, wanted] + width * np.arange(wanted.size)).ravel()
    size = width * wanted.size
    sums = np.bincount(places, np.repeat(rest, wanted.size), size).reshape(-1, width)
    counts = np.bincount(places, minlength=size).reshape(-1, width)
    total, count = rest.sum(), len(rest)
    best, found = 1e-9, None
    for missing in (0, 1):
        left = np.cumsum(sums[:, 1:-1], axis=1) + sums[:, :1] * (1 - missing)
        n = np.cumsum(counts[:, 1:-1], axis=1) + counts[:, :1] * (1 - missing)
        right, m = total - left, count - n
        gain = left**2 / (n + growth.shrink) + right**2 / (m + growth.shrink)
        gain -= total**2 / (count + growth.shrink)
        gain[(n < growth.least) | (m < growth.least)] = 0
        feature, cut = np.unravel_index(gain.argmax(), gain.shape)
        if gain[feature, cut] > best:
            best, found = float(gain[feature, cut]), (int(wanted[feature]), int(cut) + 1, missing)
    return found


def _leaf_of(binned: NDArray[np.uint8], tree: dict[str, Any], depth: int) -> Ints:
    node, at = np.zeros(len(binned), np.intp), np.arange(len(binned))
    for _ in range(depth):
        bins = binned[at, tree["feature"][node]]
        goes = np.where(bins == 0, tree["missing"][node] == 1, bins > tree["cut"][node])
        node = 2 * node + 1 + goes
    return node - tree["feature"].size


def _plain(tree: dict[str, Any], cuts: list[Floats]) -> dict[str, list[float]]:
    thresholds = [
        float(cuts[f][c - 1]) if c <= cuts[f].size else 1e9
        for f, c in zip(tree["feature"], tree["cut"], strict=True)
    ]
    return {
        "feature": tree["feature"].tolist(),
        "threshold": thresholds,
        "missing": tree["missing"].tolist(),
        "leaf": tree["leaf"].round(5).tolist(),
    }
