"""Who may import whom. import-linter checks the layers in `make lint`; this needs no tool."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LIB = ROOT / "FlareSegLib"
CORE = sorted(LIB.rglob("*.py"))
HEAVY = {"numpy", "scipy", "SimpleITK", "onnxruntime", "openvino", "matplotlib", "torch", "tqdm"}
HEAVY |= {"highdicom", "pydicom"}
ONLY_IN = {
    "slicer": {"reporting/view", "reporting/view_volumes"},
    "trame": {"reporting/view", "reporting/view_widgets"},
    "trame_slicer": {"reporting/view"},
    "vtkmodules": {"reporting/view", "reporting/view_volumes", "exports/meshes"},
    "torch": {"inference/student", "models/nnunet"},
    "nnunetv2": {"models/nnunet"},
    "onnx": {"models/nnunet", "models/unjoined"},
    "onnxruntime": {"inference/network"},
    "scipy": {"evaluation/metrics", "evaluation/scores", "models/nnunet"},
    "openvino": {"inference/network_openvino", "inference/openvino_fold"},
    "matplotlib": {
        "exports/page",
        "followup/picture",
        "exports/dicom_documents",
        "reporting/canvas",
        "reporting/hatching",
        "reporting/legend",
        "reporting/preview",
        "evaluation/plots",
    },
    "tqdm": {"command/terminal"},
    "highdicom": {"images/dicom/seg", "exports/dicom_sr", "exports/dicom_documents"},
    "pydicom": {
        "images/dicom/seg",
        "images/dicom/objects",
        "images/dicom/rtstruct",
        "exports/dicom_sr",
        "exports/dicom_documents",
    },
}


def place(path: Path) -> str:
    """Return room and name of a file of the core."""
    return path.relative_to(LIB).with_suffix("").as_posix()


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


@pytest.mark.parametrize("path", CORE, ids=place)
def test_core_knows_neither_slicer_nor_qt_nor_training(path):
    assert not imported(path) & {"qt", "ctk", "vtk", "training", "Testing", "FlareSeg"}


@pytest.mark.parametrize("path", CORE, ids=place)
def test_each_special_package_is_imported_in_its_one_file(path):
    wrong = {name for name in imported(path) & set(ONLY_IN) if place(path) not in ONLY_IN[name]}
    assert not wrong


@pytest.mark.parametrize("path", CORE, ids=place)
def test_only_the_command_prints(path):
    calls = [
        node for node in ast.walk(ast.parse(path.read_text("utf-8"))) if isinstance(node, ast.Call)
    ]
    prints = [node for node in calls if isinstance(node.func, ast.Name) and node.func.id == "print"]
    assert not prints or path.parent.name == "command"


@pytest.mark.parametrize("module", ["FlareSegLib", "FlareSegLib.command.main"])
def test_importing_the_command_loads_nothing_heavy(module):
    code = f"import sys, {module}; print(*{{name.partition('.')[0] for name in sys.modules}})"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert not HEAVY & set(done.stdout.split())


def test_what_slicer_imports_of_the_core_at_its_start_loads_nothing_heavy_but_numpy():
    panel = [ROOT / "FlareSeg" / "FlareSeg.py", *(ROOT / "FlareSeg" / "FlareSegUI").glob("*.py")]
    nodes = [node for path in panel for node in ast.parse(path.read_text("utf-8")).body]
    modules = {node.module for node in nodes if isinstance(node, ast.ImportFrom)}
    core = sorted(name for name in modules if name.startswith("FlareSegLib."))
    assert len(core) > 8
    code = f"import sys, {', '.join(core)}; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert not (HEAVY - {"numpy"}) & set(done.stdout.split())


@pytest.mark.parametrize("path", CORE, ids=place)
def test_arguments_are_known_to_the_command_alone(path):
    assert "argparse" not in imported(path) or path.parent.name == "command"
