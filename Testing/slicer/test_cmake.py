"""The extension as Slicer packages it: with our own stub of Slicer's macros, and plain cmake."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
STUB = Path(__file__).parent / "cmake"
LIBRARY = "lib/Slicer-stub/qt-scripted-modules"
NOT_PACKAGED = {"FlareSegLib/inference/student.py"}
"""Torch lives there: it is for training."""


def on_disk(folder, *patterns):
    found = {path for pattern in patterns for path in (ROOT / folder).rglob(pattern)}
    return {
        path.relative_to(ROOT).as_posix()
        for path in found
        if path.is_file() and "__pycache__" not in path.parts and path.name != "CMakeLists.txt"
    }


def listed(folder):
    text = (ROOT / folder / "CMakeLists.txt").read_text("utf-8").replace("${MODULE_NAME}", folder)
    names = re.findall(r"^\s+([\w./-]+\.[\w.]+)$", re.sub(r"#.*", "", text), re.MULTILINE)
    return {f"{folder}/{name}" for name in names} | (
        {f"{folder}/py.typed"} if "RESOURCES py.typed" in text else set()
    )


@pytest.mark.parametrize("folder", ["FlareSeg", "FlareSegLib", "Resources"])
def test_every_file_on_disk_is_packaged(folder):
    assert listed(folder) == on_disk(folder, "*") - NOT_PACKAGED


@pytest.fixture(scope="session")
def installed(tmp_path_factory):
    """The folder qt-scripted-modules of an installed extension."""
    if shutil.which("cmake") is None:
        pytest.skip("cmake is not installed")
    build, prefix = tmp_path_factory.mktemp("build"), tmp_path_factory.mktemp("ž installed")
    cmake("-S", ROOT, "-B", build, f"-DSlicer_DIR={STUB}", "-DBUILD_TESTING=ON")
    cmake("--install", build, "--prefix", prefix)
    return prefix / LIBRARY


def cmake(*words):
    done = subprocess.run(
        ["cmake", *map(str, words)], capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 0, done.stderr


def test_a_project_without_a_language_does_not_pass(tmp_path):
    """Slicer's own macros ask the compiler: without a language they end with an error."""
    if shutil.which("cmake") is None:
        pytest.skip("cmake is not installed")
    text = "cmake_minimum_required(VERSION 3.16.3)\nproject(FlareSeg LANGUAGES NONE)\n"
    text += "find_package(Slicer REQUIRED)\ninclude(${Slicer_USE_FILE})\n"
    (tmp_path / "CMakeLists.txt").write_text(text, encoding="utf-8")
    with pytest.raises(AssertionError, match="needs a compiler"):
        cmake("-S", tmp_path, "-B", tmp_path / "build", f"-DSlicer_DIR={STUB}")


def test_the_stub_refuses_a_file_that_does_not_exist(tmp_path, installed):
    copy = tmp_path / "copy"
    names = shutil.ignore_patterns(".git", ".venv*", "work", "__pycache__", "*.onnx", ".*_cache")
    shutil.copytree(ROOT, copy, ignore=names)
    with pytest.raises(AssertionError, match=r"model\.onnx"):
        cmake("-S", copy, "-B", tmp_path / "build", f"-DSlicer_DIR={STUB}")


def test_the_worker_runs_from_the_installed_tree(installed, tmp_path):
    worker = installed / "Scripts" / "flareseg_worker.py"
    lifeline = tmp_path / "alive"
    lifeline.touch()
    process = subprocess.run(
        [sys.executable, worker, tmp_path, str(os.getpid()), "info"],
        capture_output=True,
        text=True,
        check=False,
        cwd=installed.parent,
    )
    said = process.stdout
    assert process.returncode == 0, process.stderr
    assert f"resources    {installed.resolve() / 'Resources'}" in said
    assert "flare13" in said


RUN_INSTALLED = """
import sys
installed, root, model = sys.argv[1:]
sys.path[:0] = [installed, root]
from pathlib import Path
from Testing.slicer.rig import boot
boot.start()
module = boot.loadModule("FlareSeg", Path(installed) / "FlareSeg.py")
import slicer, FlareSegLib, FlareSegUI
assert FlareSegLib.__file__.startswith(installed) and FlareSegUI.__file__.startswith(installed)
module.onStartupCompleted()
panel = module.FlareSegWidget(boot.newParent())
panel.setup()
from FlareSegUI.Parameter import Options
from Testing.phantoms import abdomen
from Testing.slicer.conftest import to_node
ct = to_node(abdomen((40, 38, 48), (8.0, 8.0, 8.0))[0])
options = Options(model=Path(model), runtime="onnxruntime", threads=1)
node = module.FlareSegLogic().process(ct, organs=("liver", "spleen"), options=options)
print("found", *node.GetSegmentation().GetSegmentIDs())
panel.cleanup()
"""


def test_the_panel_opens_and_a_run_works_from_the_installed_tree(installed, rig, model):
    done = subprocess.run(
        [sys.executable, "-c", RUN_INSTALLED, str(installed), str(ROOT), str(model)],
        capture_output=True,
        text=True,
        check=False,
        cwd=installed.parent,
        timeout=300,
    )
    assert "found liver spleen" in done.stdout, done.stderr


def test_the_index_entry_names_what_cmake_names():
    entry = json.loads((ROOT / "FlareSeg.json").read_text("utf-8"))
    text = (ROOT / "CMakeLists.txt").read_text("utf-8")
    assert {"$schema", "category", "scm_url"} <= set(entry)
    assert "v1.0.2" in entry["$schema"]
    assert f'set(EXTENSION_HOMEPAGE "{entry["scm_url"]}")' in text
    assert f'set(EXTENSION_CATEGORY "{entry["category"]}")' in text
    assert re.search(r"^project\(FlareSeg\b", text, re.MULTILINE)
    assert b"\r" not in (ROOT / "FlareSeg.json").read_bytes()


@pytest.mark.parametrize("name", ["ICONURL", "SCREENSHOTURLS"])
def test_pictures_that_the_index_shows_exist(name):
    text = (ROOT / "CMakeLists.txt").read_text("utf-8")
    url = re.search(rf'^set\(EXTENSION_{name} "(\S+)"\)$', text, re.MULTILINE)[1]
    assert url.startswith("https://raw.githubusercontent.com/")
    repository = json.loads((ROOT / "FlareSeg.json").read_text("utf-8"))["scm_url"]
    assert url.split("/main/")[0].endswith(repository.removeprefix("https://github.com"))
    assert (ROOT / url.split("/main/")[1]).is_file()
