"""The whole stage, on phantoms and a network that knows organs by their HU."""

import dataclasses
import json
import re
import sys

import numpy as np
import pytest

pytest.importorskip("matplotlib", reason="extra preview is not installed")

from FlareSegLib.base.confidence_file import read_confidence
from FlareSegLib.base.model_file import read_model_config
from Testing.phantoms import abdomen
from Testing.tiny_model import constant_model, threshold_model, write_model
from Testing.training.small import SHAPE, SPACING_MM, a_config
from training import confidence
from training import config as configs
from training.cases.store import save_ct, save_labels
from training.doubt import fit, runs, scans, speeds
from training.sections.trust import Confidence

WINDOW = (16, 32, 32)


@pytest.fixture
def stage(tmp_path, monkeypatch):
    """Two phantoms, three copies of each, and a model."""
    monkeypatch.setattr(fit, "FOLDS", 2)
    model = write_model(tmp_path / "model", threshold_model(WINDOW), spacing_mm=SPACING_MM)
    told = Confidence(model=model, copies=3, trees=3)
    config = a_config(tmp_path, confidence=told)
    for seed, case in enumerate("ab"):
        volume, truth = abdomen(SHAPE, SPACING_MM, noise_hu=2, seed=seed)
        save_ct(config.work, case, volume.array.astype(np.int16))
        save_labels(config.work, case, truth.array)
        (config.data.cases / case).mkdir(parents=True)
        (config.data.cases / case / "ct.nii.gz").touch()
    return config


def changed(config, **changes):
    return dataclasses.replace(config, confidence=dataclasses.replace(config.confidence, **changes))


def copies(config):
    return runs.lines_of(config.work / "confidence" / "copies.jsonl")


def stopping_after(monkeypatch, count):
    """Let the labelling of copies fail after a few of them; return those that were asked for."""
    asked, real = [], runs.copy_of

    def copy_of(config, entry, way, seed):
        asked.append((entry.case, way))
        if len(asked) > count:
            raise KeyboardInterrupt
        return real(config, entry, way, seed)

    monkeypatch.setattr(runs, "copy_of", copy_of)
    return asked


@pytest.mark.slow
def test_the_stage_writes_a_confidence_that_a_run_reads(stage, capsys):
    confidence.main(stage)
    model = stage.confidence.model
    told = read_confidence(model, read_model_config(model).sha256)
    assert told["figures"]["copies"] == 6
    assert told["figures"]["patients"] == 2
    assert {"liver", "spleen"} <= set(told["organs"])
    assert {"slabs", "first_look", "chance"} <= set(told["features"])
    folder = stage.work / "confidence"
    assert (folder / "calibration.png").read_bytes().startswith(b"\x89PNG")
    figures = json.loads((folder / "figures.json").read_text(encoding="utf-8"), parse_constant=int)
    assert figures["figures"] == told["figures"]
    assert "6 of 6" in capsys.readouterr().out


@pytest.mark.slow
def test_a_stop_leaves_the_old_confidence_and_every_copy_that_was_done(stage, monkeypatch):
    path = stage.confidence.model / "confidence.json"
    confidence.main(stage)
    before, lines = path.read_bytes(), copies(stage)
    with monkeypatch.context() as patch:
        stopping_after(patch, 4)
        with pytest.raises(KeyboardInterrupt):
            confidence.main(stage)
    assert path.read_bytes() == before
    assert copies(stage) == lines[:4]
    asked = stopping_after(monkeypatch, 99)
    confidence.main(stage, resume=True)
    assert asked == [(line["case"], line["way"]) for line in lines[4:]]
    assert copies(stage) == lines
    assert path.read_bytes() == before


@pytest.mark.slow
def test_copies_do_not_depend_on_the_confidence_of_before(stage):
    confidence.main(stage)
    lines = copies(stage)
    confidence.main(stage)
    assert copies(stage) == lines
    assert runs.lines_of(stage.work / "confidence" / "copies_before.jsonl") == lines


@pytest.mark.slow
def test_a_line_that_was_cut_is_made_again(stage):
    confidence.main(stage)
    path, lines = stage.work / "confidence" / "copies.jsonl", copies(stage)
    path.write_text(path.read_text(encoding="utf-8")[:-500], encoding="utf-8")
    assert len(copies(stage)) == 5
    confidence.main(stage, resume=True)
    assert copies(stage) == lines


@pytest.mark.slow
def test_two_processes_write_what_one_does(stage):
    model = stage.confidence.model
    for workers, name in ((1, "one"), (2, "two")):
        runs.write(changed(stage, workers=workers), model, 3, stage.work / name)
    one, two = (runs.lines_of(stage.work / name) for name in ("one", "two"))
    assert sorted(map(json.dumps, two)) == sorted(map(json.dumps, one))


TOML = """
work = {work!r}
[data]
cases = {cases!r}
spacing_mm = {spacing_mm}
[confidence]
model = {model!r}
{more}
"""


def said(monkeypatch, capsys, program, stage, *words, model="", more="copies = 1"):
    """Return the only line that a program says of a config that cannot be used."""
    facts = {"work": str(stage.work), "cases": str(stage.data.cases), "more": more}
    facts |= {"model": str(model or stage.confidence.model), "spacing_mm": list(SPACING_MM)}
    path = stage.work / "config.toml"
    path.write_text(TOML.format(**facts), encoding="utf-8")
    monkeypatch.setattr(sys, "argv", ["program", str(path), *words])
    with pytest.raises(SystemExit) as stop:
        program()
    assert stop.value.code == 1
    (line,) = capsys.readouterr().err.splitlines()
    return line


def learn():
    configs.run_stage(confidence.main)


def another(stage, model=None, **facts):
    """Return the folder of another model."""
    model = model or threshold_model(WINDOW)
    return write_model(stage.work / "other", model, spacing_mm=SPACING_MM, **facts)


def emptied(folder):
    for path in folder.iterdir():
        path.unlink()


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ("copies = 0", "confidence.copies is 0: it must be > 0"),
        ("workers = 0", "confidence.workers is 0: it must be > 0"),
        ("patient = '('", r"confidence.patient is '\(': it must be a regular expression"),
        ("phases.a = 'late'", "confidence.phases.a is 'late': it must be one of unenhanced"),
        ("copies = 1\npatient = '^'", "tells of 1 patient whose truth is known"),
    ],
)
def test_a_wrong_setting_is_said_in_a_line(stage, monkeypatch, capsys, more, words):
    assert re.search(words, said(monkeypatch, capsys, learn, stage, more=more))


@pytest.mark.slow
def test_what_is_missing_is_said_in_a_line(stage, monkeypatch, capsys):
    def line(program=learn, *words, **changes):
        return said(monkeypatch, capsys, program, stage, *words, **changes)

    assert "nowhere" in line(model=stage.work / "nowhere")
    assert "set data.labels" in line(model=another(stage, labels=["liver", "spleen"]))
    blind = another(stage, constant_model(WINDOW))
    assert "the model found no organ in any copy" in line(model=blind)
    assert "run training.confidence first" in line(speeds.main)
    assert "there is no folder nowhere" in line(scans.main, "lines", "--real", "nowhere")
    emptied(stage.work / "labels")
    assert "none of the 2 cases in" in line()
    emptied(stage.work / "ct")
    assert "has no prepared case: run training.prepare" in line()
    assert not (stage.confidence.model / "confidence.json").exists()
