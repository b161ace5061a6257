"""The DSC that is to be expected of each organ, learned from degraded CTs; doubt in words.

A model may have a confidence.json beside its model.json, which `python -m training.confidence`
makes: small regression trees over what a run knows anyway. Without it nothing is said.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from FlareSegLib.measuring.rows import OrganRow
from FlareSegLib.measuring.scan import Scan
from FlareSegLib.measuring.usual import Usual, expected_mm, shipped

OF_EVIDENCE = (
    "chance", "chance_border", "chance_inside", "unsure", "unsure_inside", "missed", "rivals",
    "margin", "margin_border", "margin_p10", "border", "edge", "first_look", "slabs", "most",
    "faint",
)  # fmt: skip
OF_SCAN = ("slice_mm", "noise_hu", "width_mm", "fat", "soft", "bone", "bone_behind", "air_low",
           "air_high", "cut_sides", "height_mm")  # fmt: skip
PARTNERS = {"right_kidney": "left_kidney", "right_adrenal_gland": "left_adrenal_gland"}
PARTNERS |= {left: right for right, left in PARTNERS.items()}
REASONS = {
    "first_look": (-1, 0.5, "the two looks agree by {value:.0%} only"),
    "slabs": (-1, 0.5, "two parts of the scan that overlap agree by {value:.0%} only"),
    "unsure": (1, 0.1, "the network was unsure in {value:.0%} of it"),
    "missed": (1, 0.2, "{value:.0%} of what may belong to it was left out"),
    "rivals": (1, 0.05, "parts of it may be other organs"),
    "small": (-1, -1.0, "it is smaller than usual"),
    "large": (1, 1.0, "it is larger than usual"),
    "away": (1, 1.0, "it lies far from where it usually lies"),
    "noise_hu": (1, 25.0, "the scan is noisy ({value:.0f} HU)"),
    "slice_mm": (1, 4.0, "slices are thick ({value:.0f} mm)"),
    "components": (1, 2.0, "it is in {value:.0f} pieces"),
    "chance_border": (-1, 0.8, "its border is unsure"),
}  # fmt: skip
"""Features that can be a reason: whether more (1) or less (-1) is bad, from where on, the words."""
ALIASES = {"small": "volume", "large": "volume"}
"""Features under another name."""
CRUMB = 0.1
"""Share of its usual volume at which an organ weighs half beside others."""
MOST_REASONS = 2
LEAST_DEVIATION = 1.0
"""Standard deviations of good organs from which on a feature is a reason."""
ABSENT_REASON = "it was not found, but may be there"


@dataclass(frozen=True)
class Seen:
    """All that is known of the organs of a scan."""

    rows: Mapping[str, OrganRow]
    """By organ key, all organs of the model."""
    evidence: Mapping[int, Mapping[str, float]]
    """By organ value, see evidence.py."""
    scan: Scan
    removed_ml: Mapping[str, float]
    """What the clean-up took from each organ."""


@dataclass(frozen=True)
class Judged:
    """What is thought of an organ."""

    confidence: float
    """The DSC that is to be expected, in [0, 1]."""
    reasons: tuple[str, ...] = ()
    """Why it is doubtful, in words; empty if it is not."""


def features(key: str, seen: Seen, usual: Usual) -> dict[str, float]:
    """Return the numbers of an organ that its confidence is told from; NaN where there is none."""
    row, nan = seen.rows[key], math.nan
    known = seen.evidence.get(row.value, {})
    found = {name: known.get(name, nan) for name in OF_EVIDENCE}
    found |= {name: float(getattr(seen.scan, name)) for name in OF_SCAN}
    cells = known.get("cells", 0.0)
    found["faint"] = math.log1p(known.get("faint", 0.0)) - math.log1p(cells)
    found["components"] = float(row.components)
    found["is_cut"] = float(row.is_cut)
    found["removed"] = math.log1p(seen.removed_ml.get(key, 0.0))
    found |= _of_hu(row)
    found |= _beside_others(row, seen, usual)
    return found | _beside_usual(row, seen, usual)


def _of_hu(row: OrganRow) -> dict[str, float]:
    core = row.core_hu
    if core is None or row.mean_hu is None:
        return dict.fromkeys(("core", "core_sd", "contrast", "mixed"), math.nan)
    contrast = math.nan if core.ring is None else core.median - core.ring
    return {
        "core": core.median,
        "core_sd": core.sd,
        "contrast": contrast,
        "mixed": core.median - row.mean_hu,
    }


def _weighted_chances(seen: Seen, usual: Usual) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the weight of each organ that is there, and how sure the network was of it.

    A crumb hardly weighs: whether it is there at all must change little.
    """
    found = []
    for row in seen.rows.values():
        known = seen.evidence.get(row.value, {})
        if row.components and "chance" in known:
            whole = usual[row.key]["ml"] if row.key in usual else 0.0
            weight = row.volume_ml / (row.volume_ml + CRUMB * whole)
            found.append((weight, known["chance"]))
    table = np.array(found).reshape(-1, 2)
    return table[:, 0], table[:, 1]


def _beside_others(row: OrganRow, seen: Seen, usual: Usual) -> dict[str, float]:
    weights, chances = _weighted_chances(seen, usual)
    partner = seen.rows.get(PARTNERS.get(row.key, ""))
    liver, aorta = (seen.rows.get(name) for name in ("liver", "aorta"))
    both = partner is not None and partner.volume_ml > 0 < row.volume_ml
    core = row.core_hu.median if row.core_hu else math.nan
    from_liver = liver.core_hu.median if liver and liver.core_hu else math.nan
    return {
        "organs": float(weights.sum()),
        "mean_chance": float(weights @ chances / weights.sum()) if weights.size else math.nan,
        "least_chance": float((1 - weights * (1 - chances)).min()) if weights.size else math.nan,
        "partner": math.log(row.volume_ml / partner.volume_ml) if both and partner else math.nan,
        "from_liver": core - from_liver,
        "aorta": aorta.core_hu.median if aorta and aorta.core_hu else math.nan,
    }


def _beside_usual(row: OrganRow, seen: Seen, usual: Usual) -> dict[str, float]:
    found = dict.fromkeys(("volume", "height", "away"), math.nan)
    if row.key not in usual or not row.centroid_mm:
        return found
    own, at = usual[row.key], expected_mm(row.key, seen.rows, usual)
    found["volume"] = math.log(row.volume_ml / own["ml"]) / own["spread"]
    found["height"] = row.extent_mm[0] / own["height_mm"]
    if at is not None:
        found["away"] = math.dist(row.centroid_mm, at) / own["far_mm"]
    return found


def judge(
    seen: Seen, told: Mapping[str, Any] | None, usual: Usual | None = None
) -> dict[str, Judged]:
    """Return what is thought of each organ, by its key; nothing of those the numbers do not know.

    Args:
        seen: All that is known.
        told: The contents of confidence.json; None: there is none.
        usual: Where organs lie and how large they are; None: what ships.
    """
    keys = [key for key in seen.rows if told and key in told["organs"]]
    if not keys or not told:
        return {}
    usual = usual or shipped()
    known = {key: features(key, seen, usual) for key in keys}
    values = predict([{**known[key], **one_hot(key, told["organs"])} for key in keys], told)
    return {
        key: Judged(float(value), _reasons(seen.rows[key], known[key], float(value), told))
        for key, value in zip(keys, values, strict=True)
    }


def one_hot(key: str, keys: Sequence[str]) -> dict[str, float]:
    """Return 1 for an organ and 0 for the others."""
    return {f"is_{other}": float(other == key) for other in keys}


def predict(rows: Sequence[Mapping[str, float]], told: Mapping[str, Any]) -> list[float]:
    """Return what trees say of rows of features.

    Trees are complete: node i goes on to 2 i + 1, or to 2 i + 2 if its feature is over its
    threshold, or missing where missing is 1; leaves follow the nodes. Within a feature's width of
    the threshold a row goes both ways, in shares, so that a hair's breadth in a feature is one in
    what is said.
    """
    names, trees = told["features"], told["trees"]
    table = np.array([[row.get(name, math.nan) for name in names] for row in rows])
    width = np.array(told.get("width", [0.0] * len(names)))
    total = np.full(len(rows), float(told["base"]))
    depths = {len(tree["feature"]) for tree in trees}
    for nodes in sorted(depths):  # all trees of a depth at once
        same = [tree for tree in trees if len(tree["feature"]) == nodes]
        feature, threshold, missing, leaf = (
            np.array([tree[name] for tree in same])
            for name in ("feature", "threshold", "missing", "leaf")
        )
        value = table[:, feature]  # (rows, trees, nodes)
        over = _shares(value - threshold, width[feature])
        over = np.where(np.isnan(value), missing, over)
        reached = np.ones((len(rows), len(same), 2 * nodes + 1))
        for node in range(nodes):
            reached[..., 2 * node + 1] = reached[..., node] * (1 - over[..., node])
            reached[..., 2 * node + 2] = reached[..., node] * over[..., node]
        total += (reached[..., nodes:] * leaf).sum(axis=(1, 2))
    return [float(value) for value in np.clip(total, 0, 1)]


def _shares(over: NDArray[np.float64], width: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return which share goes on as over a threshold: a step, or a ramp as wide as said."""
    ramp = np.clip(0.5 + over / np.where(width > 0, width, 1), 0, 1)
    found: NDArray[np.float64] = np.where(width > 0, ramp, over > 0)
    return found


def _reasons(
    row: OrganRow, known: Mapping[str, float], value: float, told: Mapping[str, Any]
) -> tuple[str, ...]:
    """Return why an organ is doubtful, the worst reason first; empty if it is not."""
    if value >= told["doubtful_below" if row.components else "absent_below"]:
        return ()
    if not row.components:
        return (ABSENT_REASON,)
    good, worst = told["good"].get(row.key, {}), []
    for name, (sign, limit, words) in REASONS.items():
        feature = ALIASES.get(name, name)
        seen = known.get(feature, math.nan)
        if feature in good and sign * seen >= sign * limit:
            mean, sd = good[feature]
            worst.append((sign * (seen - mean) / max(sd, 1e-6), words.format(value=seen)))
    worst = [one for one in worst if one[0] >= LEAST_DEVIATION]
    worst.sort(reverse=True)
    said = tuple(words for _, words in worst[:MOST_REASONS])
    return said or ("several signs together are unusual",)
