"""A trained nnU-Net is added in the panel: converted in the worker, or sent to another computer.

The rig has no torch. A worker with torch and nnunetv2 is used where FLARESEG_NNUNET_PYTHON names
its Python; elsewhere the worker gets networks that nnunetv2 and torch were converted to before
(Testing/nnunet/converted), and all else is real.
"""

import os
import shutil
import zipfile
from importlib.util import find_spec
from pathlib import Path

import pytest

from Testing.slicer.conftest import ROOT, wait_until
from Testing.slicer.test_runs import runs_in

NNUNET = ROOT / "Testing" / "nnunet"
TRAINED = NNUNET / "trained" / "flat.zip"
NETWORK = NNUNET / "converted" / "flat" / "model_0.onnx"
PYTHON = os.environ.get("FLARESEG_NNUNET_PYTHON", "")
STAND_IN = f"""
import shutil, sys, time
from pathlib import Path
sys.path.append({str(ROOT)!r})
from FlareSegLib.models import nnunet

def write_networks(trained, checkpoint, folds, folder, tell):
    assert (trained.folder / "fold_0" / checkpoint).is_file()
    tell(0.0)
    while Path(__file__).with_name("wait").exists():
        time.sleep(0.05)
    tell(0.5)
    shutil.copyfile({str(NETWORK)!r}, folder / "model_0.onnx")
    tell(1.0)
    return {{"0": folder / "model_0.onnx"}}, [0, 1]

nnunet.write_networks = write_networks
"""


@pytest.fixture(autouse=True)
def no_models(module):
    """Start without imported models, and leave none."""
    from FlareSegUI import Models

    before = set(Models.importedModels())
    yield
    for folder in set(Models.importedModels()) - before:
        Models.removeModel(folder)


@pytest.fixture
def torch_is_here(module, monkeypatch):
    from FlareSegUI import Models

    monkeypatch.setattr(Models, "find_spec", lambda name: name)


@pytest.fixture
def stand_in(torch_is_here, monkeypatch, tmp_path):
    """The worker copies the networks that were converted before."""
    (tmp_path / "sitecustomize.py").write_text(STAND_IN, encoding="utf-8")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    return tmp_path


@pytest.fixture
def real_torch(torch_is_here, panel):
    if not PYTHON:
        pytest.skip("FLARESEG_NNUNET_PYTHON names no Python with torch and nnunetv2")
    panel.job._runner._python = PYTHON


def unpacked(folder):
    with zipfile.ZipFile(TRAINED) as archive:
        archive.extractall(folder)
    return folder


def choose(panel, monkeypatch, path):
    """Press Add… or Folder…, and choose this in its dialog."""
    import qt

    one = {"getOpenFileName": not path.is_dir(), "getExistingDirectory": path.is_dir()}
    for name, is_meant in one.items():
        said = str(path) if is_meant else ""
        monkeypatch.setattr(qt.QFileDialog, name, lambda *_, said=said: said, raising=False)
    button = panel.ui.addModelFolderButton if path.is_dir() else panel.ui.addModelButton
    button.click()


def check_is_chosen(panel):
    from FlareSegLib.base.model_file import read_model_config

    chosen = Path(panel._parameterNode.modelFolder)
    config = read_model_config(chosen)
    assert config.name == "Dataset803_flat-2d"
    assert config.recipe.is_2d
    assert panel.ui.modelComboBox.currentText == chosen.name
    assert "Converted and chosen" in panel.ui.statusLabel.text


@pytest.mark.skipif(bool(find_spec("torch")), reason="torch is here")
def test_without_torch_the_panel_says_where_and_how_to_convert(panel, monkeypatch):
    from Testing.slicer.rig import ctk

    choose(panel, monkeypatch, TRAINED)
    said = ctk.asked[-1]
    for words in (
        "torch, nnunetv2, onnx", "pip install '.[nnunet]'", "flareseg model import",
        "flareseg model export", "Then add my-model.zip here",
    ):  # fmt: skip
        assert words in said
    assert not panel.job.isRunning
    assert panel._parameterNode.modelFolder == ""


def test_the_commands_that_the_panel_names_are_those_of_the_command(module):
    from FlareSegUI import Models

    from FlareSegLib.command.main import make_parser

    said = Models.whyNotConvert() or ""
    lines = [line.split()[1:] for line in said.splitlines() if line.startswith("flareseg ")]
    assert len(lines) == 2
    for words in lines:
        make_parser().parse_args(words)


@pytest.mark.parametrize("kind", ["zip", "folder", "plans.json"])
def test_a_trained_nnunet_is_converted_in_the_worker_and_chosen(
    panel, stand_in, monkeypatch, tmp_path, kind
):
    import slicer

    source = TRAINED if kind == "zip" else unpacked(tmp_path / "results")
    if kind == "plans.json":
        source = next(source.rglob("plans.json"))
    steps = []
    tell = panel.runs.onProgress
    panel.runs.onProgress = lambda step, share: (steps.append((step, share)), tell(step, share))
    choose(panel, monkeypatch, source)
    assert panel.job.isRunning
    assert panel.ui.applyButton.text == "Cancel"
    wait_until(lambda: not panel.job.isRunning)
    check_is_chosen(panel)
    assert steps == [("Converting the nnU-Net", share) for share in (0.0, 0.5, 1.0)]
    assert not runs_in(slicer.app.temporaryPath)


def test_cancel_of_a_conversion_leaves_nothing(panel, stand_in, monkeypatch):
    import slicer
    from FlareSegUI import Models

    (stand_in / "wait").touch()
    before = set(Models.importedFolder().glob("*"))
    choose(panel, monkeypatch, TRAINED)
    wait_until(lambda: "Converting" in panel.ui.statusLabel.text)
    panel.ui.applyButton.click()
    wait_until(lambda: not panel.job.isRunning)
    assert "Cancelled" in panel.ui.statusLabel.text
    assert set(Models.importedFolder().glob("*")) == before
    assert not runs_in(slicer.app.temporaryPath)
    assert panel._parameterNode.modelFolder == ""


def test_an_nnunet_that_cannot_be_converted_is_refused_with_the_reason(
    panel, stand_in, monkeypatch, tmp_path
):
    folder = unpacked(tmp_path / "results")
    next(folder.rglob("checkpoint_final.pth")).unlink()
    choose(panel, monkeypatch, folder)
    wait_until(lambda: not panel.job.isRunning)
    assert "is it trained?" in panel.ui.statusLabel.text
    assert panel._parameterNode.modelFolder == ""


def test_of_a_folder_with_several_the_folder_of_one_is_asked_for(
    panel, stand_in, monkeypatch, tmp_path
):
    folder = unpacked(tmp_path / "results")
    one = next(folder.rglob("plans.json")).parent
    shutil.copytree(one, one.with_name("nnUNetTrainerNoDA__nnUNetPlans__3d_fullres"))
    choose(panel, monkeypatch, folder)
    wait_until(lambda: not panel.job.isRunning)
    assert "choose the folder of one of them" in panel.ui.statusLabel.text


@pytest.mark.slow
@pytest.mark.parametrize("name", ["flat", "regions"])
def test_real_torch_and_nnunetv2_convert_it_from_the_panel(panel, real_torch, monkeypatch, name):
    choose(panel, monkeypatch, TRAINED.with_name(f"{name}.zip"))
    wait_until(lambda: not panel.job.isRunning, seconds=600)
    assert "Converted and chosen" in panel.ui.statusLabel.text, panel.ui.logText.toPlainText()
