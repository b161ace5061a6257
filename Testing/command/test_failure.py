"""What fails ends with one line and code 1; what is stopped leaves nothing."""

import signal
import subprocess
import sys

import numpy as np
import pytest
import SimpleITK as sitk

from FlareSegLib import pipeline
from FlareSegLib.base.errors import Cancelled, InputError
from FlareSegLib.command.main import main
from Testing.command.conftest import COMMAND, ENVIRONMENT, LEAN


def write_text(path):
    path.write_text("this is no image", encoding="utf-8")


def write_thin(path):
    sitk.WriteImage(sitk.GetImageFromArray(np.zeros((3, 20, 20), np.int16)), str(path))


@pytest.mark.parametrize(
    ("write", "name", "out"),
    [
        (None, "missing.nii.gz", "o.nii.gz"),
        (write_text, "text.nii.gz", "o.nii.gz"),
        (write_thin, "thin.nii.gz", "o.nii.gz"),
        (write_text, "text.nii.gz", "o.jpg"),
    ],
)
def test_bad_input_is_one_line_and_nothing_is_written(flareseg, model, tmp_path, write, name, out):
    if write:
        write(tmp_path / name)
    before = sorted(tmp_path.iterdir())
    words = ("segment", name, "-o", out, "--model", model, "--quiet", *LEAN)
    done = flareseg(*words, cwd=tmp_path)
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.startswith("flareseg: ")
    assert len(done.stderr.splitlines()) == 1
    assert sorted(tmp_path.iterdir()) == before


def test_changed_weights_are_refused(flareseg, ct, model, tmp_path):
    (tmp_path / "model").mkdir()
    for path in model.iterdir():
        (tmp_path / "model" / path.name).write_bytes(path.read_bytes())
    (tmp_path / "model" / "model.onnx").write_bytes(b"something else")
    out = tmp_path / "o.nii.gz"
    done = flareseg("segment", ct, "-o", out, "--model", tmp_path / "model", "--quiet", *LEAN)
    assert done.returncode == 1
    assert "sha256" in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


@pytest.mark.skipif(sys.platform == "win32", reason="signals differ on Windows")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_stopped_run_leaves_nothing(ct, endless, tmp_path, number):
    out = tmp_path / "out" / "o.nii.gz"
    words = ["segment", str(ct), "-o", str(out), "--model", str(endless), *LEAN]
    words += ["--speed", "accurate", "--no-skip-air"]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    run = subprocess.Popen([*COMMAND, *words], env=ENVIRONMENT, **pipes)
    while not run.stderr.readline().endswith(" s  network\n"):
        assert run.poll() is None, "the run ended before it could be stopped"
    run.send_signal(number)
    said = run.communicate(timeout=60)
    assert run.returncode == 128 + number
    assert said == ("", "flareseg: stopped, nothing written\n")
    assert not list(tmp_path.rglob("*.*"))


@pytest.mark.parametrize(
    ("error", "code", "line"),
    [
        (InputError("too thin: 3 slices"), 1, "flareseg: too thin: 3 slices"),
        (Cancelled("by callback"), 130, "flareseg: stopped, nothing written"),
        (KeyboardInterrupt(), 130, "flareseg: stopped, nothing written"),
        (RuntimeError("a\nb"), 1,
         "flareseg: unexpected RuntimeError: a b (run with --debug for the traceback)"),
    ],
)  # fmt: skip
def test_every_error_becomes_a_line_and_a_code(monkeypatch, capsys, error, code, line):
    def fail(*_):
        raise error

    monkeypatch.setattr(pipeline, "segment_file", fail)
    assert main(["segment", "in.nii", "-o", "out.nii", "--quiet"]) == code
    assert capsys.readouterr().err.splitlines() == [line]


def test_debug_shows_the_traceback(monkeypatch, capsys):
    monkeypatch.setattr(pipeline, "segment_file", None)
    assert main(["segment", "in.nii", "-o", "out.nii", "--quiet", "--debug"]) == 1
    assert "Traceback (most recent call last)" in capsys.readouterr().err
