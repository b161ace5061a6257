"""A mask for each organ, and what values mean, as other programs expect them."""

import csv
import re

import nibabel
import numpy as np

from FlareSegLib.exports.names import write_bids, write_itksnap
from FlareSegLib.exports.split import split_name, write_split
from Testing.flare import BY_KEY, ORGANS
from Testing.phantoms import abdomen

TOTALSEGMENTATOR = {
    "liver", "kidney_right", "spleen", "pancreas", "aorta", "inferior_vena_cava",
    "adrenal_gland_right", "adrenal_gland_left", "gallbladder", "esophagus", "stomach",
    "duodenum", "kidney_left",
}  # fmt: skip
"""Names of its files, version 2."""


def test_names_are_those_of_totalsegmentator():
    assert {split_name(organ.key) for organ in ORGANS} == TOTALSEGMENTATOR
    assert split_name("portal_vein") == "portal_vein"


def test_nibabel_reads_a_mask_of_each_organ_absent_ones_empty(tmp_path):
    labelmap = abdomen((20, 20, 24), (16.0, 15.0, 16.0))[1]
    labelmap.array[labelmap.array == BY_KEY["spleen"].value] = 0
    write_split(labelmap, ORGANS, tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {f"{n}.nii.gz" for n in TOTALSEGMENTATOR}
    for organ in ORGANS:
        mask = np.asarray(nibabel.load(tmp_path / f"{split_name(organ.key)}.nii.gz").dataobj)
        np.testing.assert_array_equal(mask.T, labelmap.array == organ.value)


def test_a_bids_table_has_index_name_and_color(tmp_path):
    write_bids(ORGANS, tmp_path / "o.tsv")
    lines = (tmp_path / "o.tsv").read_text("utf-8").splitlines()
    rows = list(csv.DictReader(lines, delimiter="\t"))
    assert [(int(row["index"]), row["name"]) for row in rows] == [(o.value, o.key) for o in ORGANS]
    assert all(re.fullmatch("#[0-9A-F]{6}", row["color"]) for row in rows)


def test_itksnap_rows_have_its_eight_columns(tmp_path):
    write_itksnap(ORGANS, tmp_path / "o.txt")
    lines = [x for x in (tmp_path / "o.txt").read_text().splitlines() if not x.startswith("#")]
    row = re.compile(r'\s*(\d+)\s+(\d+)\s+(\d+)\s+(\d+)\s+([01])\s+([01])\s+([01])\s+"(.*)"')
    found = [row.fullmatch(line).groups() for line in lines]
    assert [int(one[0]) for one in found] == [0, *(organ.value for organ in ORGANS)]
    assert found[1][1:4] == tuple(str(part) for part in ORGANS[0].color)
