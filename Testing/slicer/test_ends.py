"""How runs end before their time, in the ways of Slicer 5.12 and of Slicer 5.10."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from Testing.slicer.conftest import MODULE, ROOT, to_node, wait_until
from Testing.slicer.test_runs import runs_in, start

LAUNCHERS = ["ConsoleLauncher", "QProcessLauncher"]


@pytest.fixture(params=LAUNCHERS)
def launcher(request, panel):
    """The panel starts its worker in this way."""
    from FlareSegUI import Launchers

    panel.job._runner._newLauncher = getattr(Launchers, request.param)
    return request.param


def is_gone(number):
    try:
        return Path(f"/proc/{number}/stat").read_text().split()[2] == "Z"
    except (FileNotFoundError, ProcessLookupError):
        return True


def wait_until_gone(numbers):
    """Wait for processes that end: the system takes a moment to bury a killed one."""
    wait_until(lambda: all(map(is_gone, numbers)), seconds=20)


def children_of(number):
    text = Path(f"/proc/{number}/task/{number}/children").read_text()
    return [int(word) for word in text.split()]


def wait_for_network(panel):
    def at_network():
        assert panel.job.isRunning, panel.ui.statusLabel.text
        return panel.ui.statusLabel.text.startswith("Finding the organs")

    wait_until(at_network)


@pytest.fixture
def running(launcher, panel, ct, slow_model):
    """The panel in the middle of a run, and the number of the worker."""
    panel.parameters = start(panel, ct, slow_model)
    wait_for_network(panel)
    panel.number = panel.job._runner.workerNumber
    assert not is_gone(panel.number)
    return panel


def assert_nothing_left(panel):
    import slicer

    wait_until_gone([panel.number])
    assert not runs_in(slicer.app.temporaryPath)
    assert slicer.mrmlScene.GetNumberOfNodesByClass("vtkMRMLSegmentationNode") == 0


def test_each_slicer_has_its_way(module, monkeypatch):
    import slicer
    from FlareSegUI import Launchers

    assert isinstance(Launchers.newLauncher(), Launchers.ConsoleLauncher)
    old = lambda args, cwd=None: None  # noqa: E731  as in Slicer 5.10
    monkeypatch.setattr(slicer.util, "launchConsoleProcess", old)
    assert isinstance(Launchers.newLauncher(), Launchers.QProcessLauncher)


def test_cancel_leaves_no_process_no_file_and_no_node(running):
    running.ui.applyButton.click()
    wait_until(lambda: not running.job.isRunning, seconds=20)
    assert "stopped, nothing written" in running.job.logFile.read_text("utf-8")
    assert running.ui.statusLabel.text == "Cancelled; nothing was changed"
    assert running.ui.applyButton.text == "Apply"
    assert running.ui.applyButton.enabled
    assert_nothing_left(running)


def test_closing_the_scene_ends_the_run(running):
    import slicer

    slicer.mrmlScene.Clear()
    assert not running.job.isRunning
    assert_nothing_left(running)
    assert running.ui.statusLabel.text == "Choose a CT volume"


def test_a_scene_closed_during_a_run_has_lost_nothing_until_then(panel, ct, model, slow_model):
    """Slicer asks before it closes a scene: what was there before the run is still there, whole."""
    import slicer

    parameters = start(panel, ct, model)
    wait_until(lambda: not panel.job.isRunning)
    node = parameters.outputSegmentation
    array = slicer.util.arrayFromSegmentBinaryLabelmap
    before, report = array(node, "liver", ct).copy(), node.GetAttribute("FlareSeg.report")
    parameters.modelFolder = str(slow_model)
    panel.ui.applyButton.click()
    wait_for_network(panel)
    panel.number, seen = panel.job._runner.workerNumber, []

    def look(*_):
        seen.append((array(node, "liver", ct).copy(), node.GetAttribute("FlareSeg.report")))

    tag = slicer.mrmlScene.AddObserver(slicer.mrmlScene.StartCloseEvent, look)
    slicer.mrmlScene.Clear()
    slicer.mrmlScene.RemoveObserver(tag)
    np.testing.assert_array_equal(seen[0][0], before)
    assert seen[0][1] == report
    assert before.any()
    assert_nothing_left(panel)


def test_after_a_scene_was_closed_during_a_run_the_next_run_is_as_any(running, phantom, model):
    import slicer

    slicer.mrmlScene.Clear()
    parameters = start(running, to_node(phantom[0], "another"), model)
    wait_until(lambda: not running.job.isRunning)
    assert parameters.outputSegmentation.GetName() == "another organs"
    assert running.ui.statusLabel.text.startswith("Done in")


def test_reload_or_the_end_of_slicer_ends_the_run(running):
    running.cleanup()
    running.isClosed = True
    assert not running.job.isRunning
    assert_nothing_left(running)


def test_the_application_that_quits_ends_the_run(running):
    import slicer

    slicer.app.aboutToQuit.emit()
    assert not running.job.isRunning
    assert_nothing_left(running)


PYTHON_SLICER = """#!{python}
import subprocess, sys
sys.exit(subprocess.call([{python!r}, *sys.argv[1:]]))
"""
"""As PythonSlicer on Windows and macOS: Python is its child, and outlives it when it is killed."""


@pytest.fixture
def tree(launcher, panel, ct, slow_model, tmp_path):
    """The panel in the middle of a run whose worker is the child of a launcher program."""
    program = tmp_path / "PythonSlicer"
    program.write_text(PYTHON_SLICER.format(python=sys.executable), encoding="utf-8")
    program.chmod(0o755)
    panel.job._runner._python = str(program)
    start(panel, ct, slow_model)
    wait_for_network(panel)
    panel.number = panel.job._runner.workerNumber
    (parent,) = [one for one in children_of(os.getpid()) if panel.number in children_of(one)]
    panel.numbers = (parent, panel.number)
    assert not any(is_gone(number) for number in panel.numbers)
    return panel


def test_cancel_ends_the_whole_tree_of_processes(tree):
    tree.ui.applyButton.click()
    wait_until(lambda: not tree.job.isRunning, seconds=20)
    wait_until_gone(tree.numbers)
    assert tree.ui.statusLabel.text == "Cancelled; nothing was changed"
    assert_nothing_left(tree)


def test_a_tree_that_does_not_listen_is_killed(tree):
    os.kill(tree.number, signal.SIGSTOP)
    tree.job._runner._killer.setInterval(300)
    tree.ui.applyButton.click()
    wait_until(lambda: not tree.job.isRunning, seconds=20)
    wait_until_gone(tree.numbers)
    assert tree.ui.statusLabel.text == "Cancelled; nothing was changed"
    assert_nothing_left(tree)


DIES = """
import os, signal, sys
root, model, launcher, path = sys.argv[1:]
sys.path.insert(0, root)
from Testing.slicer.rig import boot
boot.start()
module = boot.loadModule("FlareSeg", path)
from FlareSegUI import Launchers
from FlareSegUI.Ears import Ears
from FlareSegUI.Parameter import Options
from Testing.phantoms import abdomen
from Testing.slicer.conftest import to_node, wait_until
from pathlib import Path
logic = module.FlareSegLogic()
logic.scriptJob._runner._newLauncher = getattr(Launchers, launcher)
steps = []
ears = Ears(onProgress=lambda step, _: steps.append(step))
ct = to_node(abdomen((40, 38, 48), (8.0, 8.0, 8.0))[0])
logic.scriptJob.start(ct, None, Options(model=Path(model), runtime="onnxruntime", threads=1), ears)
wait_until(lambda: "Finding the organs" in steps)
print(logic.scriptJob._runner.workerNumber, flush=True)
import slicer
print(slicer.app.temporaryPath, flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.parametrize("launcher", LAUNCHERS)
def test_the_worker_ends_when_slicer_crashes(rig, slow_model, launcher):
    words = [sys.executable, "-c", DIES, str(ROOT), str(slow_model), launcher, str(MODULE)]
    done = subprocess.run(words, stdout=subprocess.PIPE, text=True, check=False, timeout=120)
    assert done.returncode == -signal.SIGKILL
    number, folder = done.stdout.splitlines()
    wait_until_gone([int(number)])
    assert Path(folder).is_dir()
    assert not runs_in(folder), "the CT stays in the temporary folder"


def test_a_python_that_does_not_start_is_told(launcher, panel, ct, model):
    import slicer

    panel.job._runner._python = "/no/such/python"
    start(panel, ct, model)
    wait_until(lambda: not panel.job.isRunning, seconds=10)
    assert "could not run" in panel.ui.statusLabel.text
    assert not runs_in(slicer.app.temporaryPath)


def test_a_worker_that_crashes_is_told(running):
    os.kill(running.number, signal.SIGSEGV)
    wait_until(lambda: not running.job.isRunning, seconds=20)
    assert "crashed" in running.ui.statusLabel.text
    assert_nothing_left(running)


def test_any_letters_survive_the_way_from_the_worker(launcher, panel, ct, model, tmp_path):
    """A line of the worker that names a path, in the panel and in the log file."""
    seen = []
    from FlareSegUI.Runner import Listener

    runner, log = panel.job._runner, tmp_path / "one.log"
    codes = []
    words = ["segment", str(tmp_path / "ž 中文.nrrd"), "-o", str(tmp_path / "o.nrrd")]
    runner.start(words, tmp_path, log, Listener(lambda *_: None, seen.append, codes.append))
    wait_until(lambda: not runner.isRunning)
    assert codes == [1]
    assert any("ž 中文.nrrd" in line for line in seen), seen
    assert "ž 中文.nrrd" in log.read_text("utf-8")


def test_a_volume_that_is_removed_meanwhile_is_told(panel, ct, model):
    import slicer

    start(panel, ct, model)
    slicer.mrmlScene.RemoveNode(ct)
    wait_until(lambda: not panel.job.isRunning)
    assert "The volume was removed" in panel.ui.statusLabel.text
    assert slicer.mrmlScene.GetNumberOfNodesByClass("vtkMRMLSegmentationNode") == 0
    assert not runs_in(slicer.app.temporaryPath)
