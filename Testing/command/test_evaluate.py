"""flareseg evaluate: what it prints, what it writes, and its exit codes."""

import numpy as np
import pytest

from FlareSegLib.base.geometry import Labelmap
from FlareSegLib.images.writing import write_labelmap


@pytest.fixture
def folders(phantom, tmp_path):
    truth = phantom[1]
    write_labelmap(truth, tmp_path / "truth" / "case 1" / "label.nii.gz")
    moved = Labelmap(np.roll(truth.array, 1, axis=1), truth.grid)
    write_labelmap(moved, tmp_path / "pred" / "case 1.nii.gz")
    return tmp_path


def test_means_are_printed_and_nothing_is_written(flareseg, folders):
    before = sorted(folders.rglob("*"))
    done = flareseg("evaluate", "truth", "pred", cwd=folders)
    assert done.returncode == 0
    lines = done.stdout.splitlines()
    assert lines[0].split(" | ")[0] == "| organ              "
    assert [line for line in lines if line.startswith("| left kidney ")]
    assert [line for line in lines if line.startswith("| mean ")]
    assert "case case 1" in done.stderr
    assert sorted(folders.rglob("*")) == before


def test_tables_and_plots_are_written(flareseg, folders):
    done = flareseg(
        "evaluate", "truth", "pred", "-o", "out", "--plots", "--against", "truth", "--csv",
        "--organs", "liver,spleen", "--quiet", cwd=folders,
    )  # fmt: skip
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    names = {path.name for path in (folders / "out").iterdir()}
    tables = {"scores.csv", "means.csv", "paired.csv", "evaluation.md"}
    assert names == tables | {"boxes.png", "worst_1_case 1.png"}
    lines = (folders / "scores.csv").read_text(encoding="utf-8").splitlines()
    assert [line.split(",")[:2] for line in lines[1:]] == [
        ["case 1", "liver"],
        ["case 1", "spleen"],
    ]


def test_what_cannot_be_scored_fails_with_one_line(flareseg, folders):
    (folders / "pred" / "case 1.nii.gz").rename(folders / "pred" / "case 2.nii.gz")
    done = flareseg("evaluate", "truth", "pred", "-o", "out", cwd=folders)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.splitlines()[-1] == (
        "flareseg: pred lacks 1 of 1 cases (case 1), it has case 2: segment them, or take their "
        "truth away"
    )
    assert not (folders / "out").exists()


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        ([], "TRUTH, PRED"),
        (["truth"], "PRED"),
        (["truth", "pred", "--plots"], "--plots needs a folder: say -o DIR"),
        (["truth", "pred", "--csv", "a.txt"], "a.txt does not end in .csv"),
        (["truth", "pred", "--sliver-ml", "-1"], "-1 is no volume"),
        (["truth", "pred", "--sliver-ml", "nan"], "nan is no volume"),
        (["truth", "pred", "--absent", "zero"], "'zero'"),
        (["truth", "pred", "--organs", "lung"], "lung is no organ"),
    ],
)
def test_wrong_usage_is_refused_with_a_reason(flareseg, tmp_path, words, reason):
    done = flareseg("evaluate", *words, cwd=tmp_path)
    assert done.returncode == 2
    assert reason in done.stderr.splitlines()[-1]
    assert not list(tmp_path.iterdir())


def test_help_has_examples(flareseg):
    done = flareseg("evaluate", "--help")
    assert done.returncode == 0
    assert "examples:\n  flareseg evaluate " in done.stdout
