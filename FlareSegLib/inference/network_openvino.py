"""Networks on OpenVINO, an optional faster runtime. Only it and openvino_fold import openvino."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from FlareSegLib.base.config import ModelConfig
from FlareSegLib.base.errors import ModelError
from FlareSegLib.base.extras import how_to_get
from FlareSegLib.inference import flat
from FlareSegLib.inference.network import read_checked
from FlareSegLib.inference.openvino_fold import fold

FREE = -1
"""Extent that may differ from run to run; fixing it takes longer to compile than it saves."""


class OpenVinoNetwork:
    """A network in an ONNX file, run by OpenVINO, in bfloat16 where that is native to the CPU.

    But for exact ones: see ModelConfig.is_exact.
    """

    def __init__(
        self, folder: Path, config: ModelConfig, threads: int, *, on_gpu: bool = False
    ) -> None:
        """Load folder/config.onnx after checking its sha256.

        Raises:
            ModelError: OpenVINO is not installed, or the file is missing, changed or not loadable.
        """
        try:
            import openvino
        except ImportError as error:
            raise ModelError(f"OpenVINO is not installed: {how_to_get('openvino')}") from error
        content = read_checked(folder / config.onnx, config.sha256)
        self._content = content if config.is_flat else b""  # the others are compiled once
        self._core = openvino.Core()
        self._config, self._threads, self._device = config, threads, "GPU" if on_gpu else "CPU"
        self._rows = 0
        if not config.is_flat:
            self._compile(content, [1, 1, *config.window])

    def __call__(self, window: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return logits (classes, z/s, y/s, x/s) of a normalized window (z, y, x)."""
        logits: NDArray[np.float32]
        if not self._config.is_flat:
            logits = self._compiled(window[None, None])[0][0]
            return logits
        z, rows, x = window.shape
        if rows != self._rows:
            content = flat.with_rows(self._content, self._config.window[1], rows)
            self._compile(content, [1, 8, FREE, FREE])
            self._rows = rows
        logits = self._compiled(flat.to_cells(window))[0]
        return logits.reshape(-1, z // 2, rows // 2, x // 2)

    def give_back(self) -> None:
        """Give back the memory of a run, where OpenVINO can (from 2025 on); the next takes it."""
        if release := getattr(self._compiled, "release_memory", None):
            release()

    def _compile(self, content: bytes, shape: list[int]) -> None:
        """Make an ONNX file, which was checked, ready for input of a shape."""
        model = self._core.read_model(io.BytesIO(content))
        model.reshape(shape)
        if not self._config.is_flat:
            fold(model)
        hints: dict[str, object] = {"PERFORMANCE_HINT": "LATENCY"}
        if self._device == "CPU":
            hints["INFERENCE_NUM_THREADS"] = self._threads
        if self._config.is_exact:
            hints["INFERENCE_PRECISION_HINT"] = "f32"
        self._compiled = self._core.compile_model(model, self._device, hints)


def gpu_names() -> list[str]:
    """Return the graphics cards that the installed OpenVINO can use."""
    try:
        import openvino

        core = openvino.Core()
        cards = [name for name in core.available_devices if name.startswith("GPU")]
        return [f"{name} {core.get_property(name, 'FULL_DEVICE_NAME')}" for name in cards]
    except (ImportError, RuntimeError):
        return []
