"""Scans that are not ours: how they are made, and the tables of what is said of them."""

from dataclasses import asdict, replace

import numpy as np
import pytest

from Testing.measuring.seen import GOOD_SCAN, gone, phantom_rows
from training.doubt import scan_table, scans
from training.doubt.foreign import KINDS


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_gives_a_ct_and_labels_on_one_grid_and_leaves_the_first_alone(copy, kind):
    before = copy.hu.copy(), copy.labels.copy()
    found = KINDS[kind].make(copy, np.random.default_rng(3))
    assert found.labelmap.grid == found.volume.grid
    assert found.hu.std() > 50
    assert np.array_equal(before[0], copy.hu)
    assert np.array_equal(before[1], copy.labels)


def test_halves_share_no_slice_and_leave_none_out(copy):
    upper, lower = (KINDS[name].make(copy, None) for name in ("upper_half", "lower_half"))
    assert np.array_equal(np.concatenate([lower.hu, upper.hu]), copy.hu)
    assert not np.isin((2, 13), upper.labels[5:]).all()  # kidneys lie low


def test_a_pelvis_and_a_chest_have_no_solid_organ_left_but_their_edge(copy):
    pelvis, chest = (KINDS[name].make(copy, None) for name in ("pelvis", "chest"))
    assert not np.isin(pelvis.labels, (1, 2, 3, 4, 13)).any()
    assert not (chest.labels[1:] == 1).any()


def line(kind, rows, scan=GOOD_SCAN, before=100, true_ml=1.0):
    organs = {
        key: {**asdict(row), "evidence": {}, "true_ml": true_ml, "dsc": None}
        for key, row in rows.items()
    }
    return {
        "kind": kind, "organs": organs, "scan": asdict(scan), "removed_ml": {},
        "voxels_before": [before] * 14,
    }  # fmt: skip


def test_scans_are_counted_by_what_is_said_of_them_now():
    rows = phantom_rows()
    lines = [
        line("as_it_is", rows),
        line("child", rows, replace(GOOD_SCAN, width_mm=180)),
        {**line("child", rows), "is_new": True},
        {"kind": "mr", "refused": "no CT"},
    ]
    table = scan_table.kinds_table(lines).splitlines()
    assert "| a CT with organs | 1 of 1 have no flag |  | nothing |" in table
    assert "| a child | 1 of 1 | 0 of 1 | `small_body` 1 |" in table
    assert "| like an MR | 1 of 1 |  | `refused` 1 |" in table


def test_organs_that_are_gone_are_counted_by_their_state():
    rows = phantom_rows()
    lost = {key: gone(row) if key in ("gallbladder", "liver") else row for key, row in rows.items()}
    one = line("erased", lost)
    for key in ("gallbladder", "liver", "spleen"):
        one["organs"][key]["true_ml"] = 0.0
    (row,) = [r for r in scan_table.states_table([one]).splitlines() if "erased" in r]
    cells = dict(zip(scan_table.STATES, map(int, row.split("|")[3:-1]), strict=True))
    assert row.split("|")[2].strip() == "3"
    assert cells["found, not doubtful"] == 1
    assert cells["absent"] + cells["out_of_field"] == 2


def test_a_copy_comes_out_of_a_file_as_it_went_in(copy):
    found = scans._reread(copy)
    assert np.array_equal(found.array, copy.volume.array)
    assert found.grid == copy.volume.grid
