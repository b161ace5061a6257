"""The processor or a graphics card: what is picked, what is told, and what is left if none is."""

import logging

import onnxruntime
import pytest

from FlareSegLib.base.recipe import Recipe
from FlareSegLib.command.main import main
from FlareSegLib.inference import network, runtimes
from FlareSegLib.inference.runtimes import gpus, pick
from Testing.model_facts import a_config
from Testing.tiny_model import constant_model, write_model

LARGE = a_config(recipe=Recipe())
NO_CARD = "no graphics card that onnxruntime or OpenVINO can use: running on the CPU"


@pytest.fixture
def cards(monkeypatch):
    """Say what the installed runtimes find."""

    def there_are(providers=(), openvino=()):
        found = [*providers, "CPUExecutionProvider"]
        monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: found)
        monkeypatch.setattr(runtimes, "gpu_names", lambda: list(openvino))
        monkeypatch.setattr(runtimes, "find_spec", lambda name: name)
        gpus.cache_clear()

    yield there_are
    gpus.cache_clear()


def test_without_a_card_the_cpu_runs_and_a_line_says_so(cards, caplog):
    cards()
    with caplog.at_level(logging.WARNING):
        assert pick("onnxruntime", LARGE, "gpu") == "onnxruntime"
    assert [record.getMessage() for record in caplog.records] == [NO_CARD]


@pytest.mark.parametrize("device", ["auto", "cpu"])
def test_nothing_is_said_of_a_card_that_was_not_asked_for(cards, caplog, device):
    cards()
    with caplog.at_level(logging.WARNING):
        assert pick("auto", LARGE, device) == "openvino"
    assert not caplog.records


def test_a_large_network_goes_to_a_card_by_itself_but_a_quick_one_only_if_asked(cards):
    cards(["CUDAExecutionProvider"])
    assert pick("auto", LARGE, "auto") == "onnxruntime:gpu"
    assert pick("auto", a_config(is_flat=True), "auto") == "openvino"
    assert pick("auto", a_config(is_flat=True), "gpu") == "onnxruntime:gpu"
    assert pick("auto", LARGE, "cpu") == "openvino"


def test_a_card_that_calculates_in_16_bits_is_taken_only_if_asked(cards):
    cards(openvino=["GPU.0 a card"])
    assert pick("auto", LARGE, "auto") == "openvino"
    assert pick("auto", LARGE, "gpu") == "openvino:gpu"


def test_a_card_of_another_runtime_than_the_one_wanted_is_not_taken(cards, caplog):
    cards(openvino=["GPU.0 a card"])
    with caplog.at_level(logging.WARNING):
        assert pick("onnxruntime", LARGE, "gpu") == "onnxruntime"
    assert NO_CARD in caplog.text


def test_a_card_whose_driver_does_not_start_leaves_the_cpu_with_a_line(
    monkeypatch, tmp_path, caplog
):
    """Onnxruntime itself then makes a session of the providers that start."""
    real = onnxruntime.InferenceSession

    def fallen_back(content, options, providers):
        assert providers[0][0] == "CUDAExecutionProvider"
        return real(content, options, providers=providers[1:])

    monkeypatch.setattr(onnxruntime, "InferenceSession", fallen_back)
    monkeypatch.setattr(network, "gpu_providers", lambda: ["CUDAExecutionProvider"])
    folder = write_model(tmp_path / "m", constant_model((4, 4, 4), 1))
    content = next(folder.glob("*.onnx")).read_bytes()
    with caplog.at_level(logging.WARNING):
        session = network.open_session(content, folder, 1, on_gpu=True)
    assert session.get_providers() == ["CPUExecutionProvider"]
    assert "CUDAExecutionProvider does not start" in caplog.text


def test_info_lists_the_cards_that_are_found(cards, capsys):
    cards(["CUDAExecutionProvider"], ["GPU.0 a card"])
    assert main(["info"]) in (None, 0)
    said = capsys.readouterr().out
    assert "CUDAExecutionProvider (onnxruntime)" in said
    assert "GPU.0 a card (openvino)" in said
    cards()
    main(["info"])
    assert "none that can be used" in capsys.readouterr().out
