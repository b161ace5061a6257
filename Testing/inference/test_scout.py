import numpy as np
import pytest

from FlareSegLib.base.geometry import Box
from FlareSegLib.inference.scout import area_of, grown, halved, unseen
from FlareSegLib.inference.windows import SLAB_OVERLAP

SHAPE, SPACING_MM = (200, 160, 240), (2.0, 1.5, 1.5)
WHOLE = Box((0, 0, 0), SHAPE)


def seen_in(*box):
    """Labels of a first look: organs in one box of cells."""
    seen = np.zeros([n // 4 for n in SHAPE], np.uint8)
    seen[box] = 3
    return seen


def logits_of(*boxes):
    """Logits at stride 2: class 1 in boxes of voxels."""
    logits = np.zeros((100, 80, 120, 3), np.float16)
    logits[..., 0] = 1
    for box in boxes:
        logits[(*(slice(s.start // 2, s.stop // 2) for s in box), 1)] = 2
    return logits


def test_halved_is_the_mean_of_cells():
    array = np.random.default_rng(0).normal(size=(5, 6, 9)).astype(np.float32)
    found = halved(array)
    assert found.shape == (2, 3, 4)
    assert found[1, 2, 3] == pytest.approx(array[2:4, 4:6, 6:8].mean(), rel=1e-5)


def test_the_area_has_its_margins_and_goes_to_the_top():
    # rows 40 to 80, columns 80 to 160, slices from 120; 48 mm are 24 slices, 18 mm are 12 voxels
    found = area_of(seen_in(np.s_[30:40], np.s_[10:20], np.s_[20:40]), SHAPE, SPACING_MM)
    assert found == Box((96, 16, 64), (200, 96, 176))


def test_the_area_ends_at_the_border():
    found = area_of(seen_in(np.s_[40:50], np.s_[1:10], np.s_[50:60]), SHAPE, SPACING_MM)
    assert found == Box((136, 0, 176), (200, 64, 240))


def test_no_organ_or_a_large_area_is_all():
    assert area_of(seen_in(np.s_[:0], np.s_[:0], np.s_[:0]), SHAPE, SPACING_MM) == WHOLE
    assert area_of(seen_in(np.s_[5:], np.s_[2:38], np.s_[3:57]), SHAPE, SPACING_MM) == WHOLE


AREA = Box((96, 16, 64), (200, 96, 176))


def test_an_area_that_holds_its_organs_stays():
    assert grown(AREA, logits_of(np.s_[110:190, 30:60, 80:120]), 2, SHAPE, SPACING_MM) == AREA
    outside = np.s_[0:90, 100:160, 180:240]
    assert grown(AREA, logits_of(outside), 2, SHAPE, SPACING_MM) == AREA


@pytest.mark.parametrize(
    ("box", "start", "stop"),
    [
        (np.s_[90:110, 30:60, 80:120], (64, 16, 64), (200, 96, 176)),
        (np.s_[110:120, 10:60, 80:120], (96, 0, 64), (200, 96, 176)),
        (np.s_[110:120, 30:110, 80:120], (96, 16, 64), (200, 160, 176)),
        (np.s_[110:120, 30:60, 60:120], (96, 16, 0), (200, 96, 176)),
        (np.s_[110:120, 30:60, 80:180], (96, 16, 64), (200, 96, 240)),
        (np.s_[90:110, 30:60, 80:180], (64, 16, 64), (200, 96, 240)),
    ],
)
def test_an_area_grows_where_organs_reach_its_faces(box, start, stop):
    assert grown(AREA, logits_of(box), 2, SHAPE, SPACING_MM) == Box(start, stop)


def test_a_few_voxels_on_a_face_are_no_reason():
    assert grown(AREA, logits_of(np.s_[90:110, 30:36, 80:86]), 2, SHAPE, SPACING_MM) == AREA
    assert grown(AREA, logits_of(np.s_[90:110, 30:36, 80:90]), 2, SHAPE, SPACING_MM) != AREA


def test_only_the_new_part_below_is_looked_at():
    piece, top = unseen(Box((64, 16, 64), (200, 96, 176)), AREA)
    assert piece == Box((64, 16, 64), (96 + SLAB_OVERLAP, 96, 176))
    assert top == 96 + SLAB_OVERLAP // 2
    wider = Box((64, 16, 64), (200, 96, 240))
    assert unseen(wider, AREA) == (wider, 200)
