"""The CT in the viewer's scene lies where Slicer itself puts it."""

from importlib.util import find_spec

import numpy as np
import pytest

from FlareSegLib.images.reading import read_volume
from FlareSegLib.reporting.view_volumes import add_volume
from Testing.phantoms import abdomen

pytestmark = [
    pytest.mark.skipif(
        find_spec("trame_slicer") is None, reason="the viewer (extra view) is not installed"
    ),
    pytest.mark.filterwarnings("ignore:Setting the shape on a NumPy array:DeprecationWarning"),
]
TURNED = ((0.0, 0.6, 0.8), (0.0, 0.8, -0.6), (1.0, 0.0, 0.0))


@pytest.mark.parametrize("direction", [None, TURNED])
def test_a_ct_lies_where_slicers_own_reader_puts_it(tmp_path, direction):
    import SimpleITK as sitk
    import slicer
    import vtk
    from vtkmodules.util.numpy_support import vtk_to_numpy

    volume = abdomen((20, 30, 40), (9.0, 7.0, 8.0), direction=direction)[0]
    image = sitk.GetImageFromArray(volume.array)
    image.SetSpacing(volume.grid.spacing_mm[::-1])
    image.SetOrigin(volume.grid.origin)
    image.SetDirection(np.array(volume.grid.direction)[::-1].T.ravel().tolist())
    sitk.WriteImage(image, str(tmp_path / "ct.nrrd"))
    scene = slicer.vtkMRMLScene()
    storage = slicer.vtkMRMLVolumeArchetypeStorageNode()
    storage.SetFileName(str(tmp_path / "ct.nrrd"))
    expected = scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode")
    assert storage.ReadData(expected)
    read = read_volume(tmp_path / "ct.nrrd")
    node = add_volume(scene, read)
    matrices = [vtk.vtkMatrix4x4(), vtk.vtkMatrix4x4()]
    for one, matrix in zip((node, expected), matrices, strict=True):
        one.GetIJKToRASMatrix(matrix)
    numbers = [[m.GetElement(i, j) for i in range(4) for j in range(4)] for m in matrices]
    assert np.allclose(*numbers, atol=1e-4)
    scalars = node.GetImageData().GetPointData().GetScalars()
    assert np.array_equal(vtk_to_numpy(scalars).reshape(20, 30, 40), read.array)
