import dataclasses

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="extra train is not installed")
pytest.importorskip("torchio", reason="extra train is not installed")

from training.augment import artefacts, contrast, mixing, recipe, scanner, synthesis  # noqa: E402
from training.augment.patch import AIR_HU, Patch  # noqa: E402
from training.sections import Augment  # noqa: E402

pytestmark = pytest.mark.torch
NOTHING = Augment(
    **{item.name: 0.0 for item in dataclasses.fields(Augment) if item.name != "same_view"}
)
RANGE = (-971.0, 291.0)


def seeded(seed):
    return torch.Generator().manual_seed(seed)


def body(shape=(16, 32, 48)):
    """An ellipse of tissue in air with a liver in it."""
    y, x = (np.linspace(-1.3, 1.3, n) for n in shape[1:])
    inside = torch.from_numpy(y[:, None] ** 2 + x[None] ** 2 < 1).expand(shape)
    hu = torch.where(inside, 40.0, AIR_HU)
    labels = torch.zeros(shape, dtype=torch.long)
    labels[4:12, 10:22, 16:30] = 1
    return hu, labels


def a_patch(seed=0):
    hu, labels = body()
    hu = hu + torch.randn(hu.shape, generator=seeded(seed))
    organ = torch.nn.functional.avg_pool3d((labels == 1).float()[None], 2)[0]
    soft = torch.zeros(14, *organ.shape)
    soft[0], soft[1] = 1 - organ, organ
    return Patch("a", hu, labels, soft, (True,) * 14)


def test_contrast_medium_changes_the_organ_and_neither_gas_nor_what_has_no_label():
    hu, labels = body()
    hu[6:8, 12:14, 18:20] = -1000  # gas in the organ
    found = [contrast.contrast_phase(hu, labels, seeded(i)) for i in range(20)]
    assert np.std([float(one[8, 17, 24]) for one in found]) > 5
    assert all((one[6:8, 12:14, 18:20] == -1000).all() for one in found)
    assert all((one[0] == hu[0]).all() for one in found)


def test_the_arterial_aorta_is_brighter_than_the_liver():
    table = contrast.ENHANCEMENT
    assert table[5][0] > table[2][0] > table[1][0]
    assert table[1][1] > table[1][0]


def test_oral_contrast_fills_fluid_of_the_stomach_alone():
    hu = torch.full((8, 8, 8), 10.0)
    hu[:, :, 4:] = -900
    labels = torch.full((8, 8, 8), 11)
    labels[:4] = 0
    brighter = contrast.oral_contrast(hu, labels, seeded(0))
    assert (brighter[6, :, :4] > 50).all()
    assert (brighter[:, :, 4:] == -900).all()
    assert (brighter[0] == hu[0]).all()


def test_gamma_keeps_the_ends_and_the_order():
    hu = torch.linspace(*RANGE, 60).reshape(3, 4, 5)
    bent = contrast.gamma(hu, RANGE, seeded(0))
    assert float(bent.min()) == pytest.approx(RANGE[0], abs=1)
    assert float(bent.max()) == pytest.approx(RANGE[1], abs=1)
    assert (bent.ravel().diff() > 0).all()
    assert not torch.allclose(bent, hu, atol=5)


def test_tone_is_monotone_and_has_no_jump():
    hu = torch.linspace(-400, 500, 9001).reshape(1, 1, -1)
    for seed in range(10):
        bent = contrast.tone(hu, seeded(seed)).ravel()
        assert (bent.diff() > 0).all()
        assert float(bent.diff().max()) < 0.1 * 3


def test_bias_is_smooth_and_leaves_air():
    hu, _ = body()
    change = contrast.bias(hu, seeded(1)) - hu
    assert (change[hu == AIR_HU] == 0).all()
    inside = change[:, 14:18, 18:30]
    assert float(inside.diff(dim=2).abs().max()) < 5 < 3 * float(change.abs().max())


def test_noise_has_the_strength_it_promises():
    strengths = [float(scanner.noise(torch.zeros(8, 64, 64), seeded(i)).std()) for i in range(40)]
    assert 3 < min(strengths) < 10
    assert 35 < max(strengths) < 75


def test_low_dose_is_noisier_where_rays_cross_more_tissue():
    hu = torch.full((8, 64, 64), 40.0)
    hu[:, :32, 12:52] = -1000  # thin at the front, wide at the back
    noise = torch.stack([scanner.low_dose(hu, seeded(i)) - hu for i in range(10)])
    assert float(noise[:, :, 32:].std()) > 1.5 * float(noise[:, :, :32].std())


def test_low_dose_streaks_run_sideways():
    hu = torch.full((8, 64, 64), 40.0)
    noise = scanner.low_dose(hu, seeded(0)) - hu

    def alike(a, b):
        return float(np.corrcoef(a.ravel(), b.ravel())[0, 1])

    along_x = alike(noise[:, :, :-8], noise[:, :, 8:])
    along_y = alike(noise[:, :-8], noise[:, 8:])
    assert along_x > along_y + 0.05


def test_thick_slices_keep_the_mean_and_lose_detail_along_z_alone():
    hu = torch.randn(32, 8, 8, generator=seeded(0)) * 100
    planes = hu.mean(dim=(1, 2))[:, None, None].expand_as(hu).clone()
    thick = scanner.thick_slices(hu, seeded(1))
    assert float(thick.mean()) == pytest.approx(float(hu.mean()), abs=2)
    assert float(thick.diff(dim=0).std()) < 0.6 * float(hu.diff(dim=0).std())
    in_plane = scanner.thick_slices(planes.transpose(0, 1).contiguous(), seeded(1))
    assert torch.allclose(in_plane, planes.transpose(0, 1), atol=1e-3)


@pytest.mark.parametrize("change", [scanner.blur, scanner.low_resolution])
def test_softer_pictures_lose_detail_in_plane_alone(change):
    hu = torch.randn(8, 32, 32, generator=seeded(0)) * 100
    soft = change(hu, seeded(1))
    lost = [float(soft.diff(dim=axis).std() / hu.diff(dim=axis).std()) for axis in (1, 2)]
    assert min(lost) < 0.8
    flat = torch.arange(8.0)[:, None, None].expand(8, 32, 32).clone()
    assert torch.allclose(change(flat, seeded(1)), flat, atol=1e-3)


def test_metal_is_bright_and_its_streaks_fade():
    hu = torch.full((24, 64, 64), 40.0)
    changed = artefacts.metal(hu, seeded(3))
    metal = (changed == artefacts.METAL_HU).nonzero()
    assert len(metal) > 0
    z = int(metal[0, 0])
    y, x = metal[metal[:, 0] == z][:, 1:].float().mean(0).round().int().tolist()
    away = ((torch.arange(64)[:, None] - y) ** 2 + (torch.arange(64)[None] - x) ** 2).sqrt()
    change = (changed[z] - hu[z]).abs()
    near, far = (away > 4) & (away < 10), away > 25
    assert float(change[near].mean()) > 2 * float(change[far].mean())
    untouched = (changed == hu).all(dim=2).all(dim=1)
    assert untouched.any()


def test_metal_needs_tissue():
    air = torch.full((4, 8, 8), AIR_HU)
    assert torch.equal(artefacts.metal(air, seeded(0)), air)


def test_table_and_arms_lie_in_air_and_the_table_behind():
    hu, _ = body((8, 64, 96))
    tables = [artefacts.table(hu, seeded(i)) != hu for i in range(20)]
    arms = [artefacts.arms(hu, seeded(i)) != hu for i in range(20)]
    assert sum(bool(one.any()) for one in tables) > 10
    assert sum(bool(one.any()) for one in arms) > 10
    for changed in tables + arms:
        assert (hu[changed] == AIR_HU).all()
    for changed in tables:
        columns = changed.nonzero()
        last = torch.where(hu[0] > 0, torch.arange(64)[:, None], -1).amax(0)
        assert (columns[:, 1] > last[columns[:, 2]]).all()


def test_beyond_the_scan_there_is_neither_table_nor_arm():
    hu, _ = body((8, 64, 96))
    hu[:3] = AIR_HU
    for seed in range(10):
        for change in (artefacts.table, artefacts.arms):
            assert (change(hu, seeded(seed))[:3] == AIR_HU).all()


def test_arms_do_not_fill_gas_in_the_body():
    hu, _ = body((8, 64, 96))
    hu[:, 26:36, 10:86] = AIR_HU  # a lung from side to side, inside the wall
    hu[:, 26:36, 8:12] = hu[:, 26:36, 84:88] = 40.0
    for seed in range(20):
        changed = artefacts.arms(hu, seeded(seed))
        assert (changed[:, 26:36, 14:82] == AIR_HU).all()


def test_lesions_lie_in_solid_organs_and_fade_out():
    hu, labels = body()
    change = artefacts.lesions(hu, labels, seeded(2)) - hu
    assert float(change[labels == 1].abs().max()) > 5
    assert float(change.abs().max()) <= 4 * 90
    assert torch.equal(artefacts.lesions(hu, torch.zeros_like(labels), seeded(2)), hu)


def test_slices_are_lost_at_one_end_with_their_labels():
    patch = a_patch()
    where = scanner.slices_lost(tuple(patch.hu.shape), seeded(2))
    cut = recipe.emptied(patch, where)
    gone = (cut.hu == AIR_HU).all(dim=2).all(dim=1)
    count = int(gone.sum())
    assert 0 < count <= 4
    assert count % 2 == 0
    assert gone[:count].all() or gone[-count:].all()
    assert not cut.labels[gone].any()
    assert (cut.soft[0, gone[::2]] == 1).all()
    assert torch.allclose(cut.soft.sum(0), torch.ones(1))
    assert (patch.labels == 1).sum() >= (cut.labels == 1).sum()


def test_beyond_the_circle_there_is_air_and_a_circle_remains():
    patch = a_patch()
    outside = scanner.beyond_circle(tuple(patch.hu.shape), seeded(1))
    assert 0.02 < float(outside.float().mean()) < 0.8
    cut = recipe.emptied(patch, (slice(None), outside))
    assert (cut.hu[:, outside] == AIR_HU).all()
    assert not cut.labels[:, outside].any()
    assert torch.equal(cut.hu[:, ~outside], patch.hu[:, ~outside])
    assert (cut.soft[0][:, outside[::2, ::2]] == 1).all()


def test_cutmix_takes_image_and_labels_from_the_same_patch():
    one, two = a_patch(0), a_patch(1)
    two = dataclasses.replace(two, labels=torch.full_like(two.labels, 3), soft=two.soft.flip(0))
    for seed in range(8):
        mixed = mixing.cutmix(one, two, seeded(seed))
        from_two = mixed.labels == 3
        assert torch.equal(mixed.hu[from_two], two.hu[from_two])
        assert torch.equal(mixed.hu[~from_two], one.hu[~from_two])
        cells = from_two[::2, ::2, ::2]
        assert torch.equal(mixed.soft[:, cells], two.soft[:, cells])
        assert 0.01 < float(from_two.float().mean()) < 0.8


def test_a_large_organ_is_not_pasted():
    one, two = a_patch(0), a_patch(1)
    two = dataclasses.replace(two, labels=torch.ones_like(two.labels))
    assert mixing.paste_organ(one, two, 1) is one


def test_a_pasted_organ_comes_with_its_surroundings():
    one, two = a_patch(0), a_patch(1)
    labels = torch.zeros_like(two.labels)
    labels[4:8, 10:18, 16:24] = 1
    one = dataclasses.replace(one, labels=torch.zeros_like(one.labels))
    two = dataclasses.replace(two, labels=labels)
    pasted = mixing.paste_organ(one, two, 1)
    assert torch.equal(pasted.labels == 1, two.labels == 1)
    # 4 x 8 x 8 voxels, one more on every side, to whole cells: 8 x 12 x 12
    assert int((pasted.hu != one.hu).sum()) == 8 * 12 * 12


def test_what_one_of_two_patches_does_not_label_is_not_known():
    one = dataclasses.replace(a_patch(), known=(True, False, *[True] * 12))
    assert mixing.cutmix(a_patch(), one, seeded(0)).known == one.known


def test_mixup_keeps_the_labels_and_most_of_the_first():
    other = torch.zeros(16, 32, 48)
    other[0] = AIR_HU
    one, two = a_patch(0), dataclasses.replace(a_patch(1), hu=other)
    mixed = mixing.mixup(one, two, seeded(0))
    assert torch.equal(mixed.hu[0], one.hu[0])  # air does not shine through
    share = float((mixed.hu / one.hu)[8, 16, 24])
    assert 0.65 <= share <= 0.95
    assert torch.equal(mixed.labels, one.labels)


def test_a_synthetic_image_has_one_gray_value_a_tissue_and_other_ones_each_time():
    hu, labels = body()
    livers = []
    for seed in range(12):
        made = synthesis.synthetic(hu, labels, seeded(seed))
        livers.append(float(made[6:10, 13:19, 20:26].median()))
        assert float(made[hu == AIR_HU].median()) < -850
    assert np.std(livers) > 50
    assert min(livers) > -110
    assert max(livers) < 400


@pytest.mark.parametrize(
    "change",
    [contrast.calibration, contrast.tone, contrast.bias, scanner.thick_slices, scanner.blur,
     scanner.low_resolution, scanner.noise, scanner.low_dose, artefacts.metal, artefacts.table,
     artefacts.arms],
)  # fmt: skip
def test_changes_keep_the_shape_and_do_not_touch_their_input(change):
    hu = body()[0] + torch.randn(16, 32, 48, generator=seeded(9))
    before = hu.clone()
    changed = [change(hu, seeded(i)) for i in range(4)]
    assert all(one.shape == hu.shape and one.isfinite().all() for one in changed)
    assert torch.equal(hu, before)
    assert any(not torch.equal(one, hu) for one in changed)
    assert torch.equal(changed[1], change(hu, seeded(1)))


def test_without_shares_nothing_changes():
    patch = a_patch()
    assert torch.equal(recipe.scene(patch, NOTHING, seeded(0)).hu, patch.hu)
    assert torch.equal(recipe.degraded(patch, NOTHING, RANGE, seeded(0)), patch.hu)
