"""confidence.json of a model: the trees that tell the DSC to be expected. Read, and checked."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from FlareSegLib.base.errors import ModelError

CONFIDENCE_JSON = "confidence.json"
SCHEMA_VERSION = 1
MOST_BYTES, MOST_TREES, MOST_FEATURES = 2**20, 1000, 500
_NUMBERS = ("base", "doubtful_below", "absent_below")


def read_confidence(folder: Path, sha256: str) -> Mapping[str, Any] | None:
    """Return the contents of folder/confidence.json; None if there is none, or of other weights.

    Args:
        folder: Of the model.
        sha256: Of its network: numbers that were fitted to other weights say nothing of these.

    Raises:
        ModelError: The file is damaged.
    """
    path = folder / CONFIDENCE_JSON
    if not path.exists():
        return None
    try:
        if not (path.is_file() and path.stat().st_size <= MOST_BYTES):
            raise ValueError("no file of at most 1 MiB")
        facts = json.loads(path.read_text(encoding="utf-8"))
        _check(facts)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ModelError(f"{path} cannot be used ({error!r}): remove or restore it") from error
    found: Mapping[str, Any] = facts
    return found if facts["sha256"] == sha256 else None


def _check(facts: Any) -> None:
    _need(facts["schema_version"] == SCHEMA_VERSION, "schema_version")
    names, trees = facts["features"], facts["trees"]
    _need(all(math.isfinite(facts[name]) for name in _NUMBERS), "numbers")
    _need(all(isinstance(name, str) for name in (*names, *facts["organs"])), "names")
    _need(len(names) <= MOST_FEATURES and len(trees) <= MOST_TREES, "size")
    widths = facts.get("width", [0.0] * len(names))
    _need(len(widths) == len(names) and all(0 <= w < math.inf for w in widths), "width")
    for tree in trees:
        nodes, leaves = len(tree["feature"]), tree["leaf"]
        _need(0 < nodes < 256 and nodes & (nodes + 1) == 0 and len(leaves) == nodes + 1, "tree")
        _need(len(tree["threshold"]) == len(tree["missing"]) == nodes, "tree")
        _need(all(type(f) is int and 0 <= f < len(names) for f in tree["feature"]), "feature")
        _need(all(map(math.isfinite, (*tree["threshold"], *tree["missing"], *leaves))), "numbers")
    for means in facts["good"].values():
        _need(
            all(len(pair) == 2 and all(map(math.isfinite, pair)) for pair in means.values()), "good"
        )


def _need(is_right: bool, what: str) -> None:
    if not is_right:
        raise ValueError(what)
