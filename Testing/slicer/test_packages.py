"""onnxruntime in FlareSeg's own folder: asked for, fetched by real pip from wheels, removed."""

import os
import sys
import zipfile
from pathlib import Path

import pytest

from Testing.slicer.conftest import MODULE, wait_until
from Testing.slicer.test_runs import prepare, runs_in

NAME = "flareseg_pretended"
"""A package that is on no index: made here, instead of onnxruntime."""


@pytest.fixture
def wheels(tmp_path):
    """A folder with a wheel whose requirement is nowhere: it must be installed without it."""
    folder = tmp_path / "wheels"
    folder.mkdir()
    info = f"{NAME}-2.0.dist-info"
    facts = f"Metadata-Version: 2.1\nName: {NAME}\nVersion: 2.0\nRequires-Dist: no-such-package-x\n"
    kind = "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    with zipfile.ZipFile(folder / f"{NAME}-2.0-py3-none-any.whl", "w") as wheel:
        wheel.writestr(f"{NAME}.py", "two = 2\n")
        wheel.writestr(f"{info}/METADATA", facts)
        wheel.writestr(f"{info}/WHEEL", kind)
        wheel.writestr(f"{info}/RECORD", "")
    return folder


@pytest.fixture
def lacking(module, scene, monkeypatch):
    """FlareSeg needs a package that is not there; its own folder is empty."""
    from FlareSegUI import Packages

    wanted = [Packages.Wanted(f"{NAME}>=1")]
    monkeypatch.setattr(Packages, "wantedFor", lambda runtime: wanted)
    Packages.removePackages()
    yield Packages
    Packages.removePackages()


@pytest.fixture
def offline(lacking, wheels, monkeypatch):
    """What pip would fetch comes from the folder of wheels."""
    make = lacking.pipArguments
    monkeypatch.setattr(lacking, "pipArguments", lambda packages, _=None: make(packages, wheels))
    return lacking


def test_the_packages_go_into_the_users_own_folder_and_the_worker_alone_sees_them(
    offline, panel, ct, model
):
    import slicer

    parameters = prepare(panel, ct, model)
    before = list(sys.path)
    panel.ui.applyButton.click()
    assert "Installing flareseg_pretended" in panel.ui.statusLabel.text
    wait_until(lambda: not panel.job.isRunning)
    assert parameters.outputSegmentation is not None, panel.ui.logText.toPlainText()
    own = offline.ownFolder()
    assert (own / f"{NAME}.py").is_file()
    assert own.is_relative_to(Path(slicer.app.slicerUserSettingsFilePath).parent)
    assert sys.path == before
    assert offline.missing("auto") == []
    assert panel.ui.packagesLabel.text == f"{NAME} 2.0"
    assert not runs_in(slicer.app.temporaryPath)
    panel.ui.removePackagesButton.click()
    assert not own.exists()
    assert [one.name for one in offline.missing("auto")] == [NAME]


def test_the_worker_imports_what_is_in_the_own_folder(offline, module, tmp_path):
    """The variable that the launchers set brings the folder onto the worker's path."""
    import subprocess

    own = tmp_path / "own ž"
    own.mkdir()
    (own / "onnxruntime.py").write_text("raise ImportError('ours')\n", encoding="utf-8")
    (tmp_path / "alive").touch()
    words = [sys.executable, MODULE.parent / "Scripts" / "flareseg_worker.py"]
    words += [tmp_path, str(os.getpid()), "info"]
    more = {"FLARESEG_PACKAGES": str(own)}
    code = f"import sys; sys.path.insert(0, {str(MODULE.parent / 'Scripts')!r})\n"
    code += "import flareseg_worker; flareseg_worker._take_packages()\n"
    code += "import onnxruntime"
    done = subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, **more}, capture_output=True, text=True
    )
    assert "ImportError: ours" in done.stderr


def test_wheels_in_a_folder_are_installed_without_network_and_what_they_depend_on(
    lacking, panel, wheels
):
    from Testing.slicer.rig import qt

    qt.ANSWERS["getExistingDirectory"] = str(wheels)
    panel.ui.wheelsButton.click()
    qt.ANSWERS["getExistingDirectory"] = ""
    wait_until(lambda: not panel.job.isRunning)
    assert panel.ui.packagesLabel.text == f"{NAME} 2.0", panel.ui.logText.toPlainText()
    assert panel.ui.statusLabel.text == "Installed. Press Apply"


def test_a_newer_version_replaces_the_older_one(offline):
    own = offline.ownFolder()
    old = own / f"{NAME}-1.0.dist-info"
    old.mkdir(parents=True)
    (old / "METADATA").write_text(f"Name: {NAME}\nVersion: 1.0\n", encoding="utf-8")
    new = offline._newFolder()
    (new / f"{NAME}-2.0.dist-info").mkdir(parents=True)
    (new / f"{NAME}-2.0.dist-info" / "METADATA").write_text(
        f"Name: {NAME}\nVersion: 2.0\n", encoding="utf-8"
    )
    offline.accept()
    assert offline.inOwnFolder() == [f"{NAME} 2.0"]
    assert not new.exists()


def test_who_declines_is_not_told_of_an_error(lacking, panel, ct, model, monkeypatch):
    import slicer

    from Testing.slicer.rig import ctk

    prepare(panel, ct, model)
    monkeypatch.setattr(slicer.util, "confirmOkCancelDisplay", lambda *_, **__: False)
    panel.ui.applyButton.click()  # raises nothing
    assert f"needs {NAME}" in panel.ui.statusLabel.text
    assert ctk.asked == []
    assert panel.ui.applyButton.text == "Apply"
    assert panel.ui.applyButton.enabled


@pytest.fixture
def unasked(lacking, monkeypatch):
    """Nobody may be asked: a question fails the test."""
    import slicer

    def ask(*_, **__):
        raise AssertionError("asked")

    monkeypatch.setattr(slicer.util, "confirmOkCancelDisplay", ask)
    return lacking


@pytest.mark.parametrize(("answer", "variable"), [(True, ""), (None, "1"), (True, "0")])
def test_a_script_answers_in_advance(unasked, monkeypatch, answer, variable):
    monkeypatch.setenv("FLARESEG_INSTALL", variable)
    unasked.mayInstall(unasked.missing("auto"), answer=answer)


@pytest.mark.parametrize(("answer", "variable"), [(False, ""), (None, "0"), (False, "1")])
def test_a_script_declines_in_advance(unasked, monkeypatch, answer, variable):
    monkeypatch.setenv("FLARESEG_INSTALL", variable)
    with pytest.raises(unasked.Declined):
        unasked.mayInstall(unasked.missing("auto"), answer=answer)


@pytest.mark.parametrize("how", ["testing", "no window"])
def test_where_nobody_can_be_asked_that_is_said_and_nothing_waits(unasked, monkeypatch, how):
    import slicer

    monkeypatch.delenv("FLARESEG_INSTALL", raising=False)
    if how == "testing":
        monkeypatch.setattr(slicer.app, "isTesting", True)
    else:
        monkeypatch.setattr(slicer.util, "mainWindow", lambda: None)
    with pytest.raises(unasked.Declined, match=r"install=True.*FLARESEG_INSTALL=1"):
        unasked.mayInstall(unasked.missing("auto"))


PIP_SAYS = {
    "PyPI cannot be reached": "WARNING: Retrying after connection broken by 'NewConnectionError'\n"
    "ERROR: Could not find a version that satisfies the requirement",
    "the disk is full": "ERROR: Could not install packages: [Errno 28] No space left on device",
    "cannot be written": "ERROR: Could not install packages: [Errno 13] Permission denied: '/x'",
    "no wheel of it fits this computer": "ERROR: No matching distribution found for onnxruntime",
    "ERROR: something new": "ERROR: something new {with braces}",
}


@pytest.mark.parametrize("meaning", PIP_SAYS)
def test_each_failure_of_pip_has_its_own_reason(lacking, meaning):
    packages = lacking.missing("auto")
    said = lacking.reasonOf(PIP_SAYS[meaning].splitlines(), packages)
    assert said.startswith(f"{NAME} could not be installed: ")
    assert meaning in said
    assert ("network" in said) == (meaning == "PyPI cannot be reached")


def test_a_failed_installation_leaves_nothing_and_says_why(lacking, panel, ct, model, tmp_path):
    empty = tmp_path / "empty"
    empty.mkdir()
    panel.runs.onInstallFrom(empty)
    wait_until(lambda: not panel.job.isRunning)
    assert "no wheel of it fits" in panel.ui.statusLabel.text, panel.ui.logText.toPlainText()
    assert not lacking._newFolder().exists()
    assert panel.ui.applyButton.text == "Apply"


def test_the_last_onnxruntime_for_macs_with_intel_is_allowed(module):
    from FlareSegUI import Packages
    from packaging.requirements import Requirement

    (wanted,) = Packages.wantedFor("auto")
    assert wanted.name == "onnxruntime"
    assert "1.23.2" in Requirement(wanted.requirement).specifier
    assert [one.name for one in Packages.wantedFor("openvino")] == ["onnxruntime", "openvino"]
