"""Two dates: what changed, what cannot be told, and what changes by itself."""

import json

import pytest

from FlareSegLib.base.errors import InputError
from FlareSegLib.command.main import main
from FlareSegLib.followup import compare
from FlareSegLib.followup.compare import read_report, remarks, to_table


def row(key, ml, hu=50.0, *flags):
    core = {"median": hu} if ml else None
    return {
        "key": key, "name": key, "volume_ml": ml, "components": int(ml > 0),
        "core_hu": core, "flags": dict.fromkeys(flags, "..."),
    }  # fmt: skip


def report(*rows, sha256="a", speed="fast"):
    return {"organs": list(rows), "run": {"model": {"sha256": sha256}, "speed": speed}}


def test_percent_and_hu_are_after_against_before(monkeypatch):
    monkeypatch.setattr(compare, "NOISE", {"liver": (5.0, 6.0), "spleen": (15.0, 6.0)})
    before = report(row("liver", 1000, 60), row("spleen", 100))
    after = report(row("liver", 900, 40), row("spleen", 110))
    liver, spleen = compare.compare(before, after)
    assert (liver.percent, liver.hu, liver.is_beyond_noise) == (pytest.approx(-10), -20, True)
    assert (spleen.percent, spleen.is_beyond_noise) == (pytest.approx(10), False)
    assert [line[0] for line in to_table([liver, spleen], []).splitlines()] == [" ", "!", " "]


def test_a_cut_or_absent_organ_has_no_change():
    before = report(row("liver", 1000, 60, "touches_border"), row("spleen", 0), row("aorta", 9))
    after = report(row("liver", 500), row("spleen", 100), row("aorta", 0))
    found = compare.compare(before, after)
    assert [(one.percent, one.is_beyond_noise) for one in found] == [(None, False)] * 3
    assert "cut" in to_table(found, []).splitlines()[1]


def test_another_model_or_speed_is_said():
    a, b = report(row("liver", 1)), report(row("liver", 1), sha256="b", speed="accurate")
    assert len(remarks(a, a)) == 0
    assert len(remarks(a, b)) == 2


def test_every_organ_that_ships_has_a_measured_noise_but_those_said_in_the_docs():
    assert {"liver", "spleen", "pancreas", "stomach"} <= set(compare.NOISE)
    assert all(0 < percent < 200 and 0 < hu < 100 for percent, hu in compare.NOISE.values())


def test_the_command_takes_labelmaps_and_reports_and_writes_a_table(tmp_path, capsys):
    for name, ml in (("a", 1000), ("b", 1500)):
        text = json.dumps(report(row("liver", ml)))
        (tmp_path / f"{name}.report.json").write_text(text)
    words = ["compare", str(tmp_path / "a.nii.gz"), str(tmp_path / "b.report.json")]
    assert main([*words, "--csv", str(tmp_path / "c.csv")]) == 0
    assert "+50 %" in capsys.readouterr().out
    assert "liver" in (tmp_path / "c.csv").read_text()
    assert main([*words, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["organs"][0]["percent"] == 50


def test_what_is_no_report_is_refused(tmp_path):
    (tmp_path / "a.report.json").write_text("[]")
    with pytest.raises(InputError, match="is no report"):
        read_report(tmp_path / "a.nii.gz")
