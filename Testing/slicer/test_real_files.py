"""The extension with Slicer's own CMake files, where a copy of Slicer's source is at hand.

    FLARESEG_SLICER_SOURCE=.../Slicer FLARESEG_CTK_SOURCE=.../CTK pytest Testing/slicer

With the first variable the whole rig takes Slicer's own ScriptedLoadableModule, i18n and
parameterNodeWrapper instead of the stand-ins (rig/boot.py); with both, the tests here run Slicer's
and CTK's CMake macros as they stand. Nothing of either is in this repository.
"""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from Testing.slicer.test_cmake import NOT_PACKAGED, ROOT, on_disk

CONFIG = Path(__file__).parent / "cmake_real"
LIBRARY = "lib/Slicer-5.12/qt-scripted-modules"
CMAKE = os.environ.get("FLARESEG_CMAKE") or shutil.which("cmake")
SOURCES = [os.environ.get(f"FLARESEG_{name}_SOURCE") for name in ("SLICER", "CTK")]


def why_not():
    """Return why Slicer's macros cannot be run here."""
    if not all(SOURCES):
        return "FLARESEG_SLICER_SOURCE and FLARESEG_CTK_SOURCE do not name copies of the sources"
    if CMAKE is None:
        return "cmake is not installed"
    said = subprocess.run([CMAKE, "--version"], capture_output=True, text=True, check=True).stdout
    version = tuple(map(int, re.search(r"(\d+)\.(\d+)", said).groups()))
    return None if version >= (3, 28) else f"Slicer needs CMake 3.28, this is {version}"


pytestmark = [pytest.mark.slow, pytest.mark.skipif(bool(why_not()), reason=str(why_not()))]


def cmake(*words):
    done = subprocess.run([CMAKE, *map(str, words)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]


@pytest.fixture(scope="module")
def build(tmp_path_factory):
    """A configured and built extension."""
    folder = tmp_path_factory.mktemp("build")
    more = ["-Wno-dev", f"-DSlicer_DIR={CONFIG}", "-DBUILD_TESTING=ON"]
    cmake("-S", ROOT, "-B", folder, *more, f"-DPYTHON_EXECUTABLE={sys.executable}")
    cmake("--build", folder)
    return folder


def test_slicers_own_macros_install_every_file(build, tmp_path):
    cmake("--install", build, "--prefix", tmp_path)
    folder = tmp_path / LIBRARY
    found = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    found = {name for name in found if not name.endswith(".pyc")}
    module = {name.removeprefix("FlareSeg/") for name in on_disk("FlareSeg", "*")}
    core = on_disk("FlareSegLib", "*") - NOT_PACKAGED
    resources = on_disk("Resources", "*")
    assert found >= module | core | resources


def test_slicers_own_macros_register_the_tests(build):
    said = subprocess.run(
        [Path(CMAKE).parent / "ctest", "-N"], cwd=build, capture_output=True, text=True, check=True
    ).stdout
    assert "py_FlareSeg" in said
    assert "qSlicerFlareSegModuleGenericTest" in said


def test_slicers_own_macros_refuse_a_project_without_a_language(tmp_path):
    """What the stub in cmake/ stands for."""
    text = "cmake_minimum_required(VERSION 3.16.3...3.28)\nproject(FlareSeg LANGUAGES NONE)\n"
    text += "find_package(Slicer REQUIRED)\ninclude(${Slicer_USE_FILE})\n"
    (tmp_path / "CMakeLists.txt").write_text(text, encoding="utf-8")
    with pytest.raises(AssertionError, match=r"NONE|COMPILER|languages"):
        cmake("-S", tmp_path, "-B", tmp_path / "build", f"-DSlicer_DIR={CONFIG}")
