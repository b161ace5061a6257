"""Models with any number of labels, and the CT that goes with them.

Cubes of tissue stand in a lattice, each with HU of its own; the network gives each voxel the class
whose HU is nearest, so that the truth is known in closed form.
"""

from __future__ import annotations

import hashlib
import json
import math
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from FlareSegLib.base.geometry import Grid, Labelmap, Volume, Zyx, ZyxMm

FIRST_HU, STEP_HU = 60.0, 12.0
"""HU of the background, to which air and tissue are clipped, and from a class to the next."""
FAR = np.full((1, 1, 1, 1), 0.5, np.float32)
ROOM = 16
"""Voxels from a cube to the next; a cube takes half of it along each axis."""


def keys(count: int) -> list[str]:
    """Return keys that are none of FLARE's."""
    return [f"part_{number}" for number in range(1, count + 1)]


def write_flat_model(folder: Path, count: int, organs: list[dict] | None = None) -> Path:
    """Write a flat model of so many labels; return its folder.

    Args:
        folder: Made if it is not there.
        count: Of labels, without the background.
        organs: Of labels.json; None: the keys alone.
    """
    folder.mkdir(parents=True, exist_ok=True)
    content = _network(count).SerializeToString()
    (folder / "model.onnx").write_bytes(content)
    facts = {
        "name": f"many-{count}", "version": "1", "sha256": hashlib.sha256(content).hexdigest(),
        "spacing_mm": (2.0, 2.0, 2.0), "window": (16, 32, 32), "is_flat": True, "logits_stride": 2,
        "hu_range": (FIRST_HU, FIRST_HU + STEP_HU * (count + 1)), "hu_mean": FIRST_HU,
        "hu_sd": STEP_HU, "labels": keys(count),
    }  # fmt: skip
    (folder / "model.json").write_text(json.dumps(facts), encoding="utf-8")
    rows = organs or [{"key": key} for key in keys(count)]
    (folder / "labels.json").write_text(json.dumps({"organs": rows}), encoding="utf-8")
    return folder


def _network(count: int) -> onnx.ModelProto:
    """Return a network of cells (1, 8, rows, columns): minus the squared distance to each class.

    Of the first voxel of a cell, and no farther than FAR: else a cell or a voxel between two
    classes would be of a third, half-way.
    """
    centres = np.arange(count + 1, dtype=np.float32).reshape(1, -1, 1, 1)
    nodes = [
        helper.make_node("Gather", ["cells", "first"], ["voxel"], axis=1),
        helper.make_node("Sub", ["voxel", "centres"], ["distance"]),
        helper.make_node("Mul", ["distance", "distance"], ["square"]),
        helper.make_node("Min", ["square", "far"], ["near"]),
        helper.make_node("Neg", ["near"], ["logits"]),
    ]
    graph = helper.make_graph(
        nodes,
        "many",
        [helper.make_tensor_value_info("cells", TensorProto.FLOAT, (1, 8, "rows", "columns"))],
        [
            helper.make_tensor_value_info(
                "logits", TensorProto.FLOAT, (1, count + 1, "rows", "columns")
            )
        ],
        [
            numpy_helper.from_array(centres, "centres"),
            numpy_helper.from_array(FAR, "far"),
            numpy_helper.from_array(np.array([0]), "first"),
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model, full_check=True)
    return model


def cubes(
    count: int, shape: Zyx | None = None, spacing_mm: ZyxMm = (2.0, 2.0, 2.0)
) -> tuple[Volume, Labelmap]:
    """Return a CT with a cube of each class, and the truth.

    Args:
        count: Of classes.
        shape: (z, y, x); None: the smallest that holds them.
        spacing_mm: Of the voxels.
    """
    side = math.ceil(count ** (1 / 3))
    z, y, x = shape or ((max(16, ROOM * (side + 2)),) * 3)
    room = [n // (side + 2) for n in (z, y, x)]
    labels = np.zeros((z, y, x), np.uint8)
    for number in range(count):
        place = np.unravel_index(number, (side, side, side))
        box = tuple(
            slice(step * (at + 1), step * (at + 1) + max(2, step // 2 // 2 * 2))
            for at, step in zip(place, room, strict=True)
        )
        labels[box] = number + 1
    noise = np.random.default_rng(0).integers(-15, 16, labels.shape, np.int16)
    hu = 40 + noise  # all below FIRST_HU: background
    hu[:, :12] = hu[:, -12:] = -100 + noise[:, :12]
    hu[:, :2], hu[:, -2:], hu[:, :, :2], hu[:, :, -2:] = (-1000,) * 4
    hu[labels > 0] = (FIRST_HU + STEP_HU * labels[labels > 0]).astype(np.int16)
    grid = Grid(labels.shape, spacing_mm)
    return Volume(hu, grid), Labelmap(labels, grid)
