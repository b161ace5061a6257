"""Look into an ONNX file, without the package onnx, for what a model of ours never has.

A network may only be made of ONNX's own operators, and all its weights lie inside the one file
whose sha256 was checked: no code and no other file can come in with it. The numbers of fields are
those of onnx.proto (github.com/onnx/onnx).
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from FlareSegLib.base.errors import ModelError
from FlareSegLib.inference.protobuf import fields_of

ONNX_DOMAINS = ("", "ai.onnx")
"""Operators of ONNX itself."""
_MESSAGES: dict[str, dict[int, str]] = {
    "Model": {7: "Graph", 8: "OperatorSet", 20: "Training", 25: "Function"},
    "Training": {1: "Graph", 2: "Graph"},
    "Graph": {1: "Node", 5: "Tensor", 15: "SparseTensor"},
    "Node": {5: "Attribute", 7: "domain"},
    "Function": {7: "Node", 9: "OperatorSet", 10: "domain", 11: "Attribute"},
    "Attribute": {5: "Tensor", 6: "Graph", 10: "Tensor", 11: "Graph", 22: "SparseTensor",
                  23: "SparseTensor"},
    "SparseTensor": {1: "Tensor", 2: "Tensor"},
    "Tensor": {13: "external", 14: "location"},
    "OperatorSet": {1: "domain"},
}  # fmt: skip
"""What the fields that matter hold, by message and number; names in small letters are values."""
_MOST_DEPTH = 60


def check_onnx(content: bytes, path: Path) -> None:
    """Check that a network is made of ONNX's own operators and holds its weights itself.

    Raises:
        ModelError: It has custom operators or weights in other files, or is no ONNX file.
    """
    cure = "export it with training.export, or take another model"
    try:
        for kind, value in _values(memoryview(content), "Model", 0):
            if kind == "domain" and bytes(value) not in _ALLOWED:
                raise ModelError(
                    f"{path} has operators of {bytes(value)[:40]!r}, only ONNX's own run: {cure}"
                )
            if kind == "external" or (kind == "location" and any(value)):
                raise ModelError(f"{path} keeps weights in other files: {cure}")
    except (IndexError, RecursionError, ValueError) as error:
        raise ModelError(
            f"{path} is not a network that onnxruntime can run (no ONNX file): {cure}"
        ) from error


_ALLOWED = {domain.encode() for domain in ONNX_DOMAINS}


def _values(data: memoryview, message: str, depth: int) -> Iterator[tuple[str, memoryview]]:
    """Yield kind and bytes of the values in a message, and in all those that it holds."""
    if depth > _MOST_DEPTH:
        raise ValueError("nested too deep")
    for tag, value, _ in fields_of(data):
        kind = _MESSAGES[message].get(tag >> 3)
        if kind in _MESSAGES:
            yield from _values(value, str(kind), depth + 1)
        elif kind:
            yield kind, value
