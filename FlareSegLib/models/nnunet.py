"""Networks of a trained nnU-Net v2 as ONNX files: the only file of the core that needs torch.

Needed once, on any computer, at conversion; what comes of it runs without torch. Weights are loaded
as tensors only (weights_only): a checkpoint is a pickle, and could run code of its maker.
"""

from __future__ import annotations

import contextlib
import io
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from FlareSegLib.base.errors import ModelError
from FlareSegLib.base.extras import how_to_get
from FlareSegLib.models.trained import Trained
from FlareSegLib.models.unjoined import unjoin

OPSET, IR_VERSION = 18, 9
"""What onnxruntime 1.17 reads."""
TOLERANCE = 1e-3
"""Largest difference of logits of torch and ONNX, relative to their range."""
NEEDS = f"{how_to_get('nnunet')}, for this step alone, on any computer"


def write_networks(
    trained: Trained,
    checkpoint: str,
    folds: tuple[str, ...],
    folder: Path,
    tell: Callable[[float], None],
) -> tuple[dict[str, Path], list[int]]:
    """Write a network per fold into a folder; return their files and the axes to mirror.

    Args:
        trained: Whose networks.
        checkpoint: File name in the folder of each fold.
        folds: Their names, such as "0" or "all".
        folder: Where model_0.onnx and so on go.
        tell: Takes the share of the folds that are done, in [0, 1].

    Raises:
        ModelError: torch or nnunetv2 is missing, a checkpoint is not what it should be, or ONNX and
            torch disagree.
    """
    files, axes = {}, None
    for done, fold in enumerate(folds):
        tell(done / len(folds))
        facts = _load(trained.folder / f"fold_{fold}" / checkpoint)
        with _quiet():
            network = _network(trained, facts)
        path = folder / f"model_{fold}.onnx"
        _export(network, tuple(trained.configuration["patch_size"]), path)
        files[fold] = path
        axes = facts.get("inference_allowed_mirroring_axes") if axes is None else axes
    tell(1.0)
    return files, [int(axis) for axis in axes or ()]


def _load(path: Path) -> dict[str, Any]:
    """Return a checkpoint, of which nothing but tensors, numbers and texts is made."""
    try:
        import torch
    except ImportError as error:
        raise ModelError(f"a trained nnU-Net is converted by torch: {NEEDS}") from error
    plain = [np.dtype, type(np.dtype("f8")), type(np.dtype("f4")), type(np.dtype("i8"))]
    with torch.serialization.safe_globals([*plain, *_scalars()]):
        try:
            found = torch.load(path, map_location="cpu", weights_only=True)
        except FileNotFoundError:
            raise ModelError(f"{path} is not there: name another --checkpoint or --folds") from None
        except Exception as error:  # torch raises many types for a file that is none
            said = " ".join(str(error).split())[:200]
            raise ModelError(f"{path} cannot be loaded as weights alone ({said})") from error
    if not isinstance(found, dict) or "network_weights" not in found:
        raise ModelError(f"{path} is no checkpoint of nnU-Net v2: it has no network_weights")
    return found


def _scalars() -> list[Any]:
    """Return what pickles of NumPy's numbers name, by its old and its new name."""
    function = np.float64(0).__reduce__()[0]
    return [function, (function, "numpy.core.multiarray.scalar")]


def _network(trained: Trained, checkpoint: dict[str, Any]) -> Any:
    """Return the network of a checkpoint, built by nnU-Net itself, in the mood for inference."""
    try:
        from nnunetv2.inference.predict_from_raw_data import nnUNetPredictor
        from nnunetv2.utilities.find_objects import recursive_find_trainer_class_by_name
        from nnunetv2.utilities.plans_handling.plans_handler import PlansManager
    except ImportError as error:
        raise ModelError(f"a trained nnU-Net is built by nnunetv2 ({error}): {NEEDS}") from error
    del nnUNetPredictor  # its import is what shows that nnunetv2 is whole
    plans = PlansManager(trained.plans)
    configuration = plans.get_configuration(trained.parts[2])
    heads = plans.get_label_manager(trained.dataset).num_segmentation_heads
    trainer = recursive_find_trainer_class_by_name(str(checkpoint["trainer_name"]))
    network = _built(trainer, plans, configuration, heads)
    network.load_state_dict(checkpoint["network_weights"])
    return network.eval()


def _built(trainer: Any, plans: Any, configuration: Any, heads: int) -> Any:
    """Return a new network; the function's arguments changed with nnU-Net 2.8."""
    import inspect

    build = trainer.build_network_architecture
    if "plans_manager" in inspect.signature(build).parameters:
        return build(plans, configuration, 1, heads, enable_deep_supervision=False)
    return build(
        configuration.network_arch_class_name,
        configuration.network_arch_init_kwargs,
        configuration.network_arch_init_kwargs_req_import,
        1,
        heads,
        enable_deep_supervision=False,
    )


def _export(network: Any, patch: tuple[int, ...], path: Path) -> None:
    """Write a network that takes (1, 1, z, y, x); a 2-D one gets z of 1 around it."""
    import torch

    class Sliced(torch.nn.Module):  # type: ignore[misc]
        """A 2-D network that takes a volume of one slice."""

        def __init__(self) -> None:
            super().__init__()
            self.network = network

        def forward(self, window: Any) -> Any:
            return self.network(window.squeeze(2)).unsqueeze(2)

    shape = patch if len(patch) == 3 else (1, *patch)
    model = network if len(patch) == 3 else Sliced().eval()
    window = torch.from_numpy(_patch(shape))
    with _quiet(), torch.inference_mode():
        torch.onnx.export(
            model, (window,), path, opset_version=OPSET, input_names=["window"],
            output_names=["logits"], external_data=False, dynamo=True, verbose=False,
        )  # fmt: skip
        _strip(path)
        _compare(model(window).numpy(), window.numpy(), path)


def stripped(path: Path) -> Any:
    """Return the model (onnx.ModelProto) in a file without names of code and shapes of values.

    Its format has the version that old runtimes read.

    Args:
        path: As torch.onnx.export() wrote it.
    """
    import onnx

    proto = onnx.load(path)
    proto.ir_version = IR_VERSION
    del proto.graph.value_info[:]
    del proto.metadata_props[:]
    proto.graph.doc_string = ""
    for node in proto.graph.node:
        node.doc_string = ""
        del node.metadata_props[:]
    return proto


def _strip(path: Path) -> None:
    """Take traces of the maker out of an ONNX file, and copies of maps out of its network."""
    import onnx

    proto = stripped(path)
    unjoin(proto.graph)
    onnx.checker.check_model(proto)
    onnx.save(proto, path)


def _patch(shape: tuple[int, ...]) -> NDArray[np.float32]:
    """Return a patch (1, 1, z, y, x) like a normalised scan: soft blobs with sharp edges, noise."""
    from scipy import ndimage

    random = np.random.default_rng(0)
    soft = ndimage.gaussian_filter(random.normal(size=shape), 3)
    soft = soft / soft.std()
    found = np.where(soft > 0.5, soft, -1.5) + 0.1 * random.normal(size=shape)
    return found.astype(np.float32)[None, None]


def _compare(wanted: NDArray[np.float32], window: NDArray[np.float32], path: Path) -> None:
    from FlareSegLib.inference.network import run_once

    found = run_once(path, window)
    worst = float(np.abs(found - wanted).max() / max(float(np.ptp(wanted)), 1e-6))
    if not worst <= TOLERANCE:
        raise ModelError(
            f"{path.name} gives other logits than torch (by {worst:.1e} of their range, at most "
            f"{TOLERANCE:.0e} is allowed): this network cannot be imported"
        )


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep what nnU-Net and torch print to themselves; errors come all the same."""
    import logging
    import warnings

    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)
