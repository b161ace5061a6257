"""What the network knew, on logits made by hand."""

import numpy as np
import pytest

from FlareSegLib.base.geometry import Grid, Labelmap
from FlareSegLib.inference.looks import Looks
from FlareSegLib.measuring.evidence import at_cells, evidence

MM = (4.0, 3.0, 3.0)


def labelled(shape=(8, 10, 12)):
    labels = np.zeros(shape, np.uint8)
    labels[2:6, 3:8, 4:9] = 1
    return labels


def logits_of(labels, sure):
    logits = np.zeros((*labels.shape, 3), np.float16)
    for value in range(3):
        logits[..., value][labels == value] = sure
    return logits


def seen(labels, logits, first=None, slabs=((0, 0, 0), (0, 0, 0))):
    grid, looks = Grid(labels.shape, MM), Looks(3)
    looks.first = first
    looks.both, looks.total = (np.array(counts) for counts in slabs)
    return evidence(logits, MM, Labelmap(labels, grid), (0, 1, 2), looks).organs


def test_probabilities_are_the_softmax_of_the_logits():
    labels = labelled()
    found = seen(labels, logits_of(labels, 2.0))[1]
    sure = np.exp(2.0) / (np.exp(2.0) + 2)
    assert found["cells"] == 4 * 5 * 5
    for name in ("chance", "chance_border", "chance_inside"):
        assert found[name] == pytest.approx(sure, abs=1e-3)
    assert found["margin"] == pytest.approx(2.0, abs=1e-2)
    assert found["rivals"] == pytest.approx(1 / (np.exp(2.0) + 2), abs=1e-3)
    assert found["border"] == pytest.approx(1 - 2 * 3 * 3 / 100)
    assert found["unsure"] == 0.0


def test_what_was_left_out_is_told_from_what_lies_beside():
    labels = labelled()
    logits = logits_of(labels, 4.0)
    logits[6, 3:8, 4:9] = (0.1, 0.0, -9.0)  # a slice above, nearly an organ
    found = seen(labels, logits)[1]
    plain = seen(labels, logits_of(labels, 4.0))[1]
    assert found["missed"] > plain["missed"] + 0.05
    assert found["faint"] == plain["faint"] + 25


def test_an_organ_that_is_not_there_has_no_chance_but_perhaps_a_trace():
    labels = labelled()
    logits = logits_of(labels, 4.0)
    logits[2:4, 3:5, 2:4] = (0.2, -9.0, 0.1)
    found = seen(labels, logits)[2]
    assert "chance" not in found
    assert found["cells"] == 0
    assert found["faint"] == 8
    assert found["most"] == pytest.approx(1 / (1 + np.exp(0.1)), abs=1e-3)


def test_doubt_is_what_is_left_of_the_highest_probability_on_the_grid_of_the_logits():
    labels = np.repeat(labelled(), 2, 0)  # voxels of 2 mm under cells of 4
    grid = Grid(labels.shape, (2.0, 3.0, 3.0), (5.0, -7.0, 11.0))
    logits = logits_of(labelled(), 2.0)
    doubt = evidence(logits, MM, Labelmap(labels, grid), (0, 1, 2)).doubt
    assert doubt.array[3, 4, 5] == round(200 / (np.exp(2.0) + 2))
    assert doubt.array[7, 9, 11] == 0  # far from every organ
    assert doubt.grid.spacing_mm == MM
    assert doubt.grid.origin == (5.0, -7.0, 12.0)  # cells are centred between two slices


def test_an_organ_at_the_end_of_the_scan_has_its_border_there():
    labels = labelled()
    assert seen(labels, logits_of(labels, 2.0))[1]["edge"] == 0
    labels[:2] = labels[2]
    assert seen(labels, logits_of(labels, 2.0))[1]["edge"] > 0.1


def test_looks_agree_by_their_dsc_as_if_a_few_cells_more_agreed_by_60_percent():
    labels = np.repeat(np.repeat(np.repeat(labelled((8, 10, 12)), 2, 0), 2, 1), 2, 2)
    first = labels[::2, ::2, ::2].copy()
    assert seen(labels, logits_of(labels, 2.0), first)[1]["first_look"] == pytest.approx(
        (2 * 100 + 6 * 0.6) / (2 * 100 + 6)
    )
    halved = first.copy()
    rows = np.flatnonzero(halved.any(axis=(0, 1)))
    halved[:, :, rows[: len(rows) // 2]] = 0
    kept, whole = np.count_nonzero(halved), np.count_nonzero(first)
    found = seen(labels, logits_of(labels, 2.0), halved)[1]["first_look"]
    assert found == pytest.approx((2 * kept + 6 * 0.6) / (kept + whole + 6))


def test_slabs_agree_by_the_dsc_of_what_both_hold_and_say_nothing_of_other_organs():
    labels = labelled()
    found = seen(labels, logits_of(labels, 2.0), slabs=((900, 30, 0), (1900, 80, 0)))
    assert found[1]["slabs"] == pytest.approx((2 * 30 + 6 * 0.6) / (80 + 6))
    assert np.isnan(found[2]["slabs"])
    assert np.isnan(seen(labels, logits_of(labels, 2.0))[1]["slabs"])


def test_a_hairs_breadth_in_the_logits_is_one_in_every_number():
    random = np.random.default_rng(0)
    labels = labelled((16, 20, 24))
    logits = logits_of(labels, 1.0) + random.normal(0, 1, (*labels.shape, 3)).astype(np.float16)
    other = logits + random.normal(0, 0.003, logits.shape).astype(np.float16)
    one, two = seen(labels, logits)[1], seen(labels, other)[1]
    for name, value in one.items():
        assert two[name] == pytest.approx(value, rel=0.004, abs=0.002, nan_ok=True), name


@pytest.mark.parametrize("mm", [(4.0, 3.0, 3.0), (2.0, 1.0, 1.5), (10.0, 0.7, 0.7)])
def test_labels_at_cells_are_those_at_their_middle(mm):
    shape = tuple(round(80 / step) for step in mm)
    labels = np.zeros(shape, np.uint8)
    labels[:, : shape[1] // 2] = 3
    cells = at_cells(Labelmap(labels, Grid(shape, mm)), (20, 26, 26, 5), MM)
    assert (cells[:, :12] == 3).all()
    assert (cells[:, 14:] == 0).all()


@pytest.mark.parametrize("factor", [1 - 1e-12, 1, 1 + 1e-12])
def test_rounding_of_the_spacing_moves_no_cell(factor):
    labels = np.arange(12, dtype=np.uint8).reshape(12, 1, 1)
    grid = Grid(labels.shape, (2.5 * factor, 5.0, 5.0))
    cells = at_cells(Labelmap(labels, grid), (6, 1, 1, 5), (5.0, 5.0, 5.0))
    assert cells.ravel().tolist() == [1, 3, 5, 7, 9, 11]


def test_classes_are_told_by_the_values_that_they_have():
    labels = labelled()
    grid, values = Grid(labels.shape, MM), (0, 40, 7)
    moved = Labelmap(np.where(labels == 1, 40, 0).astype(np.uint8), grid)
    found = evidence(logits_of(labels, 2.0), MM, moved, values).organs
    assert set(found) == {40, 7}
    assert found[40]["chance"] == seen(labels, logits_of(labels, 2.0))[1]["chance"]


def test_a_part_at_a_time_gives_the_same(monkeypatch):
    labels = labelled()
    logits = np.random.default_rng(0).normal(0, 2, (*labels.shape, 3)).astype(np.float16)
    whole = seen(labels, logits)
    monkeypatch.setattr("FlareSegLib.measuring.evidence.MOST_NUMBERS", 100)
    for value, parts in seen(labels, logits).items():
        assert parts == pytest.approx(whole[value], nan_ok=True)
