"""Clean-up: what is removed, what is filled, and that nothing else changes."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import cdist

from FlareSegLib.postprocessing import cleanup
from Testing.flare import BY_KEY, ORGANS
from Testing.phantoms import abdomen

SPACING_MM = (5.0, 4.0, 2.5)  # 0.05 ml per voxel: 20 voxels are 1 ml
LIVER, PANCREAS, GALLBLADDER, KIDNEY = (
    BY_KEY[key].value for key in ("liver", "pancreas", "gallbladder", "right_kidney")
)


def clean(labels, spacing_mm):
    """Return the cleaned labelmap and the ml removed."""
    cleaned = labels.copy()
    return cleaned, cleanup.clean(cleaned, spacing_mm, ORGANS)


@st.composite
def labelmaps(draw):
    """Boxes of organs, painted over each other; values are few, so that organs are in pieces."""
    labels = np.zeros((7, 9, 11), np.uint8)
    values = draw(st.lists(st.integers(0, 13), min_size=1, max_size=3))
    for _ in range(draw(st.integers(1, 8))):
        start = [draw(st.integers(0, n - 1)) for n in labels.shape]
        size = [draw(st.integers(1, 5)) for _ in range(3)]
        box = tuple(slice(a, a + n) for a, n in zip(start, size, strict=True))
        labels[box] = draw(st.sampled_from([0, *values]))
    return labels


def flood(voxels, steps):
    """Return the pieces of a set of voxels, each a set, in the order of their first voxel."""
    left, pieces = set(voxels), []
    for first in sorted(voxels):
        if first not in left:
            continue
        piece, front = set(), [first]
        left.discard(first)
        while front:
            at = front.pop()
            piece.add(at)
            for step in steps:
                beside = tuple(a + b for a, b in zip(at, step, strict=True))
                if beside in left:
                    left.discard(beside)
                    front.append(beside)
        pieces.append(piece)
    return pieces


CORNERS = [step for step in itertools.product((-1, 0, 1), repeat=3) if any(step)]
FACES = [step for step in CORNERS if sum(map(abs, step)) == 1]


def where(mask):
    return {tuple(map(int, at)) for at in np.argwhere(mask)}


def paint(labels, voxels, value):
    for at in voxels:
        labels[at] = value


def slow_clean(labels, spacing_mm):
    """The rules once more, voxel by voxel."""
    cleaned, voxel_ml = labels.copy(), np.prod(spacing_mm) / 1000
    for organ in ORGANS:
        pieces = flood(where(labels == organ.value), CORNERS)
        largest = max(pieces, key=len, default=set())
        for piece in pieces:
            ml = len(piece) * voxel_ml
            gap = cdist(*(np.array(list(p)) * spacing_mm for p in (piece, largest))).min()
            is_near = organ.keep == "near" and gap <= organ.reach_mm and ml >= organ.least_island_ml
            least = 0.2 * organ.least_island_ml
            if len(largest) * voxel_ml < least or not (piece is largest or is_near):
                paint(cleaned, piece, 0)
    for organ in ORGANS:
        if organ.fill_holes:
            mask = where(cleaned == organ.value)
            outside = flood(where(np.pad(cleaned != organ.value, 1, constant_values=True)), FACES)[
                0
            ]
            inside = {a for a in where(cleaned == 0) if tuple(i + 1 for i in a) not in outside}
            for piece in flood(mask | inside, CORNERS):
                if piece & mask:
                    paint(cleaned, piece - mask, organ.value)
    return cleaned


@settings(max_examples=20)
@given(labelmaps(), st.sampled_from([SPACING_MM, (1.0, 1.0, 1.0), (10.0, 3.0, 5.0)]))
def test_clean_agrees_with_the_slow_version(labels, spacing_mm):
    cleaned, _ = clean(labels, spacing_mm)
    np.testing.assert_array_equal(cleaned, slow_clean(labels, spacing_mm))


@settings(max_examples=60)
@given(labelmaps())
def test_cleaning_twice_equals_cleaning_once(labels):
    once, _ = clean(labels, SPACING_MM)
    twice, removed_ml = clean(once, SPACING_MM)
    np.testing.assert_array_equal(twice, once)
    assert removed_ml == {}


@settings(max_examples=60)
@given(labelmaps())
def test_clean_removes_and_fills_but_never_relabels(labels):
    before = labels.copy()
    cleaned, removed_ml = clean(labels, SPACING_MM)
    np.testing.assert_array_equal(labels, before)
    changed = cleaned != before
    fillable = [0, *(organ.value for organ in ORGANS if organ.fill_holes)]
    assert np.isin(cleaned[changed], fillable).all()
    gone = {o.key: np.count_nonzero((before == o.value) & (cleaned != o.value)) for o in ORGANS}
    assert removed_ml == pytest.approx({key: n * 0.05 for key, n in gone.items() if n})


def test_organs_in_one_piece_are_unchanged():
    _, labelmap = abdomen((65, 61, 77), (5.0, 5.0, 5.0))
    cleaned, removed_ml = clean(labelmap.array, labelmap.grid.spacing_mm)
    np.testing.assert_array_equal(cleaned, labelmap.array)
    assert removed_ml == {}


def test_an_empty_labelmap_stays_empty():
    cleaned, removed_ml = clean(np.zeros((3, 5, 7), np.uint8), SPACING_MM)
    assert not cleaned.any()
    assert removed_ml == {}


def test_a_largest_only_organ_loses_even_a_big_island():
    labels = np.zeros((9, 11, 13), np.uint8)
    labels[0:4, 0:4, 0:4] = LIVER  # 64 voxels
    labels[6:9, 6:9, 6:9] = LIVER  # 27 voxels of 1.25 ml = 33.75 ml, above least_island_ml of 25 ml
    cleaned, removed_ml = clean(labels, (12.5, 10.0, 10.0))
    assert np.count_nonzero(cleaned == LIVER) == 64
    assert removed_ml == pytest.approx({"liver": 27 * 12.5 * 10.0 * 10.0 / 1000})


@pytest.mark.parametrize(("axis", "spacing_mm"), [(0, (1.0, 2.0, 5.0)), (1, (2.0, 1.0, 5.0))])
@pytest.mark.parametrize(("gap_mm", "is_kept"), [(29, True), (30, True), (31, False)])
def test_an_island_within_reach_is_kept(axis, spacing_mm, gap_mm, is_kept):
    # pancreas: reach 30 mm, least 0.5 ml = 50 voxels of 0.01 ml; from the last slice of one piece
    # to the first of the other there are gap_mm steps of 1 mm
    line = np.zeros((70, 8, 8), np.uint8)
    line[0:2, 1:7, 1:7] = PANCREAS  # 72 voxels
    line[1 + gap_mm : 3 + gap_mm, 1:6, 1:6] = PANCREAS  # 50 voxels
    cleaned, removed_ml = clean(np.moveaxis(line, 0, axis), spacing_mm)
    assert np.count_nonzero(cleaned) == (122 if is_kept else 72)
    assert removed_ml == ({} if is_kept else pytest.approx({"pancreas": 0.5}))


def test_an_island_near_but_small_is_removed():
    labels = np.zeros((9, 9, 20), np.uint8)
    labels[0:3, 0:3, 0:3] = PANCREAS
    labels[0, 0:3, 5:8] = PANCREAS  # 9 voxels = 0.45 ml of 0.5 ml
    cleaned, _ = clean(labels, SPACING_MM)
    assert np.count_nonzero(cleaned) == 27


@pytest.mark.parametrize(("voxels", "is_kept"), [(3, False), (4, True)])
def test_the_largest_piece_goes_only_below_a_fifth_of_the_least_island(voxels, is_kept):
    labels = np.zeros((3, 5, 7), np.uint8)
    labels[1, 1, :voxels] = LIVER  # least island 25 ml: a fifth is 4 voxels of 1.25 ml
    cleaned, _ = clean(labels, (12.5, 10.0, 10.0))
    assert cleaned.any() == is_kept


def test_voxels_that_share_a_corner_are_one_piece():
    labels = np.zeros((6, 6, 6), np.uint8)
    labels[range(6), range(6), range(6)] = GALLBLADDER
    cleaned, removed_ml = clean(labels, SPACING_MM)
    np.testing.assert_array_equal(cleaned, labels)
    assert removed_ml == {}


def test_a_hole_is_filled_with_background_only():
    labels = np.zeros((9, 9, 9), np.uint8)
    labels[1:8, 1:8, 1:8] = LIVER
    labels[3:6, 3:6, 3:6] = 0
    labels[4:6, 4:6, 4:6] = GALLBLADDER  # 8 voxels = 0.4 ml, above its least of 0.3 ml
    cleaned, removed_ml = clean(labels, SPACING_MM)
    assert np.count_nonzero(cleaned == LIVER) == 7**3 - 8
    assert np.count_nonzero(cleaned == GALLBLADDER) == 8
    assert removed_ml == {}


def test_a_hole_that_an_island_leaves_is_filled():
    labels = np.zeros((9, 9, 9), np.uint8)
    labels[1:8, 1:8, 1:8] = LIVER
    labels[4, 4, 4] = KIDNEY  # 0.05 ml: removed, though kidneys come after the liver
    cleaned, removed_ml = clean(labels, SPACING_MM)
    assert np.count_nonzero(cleaned == LIVER) == 7**3
    assert removed_ml == pytest.approx({"right_kidney": 0.05})


def test_an_open_hole_and_that_of_an_inner_organ_stay():
    labels = np.zeros((11, 11, 11), np.uint8)
    labels[1:10, 1:10, 1:10] = LIVER
    labels[5, 5, 0:3] = 0  # open to the outside
    labels[3:8, 3:8, 4:9] = GALLBLADDER
    labels[5, 5, 6] = 0  # inside the gallbladder, whose holes are not filled
    cleaned, _ = clean(labels, SPACING_MM)
    np.testing.assert_array_equal(cleaned, labels)


def test_a_hole_at_the_edge_of_the_scan_is_open():
    labels = np.full((3, 5, 7), LIVER, np.uint8)
    labels[0, 2, 3] = 0
    cleaned, _ = clean(labels, SPACING_MM)
    assert cleaned[0, 2, 3] == 0


def test_a_piece_of_one_hu_is_not_preferred_to_a_smaller_one_of_tissue():
    labels = np.zeros((20, 40, 60), np.uint8)
    labels[2:18, 2:38, 2:30] = 1
    labels[5:15, 10:30, 40:55] = 1
    hu = np.random.default_rng(0).normal(60, 10, labels.shape).round()
    noisy, padded = labels.copy(), labels.copy()
    cleanup.clean(noisy, (3.0, 3.0, 3.0), ORGANS, hu)
    assert noisy[10, 20, 10]
    hu[:, :, :35] = 0
    cleanup.clean(padded, (3.0, 3.0, 3.0), ORGANS, hu)
    assert not padded[:, :, :35].any()
    assert padded[10, 20, 45]
