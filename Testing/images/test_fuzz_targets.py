"""The rules of the fuzzers hold for what is valid, for some damage, and for what was found once."""

import logging
from random import Random

import pytest

from FlareSegLib.base.errors import InputError
from FlareSegLib.batch.cases import Case, unique_names
from FlareSegLib.batch.journal import read_journal
from FlareSegLib.batch.manifest import cases_of
from FlareSegLib.inference.flat import with_rows
from Testing.fuzz.mutate import mutated
from Testing.fuzz.targets import TARGETS

ROUNDS = 25


@pytest.mark.parametrize("key", TARGETS)
def test_the_rule_of_a_target_holds_for_seeds_and_for_some_damage(tmp_path, key, caplog):
    caplog.set_level(logging.CRITICAL)
    target, rng = TARGETS[key], Random(key)
    for i, seed in enumerate(target.seeds()):
        for j, data in enumerate([seed, *(mutated(seed, rng) for _ in range(ROUNDS))]):
            folder = tmp_path / f"{i}-{j}"
            folder.mkdir()
            target.check(data, folder)


def test_seeds_are_accepted(tmp_path, caplog):
    """What every seed of a parser is refused for would leave all behind it unseen."""
    for key, target in TARGETS.items():
        for i, seed in enumerate(target.seeds()):
            folder = tmp_path / f"{key}-{i}"
            folder.mkdir()
            target.rule(seed, folder)


# found by fuzzing with coverage


def test_a_name_of_data_that_is_too_long_is_refused_as_such(tmp_path):
    header = "NDims = 3\nDimSize = 2 2 2\nElementSize = 1 1 1\nElementType = MET_SHORT\n"
    header += f"ElementDataFile = {'x' * 400}"
    from FlareSegLib.images.headers.meta import meta_header

    (tmp_path / "a.mhd").write_text(header)
    with pytest.raises(InputError):
        meta_header(tmp_path / "a.mhd")
    short = header.replace("x" * 400, "é" * 130)  # 260 bytes
    (tmp_path / "a.mhd").write_text(short, encoding="latin-1")
    with pytest.raises(InputError, match="a single file in the same folder"):
        meta_header(tmp_path / "a.mhd")


def test_a_line_that_a_table_repeats_is_one_case(tmp_path, caplog):
    table = tmp_path / "list.csv"
    table.write_text("path,case\na.nii,x\nb.nii,x\na.nii,x\n")
    cases = cases_of(table)
    assert [case.place for case in cases] == ["a.nii", "b.nii"]
    assert len({case.name for case in cases}) == 2
    assert "1 lines repeat others" in caplog.text


def test_names_stay_apart_where_the_checksums_of_their_places_are_the_same(tmp_path, monkeypatch):
    monkeypatch.setattr("FlareSegLib.batch.cases._digest", lambda _: "00000000")
    places = ("a", "b", "c")
    cases = [Case("x", tmp_path / place, place) for place in places]
    cases.append(Case("x-00000000-2", tmp_path / "d", "d"))
    names = [case.name for case in unique_names(cases)]
    assert names == ["x-00000000", "x-00000000-3", "x-00000000-4", "x-00000000-2"]


@pytest.mark.parametrize("key", ["report", "model-json"])
@pytest.mark.parametrize("text", ["[" * 10_000, '{"a":' * 10_000])
def test_json_that_is_nested_too_deep_is_none(tmp_path, key, text):
    TARGETS[key].check(text.encode(), tmp_path)


def test_a_journal_with_a_line_nested_too_deep_is_read(tmp_path, caplog):
    (tmp_path / "j").write_text("[" * 10_000 + '\n{"case": "a"}\n')
    assert read_journal(tmp_path / "j") == [{"case": "a"}]


def test_a_volume_that_no_float_can_hold_makes_a_report_unfinished(tmp_path):
    seed = TARGETS["report"].seeds()[0]
    TARGETS["report"].rule(seed.replace(b"1500.5", b"1" + b"0" * 400), tmp_path)


def test_a_number_without_end_in_a_network_is_refused_at_once():
    with pytest.raises(ValueError, match="number too long"):
        with_rows(b"\xff" * 1_000_000 + b"\0", 96, 64)
