"""Surfaces as one binary glTF 2.0 file (Khronos): named, colored, for browsers and slides.

glTF counts in metres with y up, so a node turns and scales what lies below it in mm (L, P, S).
"""

from __future__ import annotations

import json
import struct
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Part = tuple[str, tuple[int, int, int], NDArray[np.float32], NDArray[np.int64]]
"""Name, color, points in mm (L, P, S), triangles."""
_LPS_TO_Y_UP = [0.001, 0, 0, 0, 0, 0, -0.001, 0, 0, 0.001, 0, 0, 0, 0, 0, 1]
"""Column by column: x is L, y is S, z is A."""
_FLOAT, _UINT32, _POINTS, _INDICES = 5126, 5125, 34962, 34963
"""Numbers of OpenGL, which glTF uses."""


def to_glb(parts: Sequence[Part]) -> bytes:
    """Return the file of these parts."""
    blob = b""
    views: list[dict[str, Any]] = []
    accessors: list[dict[str, Any]] = []
    for _, _, points, triangles in parts:
        indices = triangles.astype(np.uint32).ravel()
        ends = {"min": points.min(axis=0).tolist(), "max": points.max(axis=0).tolist()}
        for data, target, kind, facts in (
            (points.astype("<f4"), _POINTS, _FLOAT, {"type": "VEC3", "count": len(points), **ends}),
            (indices.astype("<u4"), _INDICES, _UINT32, {"type": "SCALAR", "count": indices.size}),
        ):
            said = data.tobytes()
            views.append(
                {"buffer": 0, "byteOffset": len(blob), "byteLength": len(said), "target": target}
            )
            accessors.append({"bufferView": len(views) - 1, "componentType": kind, **facts})
            blob += said  # all of them are of whole words: offsets stay aligned
    text = {**_scene(parts), "bufferViews": views, "accessors": accessors}
    text["buffers"] = [{"byteLength": len(blob)}]
    return _container(json.dumps(text, separators=(",", ":")).encode(), blob)


def _scene(parts: Sequence[Part]) -> dict[str, Any]:
    count = len(parts)
    root = {"name": "FlareSeg", "matrix": _LPS_TO_Y_UP, "children": list(range(count))}
    primitives = [
        {"attributes": {"POSITION": 2 * i}, "indices": 2 * i + 1, "material": i}
        for i in range(count)
    ]
    return {
        "asset": {"version": "2.0", "generator": "FlareSeg, research use only"},
        "scene": 0,
        "scenes": [{"nodes": [count]}],
        "nodes": [*({"name": part[0], "mesh": i} for i, part in enumerate(parts)), root],
        "meshes": [
            {"name": part[0], "primitives": [one]}
            for part, one in zip(parts, primitives, strict=True)
        ],
        "materials": [_material(name, color) for name, color, *_ in parts],
    }


def _material(name: str, color: tuple[int, int, int]) -> dict[str, Any]:
    """Return a dull material; glTF wants linear colors, not those of screens (sRGB)."""
    linear = [round((part / 255) ** 2.2, 4) for part in color]
    look = {"baseColorFactor": [*linear, 1.0], "metallicFactor": 0.0, "roughnessFactor": 0.8}
    return {"name": name, "pbrMetallicRoughness": look}


def _container(text: bytes, blob: bytes) -> bytes:
    text += b" " * (-len(text) % 4)
    blob += b"\0" * (-len(blob) % 4)
    chunks = struct.pack("<I4s", len(text), b"JSON") + text
    chunks += struct.pack("<I4s", len(blob), b"BIN\0") + blob
    return struct.pack("<4sII", b"glTF", 2, 12 + len(chunks)) + chunks
