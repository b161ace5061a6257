"""Views on a result: Slicer's own slice nodes and logics, in a layout that stands for Slicer's."""

import types

import numpy as np
import pytest

from Testing.slicer.conftest import wait_until
from Testing.slicer.test_runs import start

VIEWS = {
    "Red": ("Axial", (400, 300)),
    "Green": ("Coronal", (300, 600)),
    "Yellow": ("Sagittal", (0, 0)),
}


@pytest.fixture
def layout(scene, monkeypatch):
    """Three slice views, one of them never shown, and a 3-D view."""
    import slicer

    logics, reset = {}, []
    for name, (orientation, size) in VIEWS.items():
        node = slicer.vtkMRMLSliceNode()
        node.SetLayoutName(name)
        node.SetName(name)
        scene.AddNode(node)
        getattr(node, f"SetOrientationTo{orientation}")()
        node.SetDimensions(*size, 1)
        node.SetFieldOfView(1000, 1000, 3)
        composite = slicer.vtkMRMLSliceCompositeNode()
        composite.SetLayoutName(name)
        scene.AddNode(composite)
        logic = types.SimpleNamespace(
            GetSliceNode=lambda node=node: node,
            GetSliceCompositeNode=lambda composite=composite: composite,
        )
        logics[name] = types.SimpleNamespace(sliceLogic=lambda logic=logic: logic)
    view = types.SimpleNamespace(resetFocalPoint=lambda: reset.append(True))
    manager = types.SimpleNamespace(
        sliceViewNames=lambda: tuple(logics),
        sliceWidget=logics.__getitem__,
        threeDViewCount=1,
        threeDWidget=lambda _: types.SimpleNamespace(threeDView=lambda: view),
    )
    monkeypatch.setattr(slicer.app, "layoutManager", lambda: manager)
    nodes = {name: one.sliceLogic() for name, one in logics.items()}
    return nodes, reset


@pytest.fixture
def done(panel, layout, ct, model):
    panel.parameters = start(panel, ct, model)
    wait_until(lambda: not panel.job.isRunning)
    bounds = np.zeros(6)
    panel.parameters.outputSegmentation.GetRASBounds(bounds)
    panel.box = bounds.reshape(3, 2)
    return panel


def test_slices_go_through_the_middle_of_the_organs_and_are_linked(done, layout):
    for name, logic in layout[0].items():
        assert logic.GetSliceCompositeNode().GetLinkedControl(), name
        matrix = logic.GetSliceNode().GetSliceToRAS()
        at = [matrix.GetElement(row, 3) for row in range(3)]
        np.testing.assert_allclose(at, done.box.mean(axis=1), atol=1e-3, err_msg=name)
    assert layout[1] == [True]


@pytest.mark.parametrize(("name", "axes"), [("Red", (0, 1)), ("Green", (0, 2))])
def test_a_slice_shows_all_organs_and_keeps_its_shape(done, layout, name, axes):
    node = layout[0][name].GetSliceNode()
    width, height, depth = node.GetFieldOfView()
    columns, rows = VIEWS[name][1]
    extent = np.ptp(done.box, axis=1)[list(axes)]
    assert width / height == pytest.approx(columns / rows)
    assert (np.array((width, height)) > extent).all()
    assert min(width / extent[0], height / extent[1]) == pytest.approx(1.2)
    assert depth == 3


def test_a_view_that_was_never_shown_keeps_its_field(done, layout):
    assert layout[0]["Yellow"].GetSliceNode().GetFieldOfView()[:2] == (1000, 1000)


def test_a_segmentation_under_a_transform_is_looked_at_where_it_is(done, layout):
    import slicer
    import vtk
    from FlareSegUI import Views

    matrix = vtk.vtkMatrix4x4()
    matrix.SetElement(2, 3, 100)
    moved = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLinearTransformNode")
    moved.SetMatrixTransformToParent(matrix)
    done.parameters.outputSegmentation.SetAndObserveTransformNodeID(moved.GetID())
    Views.centre(done.parameters.outputSegmentation)
    at = layout[0]["Red"].GetSliceNode().GetSliceToRAS().GetElement(2, 3)
    assert at == pytest.approx(done.box[2].mean() + 100, abs=1e-3)


def test_an_empty_segmentation_leaves_the_views(layout, scene):
    import slicer
    from FlareSegUI import Views

    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode")
    Views.centre(node)
    assert layout[1] == []
