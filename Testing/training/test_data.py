import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="extra train is not installed")

from Testing.training.small import a_config, write_cases  # noqa: E402
from training import augment, data  # noqa: E402

pytestmark = pytest.mark.torch


@pytest.fixture(scope="module")
def config(tmp_path_factory):
    config = a_config(tmp_path_factory.mktemp("data"))
    write_cases(config, ["a", "b"])
    return config


def test_a_seed_gives_the_same_patch_again(config):
    patches = data.Patches(config, ["a", "b"])
    one, again, other = patches.draw(7), patches.draw(7), patches.draw(8)
    for name in ("image", "soft", "labels"):
        assert torch.equal(getattr(one, name), getattr(again, name))
    assert not torch.equal(one.image, other.image)


def test_patches_have_the_shapes_and_ranges_that_they_promise(config):
    patches = data.Patches(config, ["a", "b"])
    seen = set()
    for seed in range(20):
        patch = patches.draw(seed)
        assert patch.image.shape == (1, *config.train.patch)
        assert patch.soft.shape == (14, *(n // 2 for n in config.train.patch))
        assert torch.allclose(patch.soft.sum(0), torch.ones(1), atol=1e-3)
        assert patch.image.isfinite().all()
        seen |= set(patch.labels.unique().tolist())
    assert len(seen) > 8


def test_an_unturned_patch_is_cut_out_as_it_is(config):
    case = data.load_case(config.work, "a", 0)
    centre = torch.tensor([15.5, 23.5, 27.5])  # between voxels: the patch lies on whole voxels
    hu, soft, labels = data.cut_patch(case, centre, torch.eye(3), (16, 16, 16))
    assert torch.allclose(hu, case.hu[8:24, 16:32, 20:36].float(), atol=0.01)
    assert torch.equal(labels, case.labels[8:24, 16:32, 20:36].long())
    expected = case.soft[1:, 4:12, 8:16, 10:18].float() / 255
    assert torch.allclose(soft[1:], expected, atol=1e-4)


def test_beyond_the_scan_there_is_air(config):
    case = data.load_case(config.work, "a", 0)
    hu, soft, labels = data.cut_patch(
        case, torch.tensor([-30.0, 20, 20]), torch.eye(3), (16, 16, 16)
    )
    assert (hu == augment.AIR_HU).all()
    assert (soft[0] == 1).all()
    assert not labels.any()


def test_image_and_labels_turn_together(config):
    """In the phantom HU tells the organ, so after a turn the labels must still fit the HU."""
    case = data.load_case(config.work, "a", 0)
    matrix = augment.affine(torch.Generator().manual_seed(3))
    centre = torch.tensor(case.hu.shape) / 2
    hu, soft, labels = data.cut_patch(case, centre, matrix, (32, 48, 48))
    liver = labels == 1
    assert int(liver.sum()) > 300
    assert float((hu[liver] - 72).abs().median()) < 3
    coarse = soft[1][(liver[::2, ::2, ::2]) & (liver[1::2, 1::2, 1::2])]
    assert float(coarse.median()) > 0.9


def test_a_zoom_is_between_the_limits():
    zooms = [
        float(torch.linalg.det(augment.affine(torch.Generator().manual_seed(i)))) for i in range(50)
    ]
    assert min(zooms) > 0.4
    assert max(zooms) < 2.4
    assert np.std(zooms) > 0.1


def test_contrast_medium_brightens_the_aorta_and_not_the_air():
    hu = torch.full((8, 8, 8), 40.0)
    hu[:, :, :2] = -1000
    soft = torch.zeros(14, 4, 4, 4)
    soft[5] = 1
    brighter = [
        augment.contrast_phase(hu, soft, torch.Generator().manual_seed(i)) for i in range(20)
    ]
    assert np.mean([float(found[4, 4, 6]) for found in brighter]) > 80
    assert all((found[:, :, 0] == -1000).all() for found in brighter)


@pytest.mark.parametrize(
    "change", [augment.thick_slices, augment.smooth, augment.noise, augment.calibration]
)
def test_changes_keep_the_shape_and_do_not_touch_their_input(change):
    hu = torch.randn(12, 14, 16) * 100
    before = hu.clone()
    changed = change(hu, torch.Generator().manual_seed(1))
    assert changed.shape == hu.shape
    assert torch.equal(hu, before)
    assert not torch.equal(changed, hu)


def test_cut_slices_lose_image_and_labels_alike():
    hu, cut = augment.field_of_view(torch.zeros(32, 4, 4), torch.Generator().manual_seed(2))
    missing = slice(0, cut) if cut > 0 else slice(cut, None)
    assert (hu[missing] == augment.AIR_HU).all()
    assert int((hu == augment.AIR_HU).sum()) == abs(cut) * 16
    assert cut % 2 == 0
