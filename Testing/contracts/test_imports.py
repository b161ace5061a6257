"""Who may import whom. import-linter checks the layers in `make lint`; this needs no tool."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CORE = sorted((ROOT / "FlareSegLib").glob("*.py"))
HEAVY = {"numpy", "scipy", "SimpleITK", "onnxruntime", "openvino", "matplotlib", "torch", "tqdm"}
HEAVY |= {"highdicom", "pydicom"}
ONLY_IN = {
    "slicer": {"view"},
    "trame": {"view"},
    "trame_slicer": {"view"},
    "vtkmodules": {"view"},
    "torch": {"student"},
    "onnxruntime": {"network"},
    "openvino": {"network_openvino"},
    "matplotlib": {"preview", "score_plots"},
    "tqdm": {"terminal"},
    "highdicom": {"dicom_seg"},
    "pydicom": {"dicom_seg"},
    "argparse": {"arguments", "cli"},
}


def imported(path: Path) -> set[str]:
    """Return the top-level names of all modules that a file imports, inside functions too."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path.name} has a relative import"
            names.add((node.module or "").partition(".")[0])
    return names


@pytest.mark.parametrize("path", CORE, ids=lambda path: path.stem)
def test_core_knows_neither_slicer_nor_qt_nor_training(path):
    assert not imported(path) & {"qt", "ctk", "vtk", "training", "Testing", "FlareSeg"}


@pytest.mark.parametrize("path", CORE, ids=lambda path: path.stem)
def test_each_special_package_is_imported_in_its_one_file(path):
    wrong = {name for name in imported(path) & set(ONLY_IN) if path.stem not in ONLY_IN[name]}
    assert not wrong


@pytest.mark.parametrize("path", CORE, ids=lambda path: path.stem)
def test_only_the_command_prints(path):
    calls = [
        node for node in ast.walk(ast.parse(path.read_text("utf-8"))) if isinstance(node, ast.Call)
    ]
    prints = [node for node in calls if isinstance(node.func, ast.Name) and node.func.id == "print"]
    assert not prints or path.stem == "cli"


@pytest.mark.parametrize("module", ["FlareSegLib", "FlareSegLib.cli"])
def test_importing_the_command_loads_nothing_heavy(module):
    code = f"import sys, {module}; print(*{{name.partition('.')[0] for name in sys.modules}})"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert not HEAVY & set(done.stdout.split())
