"""A CT with a ball in it, and hands that place boxes and clicks, as a user does in the views."""

import numpy as np

from FlareSegLib.base.geometry import Grid, Volume
from Testing.slicer.conftest import to_node, wait_until

CENTRE_RAS, RADIUS = np.array((-30.0, 20.0, 40.0)), 18.0
SHAPE, SPACING = (40, 80, 90), (3.0, 2.0, 2.0)


def body_with_a_ball():
    """Return a volume node: a body of tissue in fat, with a darker ball."""
    half = np.array(SHAPE) * SPACING / 2
    origin = CENTRE_RAS * (-1, -1, 1) - half[::-1]
    z, y, x = (np.indices(SHAPE).T * np.array(SPACING[::1])).T - half[:, None, None, None]
    apart = (x / 80) ** 2 + (y / 70) ** 2
    hu = np.select([apart < 0.7, apart < 1], [100, -90], -1000).astype(np.int16)
    hu[x**2 + y**2 + z**2 < RADIUS**2] = 40
    hu += np.random.default_rng(0).normal(0, 6, SHAPE).astype(np.int16)
    return to_node(Volume(hu, Grid(SHAPE, SPACING, tuple(map(float, origin)))))


def roi(section, centre=CENTRE_RAS, size=2 * RADIUS + 4):
    import vtk

    section.place("box")
    node = section._nodes["box"]
    node.SetXYZ(*centre) if hasattr(node, "SetXYZ") else node.SetCenter(*centre)
    node.SetSize(size, size, size)
    if node.GetNumberOfControlPoints() < node.GetRequiredNumberOfControlPoints():
        node.AddControlPoint(vtk.vtkVector3d(*centre))
    return node


def segment(section):
    wait_until(lambda: section._thing is not None and section._thing.segment is not None)
    return section._thing.segment


def ml(section, ct):
    import slicer

    node, key = segment(section)
    array = slicer.util.arrayFromSegmentBinaryLabelmap(node, key, ct)
    return np.count_nonzero(array) * np.prod(SPACING) / 1000, array


BALL_ML = 4 / 3 * np.pi * RADIUS**3 / 1000


def box_of(section):
    node = section._nodes["box"]
    matrix = node.GetObjectToWorldMatrix()
    axes = [matrix.GetElement(row, column) for row in range(3) for column in range(4)]
    return [*axes, *node.GetSize()], node.GetNumberOfControlPoints()


def clicks_of(section, kind):
    node = section._nodes[kind]
    count = node.GetNumberOfControlPoints()
    return [
        (node.GetNthControlPointPosition(i), node.GetNthControlPointID(i)) for i in range(count)
    ]


def answered(section, change):
    """Change something, and wait for the answer."""
    before = section._history.now
    change()
    section.ask()
    wait_until(
        lambda: section._history.now is not before and section._history.now.answer is not None
    )


def click(section, kind, at):
    import vtk

    section.place(kind)
    section._nodes[kind].AddControlPoint(vtk.vtkVector3d(*at))


def move_box(section):
    node = section._nodes["box"]
    node.SetCenter(*(CENTRE_RAS + np.array((2, 1, 0))))
    node.SetSize(30, 28, 26)
