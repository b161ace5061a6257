"""Which runtime runs the network."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path

from FlareSegLib.config import ModelConfig
from FlareSegLib.network import Network, OnnxNetwork
from FlareSegLib.network_openvino import OpenVinoNetwork

Loader = Callable[[Path, ModelConfig, int, str], Network]
"""Takes what load_network() takes."""


def pick(wanted: str) -> str:
    """Return "openvino" or "onnxruntime"; "auto" is OpenVINO, which is faster, if installed."""
    if wanted != "auto":
        return wanted
    return "openvino" if find_spec("openvino") else "onnxruntime"


def load_network(folder: Path, config: ModelConfig, threads: int, runtime: str = "auto") -> Network:
    """Return the network of a model folder, ready to run.

    Raises:
        ModelError: The file is missing, changed, or not loadable.
    """
    runner = OpenVinoNetwork if pick(runtime) == "openvino" else OnnxNetwork
    return runner(folder, config, threads)


def loads_once() -> Loader:
    """Return a load_network() that gives the same network again while it is asked for the same."""
    return lru_cache(maxsize=1)(load_network)
