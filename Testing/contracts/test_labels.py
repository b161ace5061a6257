"""The 13 organs never change their values or keys: files out there depend on them."""

from Testing.flare import ORGANS

FLARE22 = [
    "liver",
    "right_kidney",
    "spleen",
    "pancreas",
    "aorta",
    "inferior_vena_cava",
    "right_adrenal_gland",
    "left_adrenal_gland",
    "gallbladder",
    "esophagus",
    "stomach",
    "duodenum",
    "left_kidney",
]
# NSD tolerances of the public evaluation script, in mm.
TOLERANCES_MM = [5, 3, 3, 5, 2, 2, 2, 2, 2, 3, 5, 7, 3]


def test_values_and_keys_follow_flare22():
    assert [organ.key for organ in ORGANS] == FLARE22
    assert [organ.value for organ in ORGANS] == list(range(1, 14))


def test_tolerances_are_those_of_the_challenge():
    assert [organ.tolerance_mm for organ in ORGANS] == TOLERANCES_MM


def test_names_and_colors_are_unique():
    assert len({organ.name for organ in ORGANS}) == 13
    assert len({organ.color for organ in ORGANS}) == 13
    assert all(0 <= part <= 255 for organ in ORGANS for part in organ.color)


def test_a_code_with_a_side_is_unique():
    assert len({(organ.snomed, organ.side) for organ in ORGANS}) == 13


def test_sides_match_names():
    sides = {organ.key: organ.side for organ in ORGANS}
    assert all((side or "") == key.split("_")[0] for key, side in sides.items() if side)
    assert sum(side is not None for side in sides.values()) == 4


def test_plausible_ranges_are_ranges():
    assert all(0 < low < high for low, high in (organ.plausible_ml for organ in ORGANS))
