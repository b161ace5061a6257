"""Networks on OpenVINO, an optional faster runtime. The only file that imports openvino."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from FlareSegLib.config import ModelConfig
from FlareSegLib.errors import ModelError
from FlareSegLib.network import read_checked


class OpenVinoNetwork:
    """A network in an ONNX file, run by OpenVINO on the CPU, in bfloat16 where that is native."""

    def __init__(self, folder: Path, config: ModelConfig, threads: int) -> None:
        """Load folder/config.onnx after checking its sha256.

        Raises:
            ModelError: OpenVINO is not installed, or the file is missing, changed or not loadable.
        """
        try:
            import openvino
        except ImportError as error:
            raise ModelError(
                "OpenVINO is not installed: pip install 'flareseg[openvino]'"
            ) from error
        content = read_checked(folder / config.onnx, config.sha256)
        core = openvino.Core()
        model = core.read_model(io.BytesIO(content))  # what was checked, not what lies there now
        model.reshape([1, 1, *config.window])
        hints = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_NUM_THREADS": threads}
        self._compiled = core.compile_model(model, "CPU", hints)

    def __call__(self, window: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return logits (classes, z/s, y/s, x/s) of a normalized window (z, y, x)."""
        logits: NDArray[np.float32] = self._compiled(window[None, None])[0][0]
        return logits
