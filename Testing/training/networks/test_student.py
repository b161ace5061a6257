import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="extra train is not installed")

from FlareSegLib.inference.student import FlatConv, Student, StudentConfig, space_to_depth  # noqa: E402

pytestmark = pytest.mark.torch
SMALL = StudentConfig(channels=(8, 8), blocks=(1, 1), z_dilation=(1, 2))


def test_every_voxel_of_a_cell_becomes_a_channel():
    volume = torch.arange(4 * 6 * 8).reshape(1, 1, 4, 6, 8)
    cells = space_to_depth(volume)
    assert cells.shape == (1, 8, 2, 3, 4)
    # the cell at (1, 2, 3) holds voxels (2..3, 4..5, 6..7), z slowest
    expected = volume[0, 0, 2:4, 4:6, 6:8].ravel()
    assert torch.equal(cells[0, :, 1, 2, 3], expected)


def test_a_flat_convolution_along_z_is_a_3d_convolution():
    torch.manual_seed(0)
    layer = FlatConv(3, 4, z_dilation=2).eval()
    volume = torch.randn(1, 3, 9, 5, 7)
    flat = layer(volume.reshape(1, 3, 45, 7), 5).reshape(1, 4, 9, 5, 7)
    weight = layer.conv.weight[:, :, :, None, :]  # 3 x 1 becomes 3 x 1 x 1
    full = torch.nn.functional.conv3d(volume, weight, padding=(2, 0, 0), dilation=(2, 1, 1))
    assert torch.allclose(
        flat, layer.norm(full.reshape(1, 4, 45, 7)).reshape(full.shape), atol=1e-5
    )


def test_a_flat_convolution_in_plane_is_a_3d_convolution_except_at_slice_borders():
    torch.manual_seed(0)
    layer = FlatConv(3, 4).eval()
    volume = torch.randn(1, 3, 6, 8, 7)
    flat = layer(volume.reshape(1, 3, 48, 7), 8).reshape(1, 4, 6, 8, 7)
    full = torch.nn.functional.conv3d(volume, layer.conv.weight[:, :, None], padding=(0, 1, 1))
    full = layer.norm(full.reshape(1, 4, 48, 7)).reshape(full.shape)
    assert torch.allclose(flat[..., 1:-1, :], full[..., 1:-1, :], atol=1e-5)


@pytest.mark.parametrize("shape", [(4, 8, 8), (10, 12, 16)])
def test_logits_have_half_the_resolution(shape):
    logits = Student(SMALL).eval()(torch.zeros(2, 1, *shape))
    assert logits.shape == (2, 14, *(n // 2 for n in shape))


def test_shapes_must_be_multiples_as_the_config_says():
    assert SMALL.multiple == (2, 4, 4)
    assert StudentConfig().multiple == (2, 16, 16)


def test_the_network_sees_in_all_directions():
    """A change of one voxel reaches logits before and behind it along each axis."""
    torch.manual_seed(0)
    model = Student(SMALL).eval()
    volume = torch.randn(1, 1, 16, 16, 16)
    changed = volume.clone()
    changed[0, 0, 8, 8, 8] += 5
    with torch.no_grad():
        moved = (model(changed) - model(volume)).abs().sum(1)[0].numpy() > 1e-6
    for axis in range(3):
        hits = np.flatnonzero(moved.any(axis=tuple({0, 1, 2} - {axis})))
        assert hits[0] < 4 < hits[-1]
