"""DSC, NSD and HD95: hand-worked numbers, properties, and the package that FLARE uses as oracle."""

import math

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from FlareSegLib.evaluation import metrics
from FlareSegLib.evaluation.metrics import dice, dice_per_organ, hd95, nsd, surface_distances
from Testing.flare import BY_KEY, ORGANS

SPACING_MM = (3.0, 2.0, 1.0)
"""The faces of a voxel are 2, 3 and 6 mm2, so a corner of it has hypot(2, 3, 6) / 8 = 7 / 8 mm2."""

masks = hnp.arrays(np.bool_, (2, 3, 5))
dense_masks = st.builds(
    lambda seed, share: np.random.default_rng(seed).random((3, 4, 5)) < share,
    st.integers(0, 2**32),
    st.floats(0.1, 0.9),
)
few = settings(max_examples=40)  # the areas of a new spacing take 20 ms
labelmaps = hnp.arrays(np.uint8, (2, 3, 5), elements=st.integers(0, 4))


def test_dice_of_two_overlapping_boxes():
    truth = np.zeros((3, 5, 7), np.bool_)
    pred = truth.copy()
    truth[0:2, 0:3, 0:4] = True  # 24 voxels
    pred[1:3, 0:3, 1:4] = True  # 18 voxels; both: 1 x 3 x 3 = 9
    assert dice(truth, pred) == pytest.approx(2 * 9 / (24 + 18))


def test_dice_is_one_if_both_are_empty_and_zero_if_one_is():
    empty, full = np.zeros((1, 2, 3), np.bool_), np.ones((1, 2, 3), np.bool_)
    assert dice(empty, empty) == 1.0
    assert dice(empty, full) == 0.0
    assert dice(full, empty) == 0.0


@given(masks, masks)
def test_dice_is_symmetric_and_one_only_for_equals(truth, pred):
    assert dice(truth, pred) == dice(pred, truth)
    assert 0 <= dice(truth, pred) <= 1
    assert (dice(truth, pred) == 1) == np.array_equal(truth, pred)


def test_each_organ_is_compared_on_its_own():
    truth = np.array([[[1, 1, 1, 3, 0]]], np.uint8)
    pred = np.array([[[1, 1, 0, 1, 9]]], np.uint8)
    organs = tuple(BY_KEY[key] for key in ("liver", "spleen", "gallbladder", "stomach"))
    assert dice_per_organ(truth, pred, organs) == {
        "liver": pytest.approx(2 * 2 / (3 + 3)),
        "spleen": 0.0,  # missed
        "gallbladder": 0.0,  # invented
        "stomach": None,  # neither has it
    }


@given(labelmaps, labelmaps)
def test_dice_per_organ_agrees_with_dice(truth, pred):
    for organ in ORGANS:
        a, b = truth == organ.value, pred == organ.value
        expected = dice(a, b) if a.any() or b.any() else None
        assert dice_per_organ(truth, pred, (organ,))[organ.key] == expected


def test_different_shapes_are_refused():
    with pytest.raises(ValueError, match=r"\(1, 2, 3\) and prediction \(1, 3, 2\)"):
        dice_per_organ(np.zeros((1, 2, 3), np.uint8), np.zeros((1, 3, 2), np.uint8), ORGANS)
    with pytest.raises(ValueError, match="differ in shape"):
        dice(np.zeros((1, 2, 3), np.bool_), np.zeros((1, 1, 3), np.bool_))


def voxel(z: int, y: int, x: int) -> np.ndarray:
    mask = np.zeros((5, 7, 9), np.bool_)
    mask[z, y, x] = True
    return mask


def box(z: int, y: int, x: int) -> np.ndarray:
    """Return 2 x 3 x 4 voxels that start there."""
    mask = np.zeros((5, 7, 9), np.bool_)
    mask[z : z + 2, y : y + 3, x : x + 4] = True
    return mask


def test_a_voxel_has_eight_elements_of_an_eighth_of_seven():
    distances = surface_distances(voxel(2, 3, 4), voxel(2, 3, 4), SPACING_MM)
    np.testing.assert_allclose(distances.truth_mm2, [7 / 8] * 8)
    assert distances.truth_mm.tolist() == [0.0] * 8


def test_a_box_has_corners_edges_and_faces():
    # 8 corners of 7/8. Edges along z: 1 inner corner of voxels each, hypot(3, 6) / 2, four times;
    # along y: 2 each, hypot(2, 6) / 2; along x: 3 each, hypot(2, 3) / 2.
    # Faces, twice each: across z 2 x 3 inner corners of 2 mm2, across y 1 x 3 of 3, across x 1 x 2
    # of 6.
    edges = 4 * (1 * math.hypot(3, 6) + 2 * math.hypot(2, 6) + 3 * math.hypot(2, 3)) / 2
    faces = 2 * (2 * 3 * 2 + 1 * 3 * 3 + 1 * 2 * 6)
    distances = surface_distances(box(1, 1, 1), box(1, 1, 1), SPACING_MM)
    assert distances.truth_mm2.sum() == pytest.approx(7 + edges + faces)


@pytest.mark.parametrize(
    ("voxels", "mm2"),
    [
        (["000"], 7 / 8),
        (["000", "111"], 2 * 7 / 8),  # across the corner: two pieces
        (["000", "001"], math.hypot(2, 3) / 2),  # along x: a slope between the faces across z and y
        (["000", "001", "010"], 2 / 2 + 7 * 3 / 8),  # an L in the plane z = 0
        (["000", "001", "010", "011"], 2),  # the face across z
        (["000", "001", "010", "100"], 7 * 3 / 4),  # a voxel and its neighbours: a hexagon
        (["000", "001", "011", "111"], 7 / 2 + (math.hypot(6, 3) + math.hypot(2, 3)) / 4),  # x y z
        (["000", "011", "101", "110"], 4 * 7 / 8),
    ],
)
def test_elements_have_the_area_of_marching_cubes(voxels, mm2):
    cube = np.zeros((2, 2, 2), np.bool_)
    for place in voxels:
        cube[tuple(map(int, place))] = True
    for part in (cube, ~cube):
        code = sum(1 << bit for bit in range(8) if part.flat[bit])
        assert metrics._areas_mm2(SPACING_MM)[code] == pytest.approx(mm2)


def test_half_of_the_corners_of_two_neighbours_coincide():
    # x:  |#|.|     corners at 4 and 5
    #     |.|#|     corners at 5 and 6, 1 mm a step
    distances = surface_distances(voxel(2, 3, 4), voxel(2, 3, 5), SPACING_MM)
    assert nsd(distances, 0.0) == pytest.approx(0.5)
    assert nsd(distances, 0.99) == pytest.approx(0.5)
    assert nsd(distances, 1.0) == 1.0
    assert hd95(distances) == 1.0


def test_distances_follow_the_spacing_of_each_axis():
    for step, mm in (((1, 0, 0), 3.0), ((0, 1, 0), 2.0), ((0, 0, 1), 1.0), ((1, 1, 0), 13**0.5)):
        other = voxel(2 + step[0], 3 + step[1], 4 + step[2])
        assert hd95(surface_distances(voxel(2, 3, 4), other, SPACING_MM)) == pytest.approx(mm)


def test_hd95_leaves_out_five_percent_of_the_area():
    # A row of 40 voxels: 8 corners of 7/8 mm2, and 39 x 4 edges of hypot(2, 3) / 2, in all
    # 288.2 mm2.
    truth = np.zeros((3, 3, 90), np.bool_)
    truth[1, 1, 2:42] = True
    pred = truth.copy()
    pred[1, 1, 80] = True  # 7 of 295.2 mm2: 2.4 %
    assert hd95(surface_distances(truth, pred, SPACING_MM)) == 0.0
    # 21 of 309.2 mm2: 6.8 %. 95 % are 293.8, 5.5 more than the row; at 38 mm are 3.5, at 39 mm 7.
    pred[1, 1, [84, 88]] = True
    assert hd95(surface_distances(truth, pred, SPACING_MM)) == 39.0


def test_empty_masks_follow_flare():
    empty, full = np.zeros((5, 7, 9), np.bool_), voxel(2, 3, 4)
    both = surface_distances(empty, empty, SPACING_MM)
    missed = surface_distances(full, empty, SPACING_MM)
    invented = surface_distances(empty, full, SPACING_MM)
    assert [nsd(d, 2.0) for d in (both, missed, invented)] == [1.0, 0.0, 0.0]
    assert [hd95(d) for d in (both, missed, invented)] == [0.0, math.inf, math.inf]


def test_a_mask_that_fills_the_array_has_a_surface():
    full = np.ones((2, 3, 5), np.bool_)
    assert nsd(surface_distances(full, full, SPACING_MM), 0.0) == 1.0
    assert surface_distances(full, full, SPACING_MM).truth_mm2.sum() > 0


@few
@given(masks, masks, st.floats(0, 5))
def test_nsd_and_hd95_are_symmetric_and_in_range(truth, pred, tolerance_mm):
    there = surface_distances(truth, pred, SPACING_MM)
    back = surface_distances(pred, truth, SPACING_MM)
    assert nsd(there, tolerance_mm) == pytest.approx(nsd(back, tolerance_mm))
    assert 0 <= nsd(there, tolerance_mm) <= 1
    assert hd95(there) == hd95(back) >= 0


@few
@given(masks, masks, st.tuples(*[st.integers(0, 3)] * 3))
def test_measures_do_not_change_with_the_place(truth, pred, shift):
    def moved(mask: np.ndarray) -> np.ndarray:
        return np.pad(mask, [(n, 3 - n) for n in shift])

    here = surface_distances(truth, pred, SPACING_MM)
    there = surface_distances(moved(truth), moved(pred), SPACING_MM)
    assert nsd(there, 2.0) == nsd(here, 2.0)
    assert hd95(there) == hd95(here)
    assert dice(moved(truth), moved(pred)) == dice(truth, pred)


@few
@given(masks, masks, st.permutations(range(3)), st.integers(0, 2))
def test_measures_do_not_change_with_the_orientation(truth, pred, axes, flipped):
    def turned(mask: np.ndarray) -> np.ndarray:
        return np.flip(mask.transpose(axes), flipped)

    spacing_mm = tuple(SPACING_MM[axis] for axis in axes)
    here = surface_distances(truth, pred, SPACING_MM)
    there = surface_distances(turned(truth), turned(pred), spacing_mm)
    assert nsd(there, 2.0) == pytest.approx(nsd(here, 2.0))
    assert hd95(there) == pytest.approx(hd95(here))


@few
@given(st.tuples(st.integers(-1, 1), st.integers(-1, 2), st.integers(-1, 3)))
def test_a_shift_within_the_tolerance_gives_nsd_of_one_and_beyond_it_less(shift):
    assume(any(shift))
    distances = surface_distances(
        box(1, 1, 1), box(1 + shift[0], 1 + shift[1], 1 + shift[2]), SPACING_MM
    )
    length_mm = math.hypot(*(n * s for n, s in zip(shift, SPACING_MM, strict=True)))
    assert nsd(distances, length_mm + 1e-9) == 1.0
    # the corner that leads the way is the full shift from the other box
    assert nsd(distances, length_mm - 1e-3) < 1.0


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@few
@given(
    dense_masks,
    dense_masks,
    st.tuples(*[st.floats(0.3, 6)] * 3),
    st.sampled_from([0.0, 1.0, 2.0, 3.0, 5.0, 7.0]),
)
def test_measures_agree_with_the_package_that_flare_uses(truth, pred, spacing_mm, tolerance_mm):
    oracle = pytest.importorskip("surface_distance", reason="pip install surface-distance")
    assume(truth.any() and pred.any())  # with an empty mask it needs NumPy 1
    ours = surface_distances(truth, pred, spacing_mm)
    theirs = oracle.compute_surface_distances(truth, pred, spacing_mm)
    for mine, their in (("truth_mm", "distances_gt_to_pred"), ("pred_mm", "distances_pred_to_gt")):
        np.testing.assert_allclose(getattr(ours, mine), theirs[their], rtol=1e-12)
    assert ours.truth_mm2.sum() == pytest.approx(theirs["surfel_areas_gt"].sum())
    expected = oracle.compute_surface_dice_at_tolerance(theirs, tolerance_mm)
    assert nsd(ours, tolerance_mm) == pytest.approx(expected)
    assert hd95(ours) == pytest.approx(oracle.compute_robust_hausdorff(theirs, 95))
    assert dice(truth, pred) == oracle.compute_dice_coefficient(truth, pred)
