"""What must not wedge the panel, mix up runs, or leave a CT behind."""

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from Testing.slicer.conftest import MODULE, to_node, wait_until
from Testing.slicer.test_runs import prepare, runs_in, start


def test_two_slicers_that_start_at_once_share_no_file(module, scene):
    from FlareSegUI import Folder

    logs, folders = ([make() for _ in range(3)] for make in (Folder.newLog, Folder.newFolder))
    assert len({*logs}) == len({*folders}) == 3
    assert all(folder.stat().st_mode & 0o77 == 0 for folder in folders), "others can read the CT"
    for folder in folders:
        folder.rmdir()


def test_folders_of_slicers_that_are_gone_are_removed_and_others_kept(module, scene):
    import slicer
    from FlareSegUI import Folder

    gone = subprocess.run([sys.executable, "-c", "import os; print(os.getpid())"], **PIPED)
    root = Path(slicer.app.temporaryPath)
    stale, foreign = root / f"FlareSeg-{int(gone.stdout)}-abc", root / f"FlareSeg-{os.getpid()}-x"
    for folder in (stale, foreign):
        folder.mkdir()
        (folder / "ct.nrrd").write_bytes(b"a CT")
    Folder.newFolder().rmdir()
    assert not stale.exists()
    assert foreign.exists()
    for path in (foreign / "ct.nrrd", foreign):
        path.unlink() if path.is_file() else path.rmdir()


PIPED = {"stdout": subprocess.PIPE, "text": True, "check": True}


def test_old_logs_do_not_pile_up(module, scene, monkeypatch):
    from FlareSegUI import Folder

    monkeypatch.setattr(Folder, "LOGS_KEPT", 3)
    paths = [Folder.newLog() for _ in range(6)]
    assert len(list(paths[0].parent.glob("*.log"))) == 3
    assert paths[-1].exists()


@pytest.mark.parametrize("launcher", ["ConsoleLauncher", "QProcessLauncher"])
@pytest.mark.parametrize("where", ["onProgress", "onLine", "onDone"])
def test_a_listener_that_raises_does_not_leave_the_run_running(panel, ct, model, where, launcher):
    from FlareSegUI import Launchers

    def raises(*_):
        raise KeyError("a bug")

    panel.job._runner._newLauncher = getattr(Launchers, launcher)
    setattr(panel, where, raises)
    prepare(panel, ct, model)
    panel.ui.applyButton.click()
    wait_until(lambda: not panel.job.isRunning)
    wait_until(lambda: panel.ui.applyButton.text == "Apply", seconds=5)


class FullDisk:
    """A file on a disk that is full: every write fails, and so does closing."""

    closed = False

    def write(self, _):
        raise OSError(errno.ENOSPC, "No space left on device")

    def close(self):
        self.closed = True
        raise OSError(errno.ENOSPC, "No space left on device")


def test_a_full_disk_under_the_log_does_not_stop_the_run(panel, ct, model, monkeypatch):
    from FlareSegUI import Launchers

    monkeypatch.setattr(
        Launchers._Log, "__init__", lambda log, _: setattr(log, "_file", FullDisk())
    )
    parameters = start(panel, ct, model)
    wait_until(lambda: not panel.job.isRunning)
    assert parameters.outputSegmentation is not None, panel.ui.statusLabel.text
    assert any("liver" in line for line in panel.ui.logText.toPlainText().splitlines())


def test_a_labelmap_that_comes_first_is_not_chosen(module, scene, phantom):
    import slicer

    slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLabelMapVolumeNode", "labels")
    ct = to_node(phantom[0])
    from Testing.slicer.rig import boot

    widget = module.FlareSegWidget(boot.newParent())
    widget.setup()
    assert widget._parameterNode.inputVolume is ct
    widget.cleanup()


def test_the_volume_that_is_shown_is_chosen(module, scene, phantom):
    import slicer

    to_node(phantom[0], "first")
    shown = to_node(phantom[0], "shown")
    selection = slicer.app.applicationLogic().GetSelectionNode()
    if selection is None:
        selection = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSelectionNode")
        slicer.app.applicationLogic().SetSelectionNode(selection)
    selection.SetActiveVolumeID(shown.GetID())
    from Testing.slicer.rig import boot

    widget = module.FlareSegWidget(boot.newParent())
    widget.setup()
    assert widget._parameterNode.inputVolume is shown
    widget.cleanup()
    selection.SetActiveVolumeID(None)


def test_a_second_ct_gets_a_segmentation_of_its_own(panel, phantom, model):
    ct_a, ct_b = to_node(phantom[0], "CT-A"), to_node(phantom[0], "CT-B")
    parameters = start(panel, ct_a, model)
    wait_until(lambda: not panel.job.isRunning)
    first = parameters.outputSegmentation
    assert panel.ui.resultLabel.text == "Organs of CT-A"
    parameters.inputVolume = ct_b
    assert parameters.outputSegmentation is None, "the first CT's organs would be overwritten"
    start(panel, ct_b, model)
    wait_until(lambda: not panel.job.isRunning)
    assert parameters.outputSegmentation is not first
    assert parameters.outputSegmentation.GetName() == "CT-B organs"
    assert panel.ui.resultLabel.text == "Organs of CT-B"
    parameters.inputVolume = ct_a
    assert parameters.outputSegmentation is first
    assert panel.ui.resultLabel.text == "Organs of CT-A"


def test_there_is_one_cancel_button_and_nothing_else_can_be_changed(panel, ct, slow_model):
    start(panel, ct, slow_model)
    ui = panel.ui
    assert [ui.applyButton.text, ui.batchButton.text] == ["Cancel", "Run batch"]
    inputs = (ui.batchButton, ui.batchInputPath, ui.batchFormatComboBox, ui.inputsSection)
    assert not any(widget.enabled for widget in inputs)
    ui.applyButton.click()
    wait_until(lambda: not panel.job.isRunning, seconds=20)
    assert all(widget.enabled for widget in inputs[1:])


def test_keys_apply_and_cancel(panel, ct, slow_model):
    from Testing.slicer.rig import qt

    prepare(panel, ct, slow_model)
    keys = {
        shortcut.key.toString(): shortcut
        for shortcut in panel.ui.inputsSection.parent().findChildren(qt.QShortcut)
    }
    keys["Ctrl+Return"].activated.emit()
    assert panel.job.isRunning
    keys["Ctrl+Return"].activated.emit()  # does not cancel
    assert panel.ui.statusLabel.text != "Cancelling…"
    keys["Esc"].activated.emit()
    wait_until(lambda: not panel.job.isRunning, seconds=20)
    assert panel.ui.statusLabel.text == "Cancelled; nothing was changed"


def test_a_batch_needs_an_organ(panel, tmp_path):
    panel.ui.batchInputPath.currentPath = str(tmp_path)
    panel.ui.batchOutputPath.currentPath = str(tmp_path / "out")
    panel.organs.choose("")
    assert panel.ui.batchButton.toolTip == "Tick at least one organ"
    assert not panel.ui.batchButton.enabled


def test_an_emptied_path_is_not_the_old_one(panel, tmp_path):
    panel.ui.batchInputPath.currentPath = str(tmp_path)
    panel.ui.batchOutputPath.currentPath = str(tmp_path / "out")
    assert panel.ui.batchButton.enabled
    panel.ui.batchOutputPath.currentPath = ""
    assert panel._parameterNode.batchOutput == ""
    assert not panel.ui.batchButton.enabled


def test_a_widget_without_a_parent_sets_itself_up(module, scene):
    """As the real base class: it calls setup() in its constructor where there is no parent."""
    widget = module.FlareSegWidget()
    assert widget.ui.applyButton.text == "Apply"
    widget.cleanup()


REFUSES = """
import runpy, sys
import SimpleITK as sitk
for kind in (sitk.ImageFileReader, sitk.ImageFileWriter):
    plain = kind.SetFileName
    def refuse(self, name, plain=plain):
        if not str(name).isascii():
            raise RuntimeError(f"cannot open {name}")
        return plain(self, name)
    kind.SetFileName = refuse
write = sitk.WriteImage
def writeImage(image, name, *words, **more):
    if not str(name).isascii():
        raise RuntimeError(f"cannot write {name}")
    return write(image, name, *words, **more)
sitk.WriteImage = writeImage
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""
"""As SimpleITK on Windows, whose files are opened with narrow names (SimpleITK issue 651)."""


def test_a_user_with_any_name_can_run_where_simpleitk_cannot_open_such_paths(
    panel, ct, model, tmp_path, monkeypatch
):
    import slicer

    folder = tmp_path / "Lékař 中文"
    folder.mkdir()
    monkeypatch.setattr(slicer.app, "temporaryPath", str(folder))
    program = tmp_path / "PythonSlicer"
    (tmp_path / "refuses.py").write_text(REFUSES, encoding="utf-8")
    program.write_text(
        f'#!/bin/sh\nexec {sys.executable} "{tmp_path}/refuses.py" "$@"\n', encoding="utf-8"
    )
    program.chmod(0o755)
    panel.job._runner._python = str(program)
    parameters = start(panel, ct, model)
    wait_until(lambda: not panel.job.isRunning)
    assert parameters.outputSegmentation is not None, panel.ui.statusLabel.text
    assert not runs_in(folder)


def words_of(folder):
    """Return the texts of errors in a room of the core: constants with an option or a command."""
    import ast

    for path in folder.rglob("*.py"):
        tree = ast.parse(path.read_text("utf-8"))
        docs = {id(n.value) for n in ast.walk(tree) if isinstance(n, ast.Expr)}
        for node in ast.walk(tree):
            is_text = isinstance(node, ast.Constant) and isinstance(node.value, str)
            if is_text and id(node) not in docs:
                yield path.name, node.value


ROOMS = ("base", "images", "preprocessing", "inference", "postprocessing", "batch")
SPOKEN_BY_THE_PANEL = r"(?<![\w-])--[a-z]|pip install"


def test_no_words_of_the_command_line_reach_the_panel(module):
    import re

    from FlareSegUI.Words import inPanel

    from FlareSegLib.base.extras import EXTRAS, how_to_get

    root = MODULE.parents[1] / "FlareSegLib"
    found = [text for room in ROOMS for name, text in words_of(root / room) if name != "extras.py"]
    found += [f"Dask is missing: {how_to_get(extra)}, or do without it" for extra in EXTRAS]
    found = [text for text in found if re.search(SPOKEN_BY_THE_PANEL, text) and " " in text]
    assert len(found) >= 5
    left = [text for text in found if re.search(SPOKEN_BY_THE_PANEL, inPanel(text))]
    assert left == []


def test_a_runtime_of_windows_that_is_too_old_has_a_clear_sentence(module):
    from FlareSegUI.Words import inPanel

    error = "DLL load failed while importing onnxruntime_pybind11_state: A dynamic link library"
    text = f"onnxruntime is missing or broken ({error}): pip install onnxruntime"
    said = inPanel(text)
    assert "Visual C++ Redistributable" in said
    assert "pip" not in said
