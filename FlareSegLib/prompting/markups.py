"""Prompts in 3D Slicer's markups files (.mrk.json): ROI, line and points, as Slicer saves them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from FlareSegLib.base.errors import InputError
from FlareSegLib.prompting.prompts import BoxPrompt, ClickPrompt, LinePrompt, Point, Prompt

_TO_RAS = {
    "LPS": (-1.0, -1.0, 1.0),
    "1": (-1.0, -1.0, 1.0),
    "RAS": (1.0, 1.0, 1.0),
    "0": (1.0, 1.0, 1.0),
}
"""Signs, by what a file calls its coordinates; old files have numbers."""
_OUTSIDE = ("-", "remove", "minus", "outside", "negative", "background")
"""A point whose label or description begins so says what does not belong to the thing."""
_MOST_BYTES = 2**24
_CURE = "save the ROI, line or points in 3D Slicer as .mrk.json"


def read_markups(path: Path) -> tuple[Prompt, ...]:
    """Return the prompts in a file: box or line first, then clicks.

    Raises:
        InputError: It holds none, or more than one box and line; says what it has.
    """
    found: list[Prompt] = []
    for markup in _markups(path):
        found += _prompts(markup, path)
    begins = [prompt for prompt in found if not isinstance(prompt, ClickPrompt)]
    if len(begins) > 1:
        raise InputError(
            f"{path.name} has {len(begins)} boxes and lines: give one for each run, or a list with "
            "--prompts"
        )
    if not found:
        raise InputError(f"{path.name} has no placed point: place it, and {_CURE}")
    return (*begins, *(prompt for prompt in found if isinstance(prompt, ClickPrompt)))


def _markups(path: Path) -> list[dict[str, Any]]:
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise InputError(f"{path.name} is over 16 MiB: {_CURE}")
        facts = json.loads(path.read_text(encoding="utf-8"))
        markups = facts["markups"]
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror}): {_CURE}") from error
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise InputError(f"{path.name} is no markups file of 3D Slicer: {_CURE}") from error
    if not isinstance(markups, list) or not all(isinstance(one, dict) for one in markups):
        raise InputError(f"{path.name} is no markups file of 3D Slicer: {_CURE}")
    return markups


def _prompts(markup: dict[str, Any], path: Path) -> list[Prompt]:
    kind = str(markup.get("type", ""))
    signs = _signs(markup, path)
    try:
        if kind == "ROI":
            return [_box(markup, signs)] if _is_placed(markup) else []
        points = [
            (_ras(point["position"], signs), point)
            for point in markup.get("controlPoints") or []
            if point.get("positionStatus", "defined") == "defined"
        ]
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise InputError(f"{path.name} has a broken {kind} ({error}): {_CURE}") from error
    if kind == "Line":
        if len(points) == 1:
            raise InputError(f"{path.name} has a line with one end: place the other")
        return [LinePrompt(points[0][0], points[1][0])] if points else []
    if kind == "Fiducial":
        return [ClickPrompt(at, _is_inside(point)) for at, point in points]
    raise InputError(f"{path.name} holds a {kind or 'markup without a type'}: {_CURE}")


def _signs(markup: dict[str, Any], path: Path) -> Point:
    system = str(markup.get("coordinateSystem", "LPS")).upper()
    unit = markup.get("coordinateUnits", "mm")
    if system not in _TO_RAS or unit not in ("mm", ["mm"] * 3):
        raise InputError(
            f"{path.name} has coordinates in {system} and {unit}: save them in LPS or RAS and mm"
        )
    return _TO_RAS[system]


def _is_placed(roi: dict[str, Any]) -> bool:
    return roi.get("center") is not None and roi.get("size") is not None


def _box(roi: dict[str, Any], signs: Point) -> BoxPrompt:
    if roi.get("roiType", "Box") not in ("Box", "BoundingBox"):
        raise ValueError(f"roiType {roi['roiType']}")
    columns = np.array(roi.get("orientation") or np.eye(3).ravel(), float).reshape(3, 3)
    axes = tuple(_ras(column, signs) for column in columns.T)
    size = [abs(float(value)) for value in roi["size"]]
    return BoxPrompt(_ras(roi["center"], signs), _three(size), axes)  # type: ignore[arg-type]


def _ras(position: Any, signs: Point) -> Point:
    return _three([float(value) * sign for value, sign in zip(position, signs, strict=True)])


def _three(values: list[float]) -> Point:
    a, b, c = values
    return a, b, c


def _is_inside(point: dict[str, Any]) -> bool:
    texts = (str(point.get(key) or "").strip().lower() for key in ("label", "description"))
    return not any(text.startswith(_OUTSIDE) for text in texts)
