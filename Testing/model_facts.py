"""A ModelConfig for tests of single steps, and what a network in an ONNX file is made of."""

from __future__ import annotations

from typing import TYPE_CHECKING

from FlareSegLib.base.config import ModelConfig
from Testing.flare import ORGANS

if TYPE_CHECKING:
    import onnx


def a_config(**changes: object) -> ModelConfig:
    """Return facts of a small model, with changes."""
    facts: dict[str, object] = {
        "name": "tiny",
        "version": "0",
        "sha256": "0" * 64,
        "spacing_mm": (2.0, 1.5, 1.5),
        "window": (16, 24, 24),
        "hu_range": (-1000.0, 1000.0),
        "hu_mean": 0.0,
        "hu_sd": 100.0,
        "labels": tuple(organ.key for organ in ORGANS),
    }
    return ModelConfig(**(facts | changes))  # type: ignore[arg-type]


def activation_types(model: onnx.ModelProto) -> set[int]:
    """Return the types (TensorProto.DataType) to which a network quantizes its activations.

    An activation is what QuantizeLinear takes and no initializer holds; its type is that of the
    zero point, UINT8 where that is left out (ONNX operator QuantizeLinear).
    """
    constants = {item.name: item.data_type for item in model.graph.initializer}
    points = [
        node.input[2] if len(node.input) > 2 else ""
        for node in model.graph.node
        if node.op_type == "QuantizeLinear" and node.input[0] not in constants
    ]
    return {constants[point] if point else 2 for point in points}
