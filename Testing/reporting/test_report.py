"""The report: measured rows, flags, and how they are written."""

import csv
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from FlareSegLib.base.errors import OutputError
from FlareSegLib.base.geometry import Grid, Labelmap, Volume
from FlareSegLib.measuring.measure import measure
from FlareSegLib.measuring.rows import ORGAN_FLAGS, OrganRow
from FlareSegLib.reporting import report
from FlareSegLib.reporting.report import Report, to_table, write_csv, write_json
from Testing.flare import BY_KEY, FLARE, ORGANS
from Testing.phantoms import abdomen

GRID = Grid((7, 9, 11), (5.0, 2.0, 1.0), (-10.0, 20.0, 300.0))  # 0.01 ml per voxel


def scan(**boxes):
    """Return rows by key for organs painted as boxes: key=(z, y, x) slices; HU is 40."""
    labels = np.zeros(GRID.shape, np.uint8)
    for key, box in boxes.items():
        labels[box] = BY_KEY[key].value
    hu = np.full(GRID.shape, 40, np.int16)
    return {row.key: row for row in measure(Labelmap(labels, GRID), Volume(hu, GRID), FLARE).organs}


def at(z, y, x):
    return slice(z, z + 1), slice(y, y + 1), slice(x, x + 1)


def test_every_flag_has_a_sentence_that_needs_no_key():
    row = OrganRow("liver", "liver", 1, components=3, plausible_ml=(600, 3500))
    assert row.sentence("implausible_volume") == "volume is outside the usual 600 to 3500 ml"
    assert row.sentence("several_components") == "is in 3 separate pieces, expected one"
    for flag in ORGAN_FLAGS:
        assert "{" not in row.sentence(flag)
        assert "_" not in row.sentence(flag)


def test_a_scan_without_organs_is_flagged_loudly():
    empty = Report(tuple(scan().values()), {})
    assert empty.flags == ("no_organ_found",)
    assert "! NO ORGAN WAS FOUND" in to_table(empty)


def test_a_liver_left_of_the_spleen_is_flagged():
    liver, spleen = at(3, 4, 2), at(3, 4, 8)  # x grows to the left
    assert Report(tuple(scan(liver=liver, spleen=spleen).values()), {}).flags == ()
    assert Report(tuple(scan(liver=spleen, spleen=liver).values()), {}).flags == ("mirrored",)


def read_strictly(path):
    def refuse(word):
        raise AssertionError(f"{word} is not JSON")

    return json.loads(path.read_text(encoding="utf-8"), parse_constant=refuse)


def test_json_is_strict_and_complete(tmp_path):
    facts = {
        "input": "Bauch Jürgen.nii.gz",
        "seconds": {"read": np.float32(0.5), "network": float("nan")},
        "windows": {"run": np.int64(12)},
        "model": Path("models/a"),
        "versions": report.versions(),
        "grid": report.grid_facts(GRID),
    }
    rows = tuple(scan(liver=at(0, 4, 5)).values())
    path = tmp_path / "r.json"
    write_json(Report(rows, facts, ("2 slices are missing",), "2026-01-02T03:04:05+00:00"), path)
    read = read_strictly(path)
    assert read["schema_version"] == 1
    assert read["disclaimer"] == "research use, not a medical device"
    assert read["created"] == "2026-01-02T03:04:05+00:00"
    assert read["warnings"] == ["2 slices are missing"]
    assert read["run"]["input"] == "Bauch Jürgen.nii.gz"
    assert read["run"]["seconds"] == {"read": 0.5, "network": None}
    assert read["run"]["windows"] == {"run": 12}
    assert read["run"]["model"] == str(Path("models/a"))
    assert read["run"]["grid"]["orientation"] == "LPS"
    assert read["run"]["versions"]["numpy"] == np.__version__
    assert [organ["key"] for organ in read["organs"]] == [organ.key for organ in ORGANS]
    liver, kidney = read["organs"][:2]
    assert liver["volume_ml"] == 0.01
    assert list(liver["flags"]) == ["touches_border"]
    assert kidney["mean_hu"] is None
    assert kidney["flags"] == {"absent": "not found in this scan"}


def test_csv_has_a_line_per_organ(tmp_path):
    path = tmp_path / "r.csv"
    write_csv(Report(tuple(scan(liver=at(3, 4, 5), spleen=at(0, 1, 1)).values()), {}), path)
    with path.open(encoding="utf-8", newline="") as file:
        lines = list(csv.DictReader(file))
    assert [line["key"] for line in lines] == [organ.key for organ in ORGANS]
    liver, kidney = lines[:2]
    assert (liver["volume_ml"], liver["mean_hu"], liver["extent_s_mm"]) == ("0.01", "40.0", "5.0")
    assert liver["flags"] == "implausible_volume"
    assert (kidney["volume_ml"], kidney["mean_hu"], kidney["flags"]) == ("0.0", "", "absent")


def test_nothing_is_left_where_the_report_cannot_be_written(tmp_path):
    (tmp_path / "file").write_text("in the way")
    for write in (write_json, write_csv):
        with pytest.raises(OutputError):
            write(Report((), {}), tmp_path / "file" / "r")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_the_table_is_aligned_and_marks_what_to_look_at():
    rows = scan(liver=at(3, 4, 5), aorta=at(0, 4, 4))
    shown = (
        rows["liver"],
        rows["aorta"],
        rows["inferior_vena_cava"],
        replace(rows["liver"], flags=()),
    )
    lines = to_table(Report(shown, {}, ("a warning",))).splitlines()
    assert lines == [
        "  organ                     ml   core HU  notes",
        "! liver                    0.0         -  volume is outside the usual 600 to 3500 ml",
        "  aorta                  ≥ 0.0         -  reaches the edge of the scan, so part of it may"
        " be missing",
        "! inferior vena cava         -         -  not found in this scan",
        "  liver                    0.0         -",
        "! a warning",
    ]


def test_every_column_of_the_table_holds_what_it_is_called(tmp_path):
    volume, labelmap = abdomen((40, 38, 48), (8.0, 8.0, 8.0))
    found = Report(measure(labelmap, volume, FLARE).organs, {})
    write_csv(found, tmp_path / "t.csv")
    names, *rows = csv.reader((tmp_path / "t.csv").read_text("utf-8").splitlines())
    assert len(set(names)) == len(names)
    assert {len(row) for row in rows} == {len(names)}
    liver = dict(zip(names, rows[0], strict=True))
    assert (liver["state"], liver["confidence"]) == ("whole", "")
    assert float(liver["core_median_hu"]) == float(liver["median_hu"]) == 72
    assert float(liver["core_depth_mm"]) == found.organs[0].core_hu.depth_mm
