"""Every model that ships is whole, is what model.json says, and loads in old runtimes."""

import hashlib
from pathlib import Path

import numpy as np
import pytest

from FlareSegLib.base.model_file import read_model_config
from FlareSegLib.base.paths import RESOURCES
from FlareSegLib.inference.runtimes import load_network
from FlareSegLib.prompting.prompt_network import (
    DEFAULT,
    is_prompt_model,
    load_prompt_network,
    read_prompt_config,
)
from Testing.flare import ORGANS
from Testing.model_facts import activation_types

FOLDERS = sorted(path for path in (RESOURCES / "Models").glob("*") if path.is_dir())
MODELS = [path for path in FOLDERS if not is_prompt_model(path)]
PROMPT_MODELS = [path for path in FOLDERS if is_prompt_model(path)]
each_model = pytest.mark.parametrize("folder", MODELS, ids=lambda path: path.name)


def test_the_default_model_ships():
    from FlareSegLib.pipeline import default_model

    assert default_model() in MODELS


@each_model
def test_facts_fit_the_file(folder: Path):
    config = read_model_config(folder)
    content = (folder / config.onnx).read_bytes()
    assert config.name == folder.name
    assert hashlib.sha256(content).hexdigest() == config.sha256
    for name, sha256 in config.files.items():
        assert hashlib.sha256((folder / name).read_bytes()).hexdigest() == sha256
    assert len(content) < 20e6, "weights of more than a few MB do not go into the repository"


@each_model
def test_labels_are_the_organs_in_order(folder: Path):
    assert read_model_config(folder).labels == tuple(organ.key for organ in ORGANS)


@each_model
def test_the_fast_network_has_unsigned_activations(folder: Path):
    """Signed ones (s8 x s8) are slower than float32 on x86."""
    onnx = pytest.importorskip("onnx", reason="onnx is a tool of developers")
    config = read_model_config(folder)
    fast = config.at_speed("fast")
    if fast == config:
        pytest.skip("has no network for speed fast")
    assert activation_types(onnx.load(folder / fast.onnx)) == {onnx.TensorProto.UINT8}


@each_model
def test_network_loads_in_old_runtimes(folder: Path):
    onnx = pytest.importorskip("onnx", reason="onnx is a tool of developers")
    config = read_model_config(folder)
    for name in config.files:
        check_old_runtimes_take(onnx.load(folder / name), config)


def check_old_runtimes_take(model, config):
    assert model.ir_version <= 9
    assert [item.domain for item in model.opset_import] == [""]
    assert model.opset_import[0].version <= 18
    window, logits = (
        tuple(axis.dim_value for axis in value.type.tensor_type.shape.dim)
        for value in (model.graph.input[0], model.graph.output[0])
    )
    if config.is_flat:
        assert (window[:2], logits[:2]) == ((1, 8), (1, len(config.labels) + 1))
        return
    assert window == (1, 1, *config.window)
    cells = tuple(n // config.logits_stride for n in config.window)
    assert logits == (1, len(config.labels) + 1, *cells)


@each_model
def test_model_card_says_what_it_was_trained_on_and_its_limits(folder: Path):
    card = (folder / "MODEL_CARD.md").read_text(encoding="utf-8").lower()
    assert all(word in card for word in ("trained on", "limits", "research", "licence"))


@each_model
def test_a_network_gives_the_same_bytes_whatever_the_threads(folder: Path):
    config = read_model_config(folder)
    shape = (32, 64, 64) if config.is_flat else config.window
    window = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    for speed in ("balanced", "fast", "accurate"):
        facts = config.at_speed(speed)
        one, *others = (load_network(folder, facts, n, "onnxruntime")(window) for n in (1, 2, 5))
        assert np.ptp(one) > 1
        assert all(np.array_equal(one, other) for other in others)


def test_the_default_network_of_prompts_ships():
    assert PROMPT_MODELS == [DEFAULT]


@pytest.mark.parametrize("folder", PROMPT_MODELS, ids=lambda path: path.name)
def test_a_network_of_prompts_is_whole_small_and_loads_in_old_runtimes(folder: Path):
    onnx = pytest.importorskip("onnx", reason="onnx is a tool of developers")
    config, network = read_prompt_config(folder), load_prompt_network(folder, 1)
    assert config.name == folder.name
    assert config.one_slice
    assert config.correction
    assert sum(path.stat().st_size for path in folder.glob("*.onnx")) <= 3e6
    pairs = (
        (config, network),
        (config.one_slice, network.one_slice),
        (config.correction, network.correction),
    )
    for facts, one in pairs:
        model = onnx.load(folder / facts.onnx)
        assert (model.ir_version, model.opset_import[0].version) <= (9, 18)
        assert [item.domain for item in model.opset_import] == [""]
        assert one(np.zeros((7, *facts.grid), np.float32)).shape == facts.grid
    assert (folder / "MODEL_CARD.md").is_file()
