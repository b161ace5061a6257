"""The module in the rig: a fresh scene and a fresh panel for each test."""

from __future__ import annotations

import sys
import time
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from FlareSegLib.base.geometry import Grid, Volume
from Testing.phantoms import abdomen
from Testing.tiny_model import endless_model, threshold_model, write_model

ROOT = Path(__file__).parents[2]
MODULE = ROOT / "FlareSeg" / "FlareSeg.py"
SHAPE, SPACING_MM = (40, 38, 48), (8.0, 8.0, 8.0)
MISSING = [name for name in ("slicer_core", "PySide6") if find_spec(name) is None]
if sys.version_info < (3, 12):
    MISSING.append("Python 3.12, which Slicer has")  # PySide6 ends Python 3.11 with an abort
VTK_AND_NUMPY = "ignore:Setting the shape on a NumPy array:DeprecationWarning"
RUNS_WITHOUT = {"test_cmake", "test_in_rig", "test_real_files", "test_translation"}


def pytest_collection_modifyitems(items):
    """Skip what needs the rig where it is not installed, and say why."""
    here = [item for item in items if item.path.parent == Path(__file__).parent]
    for item in [item for item in here if item.path.stem not in RUNS_WITHOUT]:
        item.add_marker(pytest.mark.filterwarnings(VTK_AND_NUMPY))
        if MISSING:
            item.add_marker(pytest.mark.skip(reason=f"the rig lacks {', '.join(MISSING)}"))


@pytest.fixture(scope="session")
def rig():
    """Skips a test of a file that does not need the rig otherwise."""
    if MISSING:
        pytest.skip(f"the rig lacks {', '.join(MISSING)}")


@pytest.fixture(scope="session")
def module():
    """The module FlareSeg, loaded as Slicer does."""
    from Testing.slicer.rig import boot

    boot.start()
    return boot.loadModule("FlareSeg", MODULE)


@pytest.fixture
def scene(module):
    """An empty scene."""
    import slicer

    from Testing.slicer.rig import ctk

    slicer.mrmlScene.Clear()
    ctk.asked.clear()
    return slicer.mrmlScene


@pytest.fixture
def panel(module, scene):
    """The panel, opened in the empty scene; closed as Slicer does."""
    from Testing.slicer.rig import boot

    widget = module.FlareSegWidget(boot.newParent())
    widget.setup()
    widget.isClosed = False
    yield widget
    if not widget.isClosed:
        widget.cleanup()


@pytest.fixture
def logic(module, scene):
    made = module.FlareSegLogic()
    yield made
    made.panelJob.cancel(wait=True)
    made.scriptJob.cancel(wait=True)


@pytest.fixture(scope="session")
def phantom():
    return abdomen(SHAPE, SPACING_MM)


@pytest.fixture
def ct(phantom, scene):
    return to_node(phantom[0])


@pytest.fixture(scope="session")
def model(tmp_path_factory):
    """A model that knows the phantom."""
    tiny = threshold_model((16, 24, 24))
    return write_model(tmp_path_factory.mktemp("model") / "tiny", tiny, spacing_mm=SPACING_MM)


@pytest.fixture(scope="session")
def slow_model(tmp_path_factory):
    """A model that takes a minute, so that a run can be stopped."""
    tiny = endless_model((8, 12, 12))
    return write_model(tmp_path_factory.mktemp("slow") / "tiny", tiny, spacing_mm=SPACING_MM)


@pytest.fixture
def ball(scene):
    """A CT with a ball of lesions.py in it."""
    from Testing.slicer.lesions import body_with_a_ball

    return body_with_a_ball()


@pytest.fixture
def section(panel, ball):
    """The section Lesion of the panel, on that CT."""
    panel._parameterNode.inputVolume = ball
    return panel.prompts


def to_node(volume: Volume, name: str = "CT"):
    """Return a volume node: LPS becomes RAS, (z, y, x) becomes (x, y, z)."""
    import slicer
    import vtk

    grid = volume.grid
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", name)
    slicer.util.updateVolumeFromArray(node, np.ascontiguousarray(volume.array))
    matrix = vtk.vtkMatrix4x4()
    for column, axis in enumerate((2, 1, 0)):
        for row, sign in enumerate((-1, -1, 1)):
            step = grid.direction[axis][row] * grid.spacing_mm[axis]
            matrix.SetElement(row, column, sign * step)
    for row, sign in enumerate((-1, -1, 1)):
        matrix.SetElement(row, 3, sign * grid.origin[row])
    node.SetIJKToRASMatrix(matrix)
    return node


def wait_until(true, seconds: float = 120.0):
    """Let the application live until something holds."""
    import slicer

    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "waited too long"
        slicer.app.processEvents()
        time.sleep(0.01)


def grids_agree(one: Grid, other: Grid) -> bool:
    return one.shape == other.shape and all(
        np.allclose(getattr(one, name), getattr(other, name), atol=1e-4)
        for name in ("spacing_mm", "origin", "direction")
    )
