import dataclasses

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="extra train is not installed")
pytest.importorskip("torchio", reason="extra train is not installed")

from Testing.training.small import a_config, write_cases  # noqa: E402
from training.augment import spatial  # noqa: E402
from training.augment.patch import AIR_HU  # noqa: E402
from training.patches import data  # noqa: E402
from training.sections import Augment  # noqa: E402

pytestmark = pytest.mark.torch
VIEW = data.View((16, 32, 32), (-971.0, 291.0), 83.78, 144.84)
ALL = (True,) * 14


@pytest.fixture(scope="module")
def cases(tmp_path_factory):
    config = a_config(tmp_path_factory.mktemp("data"))
    write_cases(config, ["a", "b"])
    return [data.load_case(config.work, name, 0, ALL) for name in ("a", "b")]


def test_a_seed_gives_the_same_sample_again(cases):
    patches = data.Patches(cases, VIEW, Augment(cutmix=0.3, paste_organ=0.3))
    one, again, other = patches.draw(7), patches.draw(7), patches.draw(8)
    for name in ("image", "scene", "stored", "labels"):
        assert torch.equal(getattr(one, name), getattr(again, name))
    assert not torch.equal(one.image, other.image)


def test_samples_have_the_shapes_and_ranges_that_they_promise(cases):
    patches = data.Patches(cases, VIEW, Augment(synthetic=0.2))
    seen, phases = set(), set()
    for seed in range(20):
        sample = patches.draw(seed)
        assert sample.image.shape == (1, *VIEW.shape)
        assert sample.stored.shape == (14, *(n // 2 for n in VIEW.shape))
        assert torch.allclose(sample.stored.sum(0), torch.ones(1), atol=1e-3)
        assert sample.image.isfinite().all()
        seen |= set(sample.labels.unique().tolist())
        phases.add(sample.phase)
    assert len(seen) > 8
    assert phases <= set(range(8))
    assert len(phases) > 4


def test_the_teacher_sees_what_the_student_sees_or_the_scene_before_it_was_degraded(cases):
    same = data.Patches(cases, VIEW, Augment(noise=1.0)).draw(3)
    assert torch.equal(VIEW.normalized(same.scene)[None], same.image)
    apart = data.Patches(cases, VIEW, Augment(noise=1.0, same_view=False)).draw(3)
    assert torch.equal(apart.image, same.image)
    assert not torch.equal(VIEW.normalized(apart.scene)[None], apart.image)


def test_no_case_is_an_error():
    with pytest.raises(ValueError, match="no case"):
        data.Patches([], VIEW, Augment())


def test_an_unturned_patch_is_cut_out_as_it_is(cases):
    case = cases[0]
    centre = torch.tensor([15.5, 23.5, 27.5])  # between voxels: the patch lies on whole voxels
    patch = spatial.cut_patch(case, centre, torch.eye(3), (16, 16, 16))
    assert torch.allclose(patch.hu, case.hu[8:24, 16:32, 20:36].float(), atol=0.01)
    assert torch.equal(patch.labels, case.labels[8:24, 16:32, 20:36].long())
    expected = case.soft[1:, 4:12, 8:16, 10:18].float() / 255
    assert torch.allclose(patch.soft[1:], expected, atol=1e-4)


def test_beyond_the_scan_there_is_air(cases):
    patch = spatial.cut_patch(cases[0], torch.tensor([-30.0, 20, 20]), torch.eye(3), (16, 16, 16))
    assert (patch.hu == AIR_HU).all()
    assert (patch.soft[0] == 1).all()
    assert not patch.labels.any()


@pytest.mark.parametrize("is_bent", [False, True])
def test_image_and_labels_turn_and_bend_together(cases, is_bent):
    """In the phantom HU tells the organ, so after a turn the labels must still fit the HU."""
    case = cases[0]
    generator = torch.Generator().manual_seed(3)
    matrix = spatial.affine(generator)
    bend = spatial.bending(generator) if is_bent else None
    centre = torch.tensor(case.hu.shape) / 2
    patch = spatial.cut_patch(case, centre, matrix, (32, 48, 48), bend=bend)
    liver = patch.labels == 1
    assert int(liver.sum()) > 300
    assert float((patch.hu[liver] - 72).abs().median()) < 3
    coarse = patch.soft[1][(liver[::2, ::2, ::2]) & (liver[1::2, 1::2, 1::2])]
    assert float(coarse.median()) > 0.9


def test_bending_moves_the_inside_and_not_the_border(cases):
    case, centre = cases[0], torch.tensor([15.5, 23.5, 27.5])
    bend = spatial.bending(torch.Generator().manual_seed(0))
    shape = (16, 32, 32)
    still = spatial.cut_patch(case, centre, torch.eye(3), shape)
    bent = spatial.cut_patch(case, centre, torch.eye(3), shape, bend=bend)
    assert float((bent.hu - still.hu)[4:12].abs().max()) > 20
    assert torch.allclose(bent.hu[0], still.hu[0], atol=0.5)


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_a_bend_moves_along_its_own_axis(cases, axis):
    case = dataclasses.replace(cases[0], soft=None)
    ramp = torch.arange(case.hu.shape[axis]) * 10
    ramp = ramp.reshape([-1 if i == axis else 1 for i in range(3)]).expand(case.hu.shape)
    case = dataclasses.replace(case, hu=ramp.to(torch.int16).contiguous())
    bend = torch.zeros(3, 3, 3, 3)
    bend[axis] = 2.0
    centre = torch.tensor(case.hu.shape) / 2 - 0.5
    still, bent = (
        spatial.cut_patch(case, centre, torch.eye(3), (8, 8, 8), bend=one) for one in (None, bend)
    )
    assert torch.allclose(bent.hu, still.hu + 20, atol=0.1)


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_a_mirrored_patch_is_the_patch_reversed_with_its_labels(cases, axis):
    centre = torch.tensor([15.5, 23.5, 27.5])
    signs = torch.ones(3)
    signs[axis] = -1
    plain, mirrored = (
        spatial.cut_patch(cases[0], centre, matrix, (16, 32, 32))
        for matrix in (torch.eye(3), torch.diag(signs))
    )
    assert torch.allclose(mirrored.hu, plain.hu.flip(axis), atol=0.01)
    assert torch.equal(mirrored.labels, plain.labels.flip(axis))
    assert torch.allclose(mirrored.soft, plain.soft.flip(axis + 1), atol=1e-4)
    assert not torch.equal(mirrored.labels, plain.labels)


def test_each_axis_is_mirrored_in_its_share():
    drawn = [spatial.mirror(0.3, torch.Generator().manual_seed(i)).diag() for i in range(300)]
    shares = (torch.stack(drawn) < 0).float().mean(dim=0)
    assert ((shares > 0.2) & (shares < 0.4)).all()
    assert torch.equal(spatial.mirror(0.0, torch.Generator()), torch.eye(3))


def test_a_zoom_is_between_the_limits():
    zooms = [
        float(torch.linalg.det(spatial.affine(torch.Generator().manual_seed(i)))) for i in range(50)
    ]
    assert min(zooms) > 0.4
    assert max(zooms) < 2.4
    assert np.std(zooms) > 0.1


def test_a_case_without_soft_labels_gives_samples_too(cases):
    bare = [dataclasses.replace(case, soft=None) for case in cases]
    assert data.Patches(bare, VIEW, Augment()).draw(0).stored is None
