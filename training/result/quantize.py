"""The int8 variant of an exported network: static, calibrated on training CTs, for speed "fast".

Weights take 7 bits, so that no processor saturates in u8 x s8 products (those without VNNI would);
first and last convolution stay float32.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray

from FlareSegLib.inference.flat import to_cells

Windows = Iterable[NDArray[np.float32]]


def write_int8(source: Path, target: Path, windows: Windows) -> None:
    """Write the network in source with int8 convolutions (QDQ).

    Args:
        source: A flat network, float32.
        target: Where to write.
        windows: Normalized windows (z, y, x) of one height, that of the network; from training.
    """
    from onnxruntime.quantization import (
        CalibrationDataReader,
        QuantFormat,
        QuantType,
        quantize_static,
    )

    class Reader(CalibrationDataReader):  # type: ignore[misc]
        """Gives the windows one by one."""

        def __init__(self) -> None:
            self._left: Iterator[NDArray[np.float32]] = iter(windows)

        def get_next(self) -> dict[str, NDArray[np.float32]] | None:
            """Return the next input, None at the end."""
            window = next(self._left, None)
            return None if window is None else {"cells": to_cells(window)}

    proto = onnx.load(source)
    convolutions = [node.name for node in proto.graph.node if node.op_type == "Conv"]
    quantize_static(
        source,
        target,
        Reader(),
        quant_format=QuantFormat.QDQ,
        activation_type=QuantType.QUInt8,  # s8 x s8 is four times slower on x86
        per_channel=True,
        reduce_range=True,
        nodes_to_exclude=[convolutions[0], convolutions[-1]],
        extra_options={"WeightSymmetric": True},
    )
    quantized = onnx.load(target)
    quantized.ir_version = proto.ir_version
    del quantized.opset_import[:]
    quantized.opset_import.extend(proto.opset_import)
    del quantized.metadata_props[:]
    del quantized.graph.value_info[:]
    onnx.checker.check_model(quantized)
    onnx.save(quantized, target)
