"""Which runtime runs the network."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import lru_cache
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from threading import Thread

from FlareSegLib.base.config import ModelConfig, read_model_config
from FlareSegLib.base.errors import ModelError
from FlareSegLib.inference.network import FlatOnnxNetwork, Network, OnnxNetwork, read_checked
from FlareSegLib.inference.network_openvino import OpenVinoNetwork

Loader = Callable[[Path, ModelConfig, int, str], Network]
"""Takes what load_network() takes."""


def pick(wanted: str, config: ModelConfig) -> str:
    """Return "openvino" or "onnxruntime".

    "auto" is what is faster: OpenVINO, if installed, but onnxruntime for int8.
    """
    if wanted != "auto":
        return wanted
    return "openvino" if find_spec("openvino") and not config.is_int8 else "onnxruntime"


def check_model(folder: Path, runtime: str = "auto") -> None:
    """Check, without loading it, that the network of a model folder can be run.

    Raises:
        ModelError: A file is missing or changed, or the runtime is not installed.
    """
    config = read_model_config(folder)
    for name, sha256 in config.files.items():
        read_checked(folder / name, sha256)
    if not find_spec(needed := pick(runtime, config)):
        raise ModelError(f"{needed} is not installed: pip install {needed}")


def load_network(folder: Path, config: ModelConfig, threads: int, runtime: str = "auto") -> Network:
    """Return the network of a model folder, ready to run.

    Raises:
        ModelError: The file is missing, changed, or not loadable.
    """
    if pick(runtime, config) == "openvino":
        return OpenVinoNetwork(folder, config, threads)
    return (FlatOnnxNetwork if config.is_flat else OnnxNetwork)(folder, config, threads)


@contextmanager
def importing_ahead(runtime: str) -> Iterator[None]:
    """Import what pick() gave in a thread; reading leaves it room.

    What fails there fails again, and is told, where it is needed. However the block ends, the
    thread has ended then: Python stops a thread that still imports at exit, which a C++ library
    answers by aborting the process.
    """

    def work() -> None:
        with suppress(Exception):
            import_module(runtime)

    thread = Thread(target=work, daemon=True)
    thread.start()
    try:
        yield
    finally:
        thread.join()


def loads_once() -> Loader:
    """Return a load_network() that gives the same network again while it is asked for the same."""
    return lru_cache(maxsize=1)(load_network)
