"""Networks: from a window to logits. The only file that imports onnxruntime."""

from __future__ import annotations

import hashlib
import logging
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

from FlareSegLib.base.errors import ModelError, ResourceError
from FlareSegLib.inference import flat
from FlareSegLib.inference.onnx_file import check_onnx

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

    from FlareSegLib.base.config import ModelConfig

logger = logging.getLogger(__name__)
MOST_ONNX_BYTES = 2**30
"""A larger file is no model of ours."""


class Network(Protocol):
    """Anything that turns a window into logits: another runtime fits here."""

    def __call__(self, window: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return logits (classes, z/s, y/s, x/s) of a normalized window (z, y, x).

        s is logits_stride of the model.
        """
        ...


def give_back(network: Network) -> None:
    """Let a network give back memory that its next run takes again, if it holds any."""
    if release := getattr(network, "give_back", None):
        release()


class OnnxNetwork:
    """A network in an ONNX file, run by onnxruntime."""

    def __init__(
        self, folder: Path, config: ModelConfig, threads: int, *, on_gpu: bool = False
    ) -> None:
        """Load folder/config.onnx after checking its sha256 and input shape.

        Raises:
            ModelError: File missing, checksum or input shape wrong, or not loadable.
        """
        path = folder / config.onnx
        content = read_checked(path, config.sha256)
        is_large = config.recipe is not None
        self._session = open_session(content, path, threads, on_gpu=on_gpu, is_large=is_large)
        self._input = self._session.get_inputs()[0].name
        check_shape(tuple(self._session.get_inputs()[0].shape), config, path)

    def __call__(self, window: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return logits (classes, z/s, y/s, x/s) of a normalized window (z, y, x)."""
        try:
            logits: NDArray[np.float32] = self._session.run(
                None, {self._input: window[None, None]}
            )[0][0]
        except MemoryError as error:
            raise ResourceError(
                "out of memory in the network: close other programs or use --speed fast"
            ) from error
        return logits


class FlatOnnxNetwork:
    """A flat network (flat.py), run by onnxruntime on windows of any size."""

    def __init__(self, folder: Path, config: ModelConfig, threads: int) -> None:
        """Load folder/config.onnx after checking its sha256 and input shape.

        Raises:
            ModelError: File missing, checksum or input shape wrong, or not loadable.
        """
        self._path, self._made_for, self._threads = folder / config.onnx, config.window[1], threads
        self._content = read_checked(self._path, config.sha256)
        self._rows = self._made_for
        self._session = open_session(self._content, self._path, threads)
        check_shape(tuple(self._session.get_inputs()[0].shape), config, self._path)

    def __call__(self, window: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return logits (classes, z/2, y/2, x/2) of a normalized window (z, y, x)."""
        z, rows, x = window.shape
        if rows != self._rows:
            content = flat.with_rows(self._content, self._made_for, rows)
            self._session, self._rows = open_session(content, self._path, self._threads), rows
        try:
            logits = self._session.run(None, {"cells": flat.to_cells(window)})[0]
        except MemoryError as error:
            raise ResourceError("out of memory in the network: close other programs") from error
        shaped: NDArray[np.float32] = logits.reshape(-1, z // 2, rows // 2, x // 2)
        return shaped


def run_once(path: Path, window: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return what the network in an ONNX file makes of an input (1, 1, z, y, x).

    Raises:
        ModelError: onnxruntime cannot run it, or it is made of more than ONNX's own operators.
    """
    content = path.read_bytes()
    check_onnx(content, path)
    session = open_session(content, path, 0)
    found: NDArray[np.float32] = session.run(None, {session.get_inputs()[0].name: window})[0]
    return found


def check_shape(shape: tuple[int | str, ...], config: ModelConfig, path: Path) -> None:
    """Check that a network takes what model.json says.

    Args:
        shape: Of its input; words are free extents.
        config: What model.json says.
        path: The file, for the error.

    Raises:
        ModelError: It does not.
    """
    is_right = shape[:2] == (1, 8) if config.is_flat else shape[2:] == config.window
    if not is_right:
        what = "cells (1, 8, rows, columns)" if config.is_flat else f"{config.window}"
        raise ModelError(f"{path} takes {shape}, model.json says {what}: do not mix models")


def read_checked(path: Path, sha256: str) -> bytes:
    """Return the content of an ONNX file after checking its sha256, and what it is made of.

    Raises:
        ModelError: It is missing, too large, changed, or not safe: see onnx_file.check_onnx.
    """
    try:
        if not path.is_file() and path.exists():
            raise ModelError(f"{path} is no regular file: restore the model folder")
        if (count := path.stat().st_size) > MOST_ONNX_BYTES:
            raise ModelError(f"{path} has {count} bytes, at most 1 GiB is read: check --model")
        content = path.read_bytes()
    except OSError as error:
        raise ModelError(f"{path} cannot be read ({error}): restore the model folder") from error
    found = hashlib.sha256(content).hexdigest()
    if found != sha256:
        raise ModelError(
            f"{path} has sha256 {found[:12]}..., model.json says {sha256[:12]}...: "
            "restore the model folder"
        )
    check_onnx(content, path)
    return content


_EXACT = ("CUDAExecutionProvider", "MIGraphXExecutionProvider", "DmlExecutionProvider")
_OTHERS = ("CoreMLExecutionProvider", "OpenVINOExecutionProvider")
"""CoreML and OpenVINO calculate in 16 bits on a graphics card."""


def gpu_providers(*, exact: bool = False) -> list[str]:
    """Return the providers of the installed onnxruntime that run on a graphics card, best first."""
    try:
        import onnxruntime
    except ImportError:
        return []
    there = onnxruntime.get_available_providers()
    return [name for name in (_EXACT if exact else (*_EXACT, *_OTHERS)) if name in there]


def open_session(
    content: bytes,
    path: Path,
    threads: int,
    *,
    on_gpu: bool = False,
    is_large: bool = False,
    is_small: bool = False,
) -> InferenceSession:
    """Return onnxruntime's session of a checked ONNX file, on the CPU unless it is said.

    A session keeps the memory that it took, in pieces that grow, and takes what it planned at once.
    One of a large network takes and gives back for each layer: 1.1 GiB instead of 2.4 for an
    nnU-Net of usual size, 3 % slower, and each further fold hardly takes more. One of a small
    network plans no memory ahead either: a plan takes 6 MiB and saves no time there.

    Raises:
        ModelError: onnxruntime is missing, or cannot run it.
    """
    try:
        import onnxruntime
    except ImportError as error:
        raise ModelError(
            f"onnxruntime is missing or broken ({error}): pip install onnxruntime"
        ) from error
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    # Spinning with one busy neighbour makes two threads slower than one.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.log_severity_level = 3
    options.enable_cpu_mem_arena = not is_large
    options.enable_mem_pattern = not (is_small or is_large)
    first = gpu_providers()[:1] if on_gpu else []
    kind = {"device_type": "GPU"} if first == ["OpenVINOExecutionProvider"] else {}
    providers = [*((name, kind) for name in first), "CPUExecutionProvider"]
    try:
        session = onnxruntime.InferenceSession(content, options, providers=providers)
        session._model_bytes = None  # else it holds the file to start again with other providers
        if first and first != session.get_providers()[:1]:
            logger.warning("%s does not start (driver?): running on the CPU", first[0])
        return session
    except Exception as error:  # onnxruntime raises many types, all meaning: not a usable network
        raise ModelError(f"{path} is not a network that onnxruntime can run ({error})") from error
