"""Which runtime runs the network."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from functools import lru_cache, reduce
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from threading import Thread

import numpy as np
from numpy.typing import NDArray

from FlareSegLib.base.config import ModelConfig
from FlareSegLib.base.errors import ModelError
from FlareSegLib.base.model_file import read_model_config
from FlareSegLib.inference.network import (
    FlatOnnxNetwork,
    Network,
    OnnxNetwork,
    give_back,
    gpu_providers,
    read_checked,
)
from FlareSegLib.inference.network_openvino import OpenVinoNetwork, gpu_names

logger = logging.getLogger(__name__)

Loader = Callable[[Path, ModelConfig, int, str], Network]
"""Takes what load_network() takes."""


ON_GPU = ":gpu"
"""Behind the name of a runtime: it runs on a graphics card."""


def pick(wanted: str, config: ModelConfig, device: str = "cpu") -> str:
    """Return "openvino" or "onnxruntime", with ":gpu" behind it if it runs on a graphics card.

    Args:
        wanted: "auto" is what is faster: OpenVINO, if installed, but onnxruntime for int8.
        config: Of the model.
        device: cpu; gpu: a graphics card, else the CPU with a line that says so; auto: a graphics
            card for networks of many windows, where there is one that runs them faithfully.
    """
    if device != "cpu" and (card := _on_gpu(wanted, config, device)):
        return card + ON_GPU
    if wanted != "auto":
        return wanted
    return "openvino" if find_spec("openvino") and not config.is_int8 else "onnxruntime"


def _on_gpu(wanted: str, config: ModelConfig, device: str) -> str | None:
    """Return the runtime that has a graphics card, None if none has or none is needed."""
    if device == "auto" and (config.is_flat or config.is_int8):
        return None  # a second on the CPU: loading a card takes longer
    found = [runtime for runtime, _ in gpus(exact=device == "auto") if wanted in ("auto", runtime)]
    if not found and device == "gpu":
        logger.warning("no graphics card that onnxruntime or OpenVINO can use: running on the CPU")
    return found[0] if found else None


@lru_cache(maxsize=2)
def gpus(*, exact: bool = False) -> tuple[tuple[str, str], ...]:
    """Return runtime and name of each graphics card that the installed runtimes can use.

    Args:
        exact: Only those that calculate as a CPU does, in 32 bits.
    """
    found = []
    if find_spec("onnxruntime"):
        found += [("onnxruntime", name) for name in gpu_providers(exact=exact)]
    if find_spec("openvino") and not exact:
        found += [("openvino", name) for name in gpu_names()]
    return tuple(found)


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
    """Return the network of a model folder, ready to run; of several, their mean.

    Args:
        folder: Of the model.
        config: Its facts.
        threads: Of the CPU.
        runtime: What pick() gave, or auto.

    Raises:
        ModelError: The file is missing, changed, or not loadable.
    """
    if config.more_onnx:
        ones = [(config.onnx, config.sha256), *config.more_onnx]
        facts = [replace(config, onnx=n, sha256=s, more_onnx=()) for n, s in ones]
        return Mean([load_network(folder, one, threads, runtime) for one in facts])
    name, _, on_gpu = (runtime if runtime != "auto" else pick(runtime, config)).partition(ON_GPU[0])
    if name == "openvino":
        return OpenVinoNetwork(folder, config, threads, on_gpu=bool(on_gpu))
    if config.is_flat:
        return FlatOnnxNetwork(folder, config, threads)
    return OnnxNetwork(folder, config, threads, on_gpu=bool(on_gpu))


class Mean:
    """The mean of the logits of some networks: nnU-Net's folds."""

    def __init__(self, networks: Sequence[Network]) -> None:
        self._networks = networks

    def __call__(self, window: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return logits (classes, z/s, y/s, x/s) of a normalized window (z, y, x)."""
        seen = (_seen_by(network, window) for network in self._networks)
        return reduce(np.add, seen) / np.float32(len(self._networks))


def _seen_by(network: Network, window: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return logits; memory is given back, for the next network to take."""
    found = network(window)
    give_back(network)
    return found


@contextmanager
def importing_ahead(runtime: str) -> Iterator[None]:
    """Import what pick() gave in a thread; reading leaves it room.

    What fails there fails again, and is told, where it is needed. However the block ends, the
    thread has ended then: Python stops a thread that still imports at exit, which a C++ library
    answers by aborting the process.
    """

    def work() -> None:
        with suppress(Exception):
            import_module(runtime.partition(ON_GPU[0])[0])

    thread = Thread(target=work, daemon=True)
    thread.start()
    try:
        yield
    finally:
        thread.join()


def loads_once() -> Loader:
    """Return a load_network() that gives the same network again while it is asked for the same."""
    return lru_cache(maxsize=1)(load_network)
