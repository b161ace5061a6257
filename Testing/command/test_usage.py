"""Help, version, info, and what is refused with exit code 2."""

import json
import os
import subprocess

import pytest

from FlareSegLib import __version__
from Testing.command.conftest import COMMAND, ENVIRONMENT
from Testing.flare import ORGANS

KEYS = ", ".join(organ.key for organ in ORGANS)


def test_version(flareseg):
    done = flareseg("--version")
    assert (done.returncode, done.stdout, done.stderr) == (0, f"flareseg {__version__}\n", "")


@pytest.mark.parametrize("words", [["--help"], ["segment", "--help"]])
def test_help_has_examples(flareseg, words):
    done = flareseg(*words)
    assert done.returncode == 0
    assert "examples:\n  flareseg " in done.stdout
    assert done.stderr == ""


def test_info_tells_versions_machine_and_where_the_files_are(flareseg):
    done = flareseg("info")
    words = (
        "flareseg " + __version__,
        "Python",
        "numpy",
        "onnxruntime",
        "cores",
        "memory",
        "Resources",
    )
    assert done.returncode == 0
    assert [word for word in words if word not in done.stdout] == []
    assert done.stderr == ""


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        ([], "COMMAND"),
        (["segmnt"], "segmnt is no command: did you mean segment?"),
        (["frobnicate"], "frobnicate is no command: choose from segment"),
        (["segment"], "INPUT"),
        (["segment", "a.nii"], "-o"),
        (["segment", "a.nii", "-o", "b.nii", "--organs", "liver,lung"], "lung is no organ: choose"),
        (["segment", "a.nii", "-o", "b.nii", "--organs", "Livr"], "Livr is no organ: did you mean"),
        (["segment", "a.nii", "-o", "b.nii", "--organs", "kidney"], "right_kidney, left_kidney?"),
        (["segment", "a.nii", "-o", "b.nii", "--organs", "all,liver"], KEYS),
        (["segment", "a.nii", "-o", "b.nii", "--organs", ","], "nothing is no organ"),
        (["segment", "a.nii", "-o", "b.nii", "--speed", "warp"], "'warp'"),
        (["segment", "a.nii", "-o", "b.nii", "--threads", "-1"], "-1 is no count"),
        (["segment", "a.nii", "-o", "b.nii", "--hu-offset", "nan"], "nan is no number of HU"),
        (["segment", "-o", "b.nii", "a.nii", "--csv", "a.nii"], "a.nii does not end in .csv"),
        (["segment", "a.nii", "-o", "./a.nii"], "OUT is INPUT"),
    ],
)  # fmt: skip
def test_wrong_usage_is_refused_with_a_reason(flareseg, tmp_path, words, reason):
    done = flareseg(*words, cwd=tmp_path)
    assert done.returncode == 2
    assert reason in done.stderr.splitlines()[-1]
    assert done.stdout == ""
    assert not list(tmp_path.iterdir())


def test_a_reader_that_leaves_is_no_error():
    read_end, write_end = os.pipe()
    os.close(read_end)
    done = subprocess.run(
        [*COMMAND, "info"], stdout=write_end, stderr=subprocess.PIPE, env=ENVIRONMENT, text=True
    )
    os.close(write_end)
    assert (done.returncode, done.stderr) == (0, "")


def test_info_speaks_json(flareseg):
    facts = json.loads(flareseg("info", "--json").stdout)
    assert facts["flareseg"] == __version__
    assert facts["packages"]["numpy"]
    assert any(one.get("sha256") for one in facts["models"])
