"""One CT, and what can go wrong around it: one line, an exit code, and nothing half-done."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from FlareSegLib.base.errors import InputError
from FlareSegLib.images import reading
from FlareSegLib.images.dicom import series
from FlareSegLib.images.reading import read_volume
from Testing.command.conftest import COMMAND, ENVIRONMENT, LEAN
from Testing.dicom_series import write_series
from Testing.fuzz.seeds import SEEDS

ALONE = ("unshare", "--map-root-user", "--mount")
"""In a namespace of its own anybody may mount."""


@pytest.fixture(scope="session")
def on_disk():
    """Run segment with its output on a small or read-only disk; say what lies there then."""
    if sys.platform != "linux" or subprocess.run([*ALONE, "true"], check=False).returncode:
        pytest.skip("needs user namespaces of Linux")

    def run(folder, options, *words):
        said = " ".join(map(str, [*COMMAND, "segment", *words, *LEAN, "--quiet"]))
        script = f"mount -t tmpfs -o {options} tmpfs {folder} || exit 77; cd {folder}; {said}; "
        script += "code=$?; echo HERE $(ls -A); exit $code"
        return subprocess.run(
            [*ALONE, "sh", "-c", script],
            capture_output=True,
            text=True,
            env=ENVIRONMENT,
            timeout=120,
            check=False,
        )

    return run


@pytest.mark.parametrize(
    ("size", "more"),
    [
        ("64k", ["-o", "o.nii"]),  # the labelmap has 73 kB
        ("12k", ["-o", "o.nii.gz", "--preview"]),  # the labelmap has 1 kB, the picture 100
    ],
)
def test_a_disk_that_fills_up_is_one_line_and_nothing_is_left(
    on_disk, ct, model, tmp_path, size, more
):
    done = on_disk(tmp_path, f"size={size}", ct, *more, "--model", model)
    assert done.returncode == 1, done.stderr
    said = [line for line in done.stderr.splitlines() if not line.startswith("** ERROR: NWAD")]
    assert len(said) == 1  # besides what ITK's NIfTI library prints
    assert "the disk is full: free some space" in said[0]
    assert done.stdout.splitlines()[-1] == "HERE"


def test_a_disk_with_room_holds_all_files(on_disk, ct, model, tmp_path):
    done = on_disk(tmp_path, "size=1m", ct, "-o", "o.nii", "--preview", "--model", model)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "HERE o.nii o.png o.report.json"


def test_a_read_only_disk_is_refused_before_the_work(on_disk, ct, model, tmp_path):
    done = on_disk(tmp_path, "size=1m,ro", ct, "-o", "o.nii.gz", "--model", model)
    assert done.returncode == 1
    assert "read-only: choose another folder" in done.stderr
    assert done.stdout.splitlines()[-1] == "HERE"


def changed_model(model, tmp_path, **facts):
    folder = shutil.copytree(model, tmp_path / "model")
    known = json.loads((folder / "model.json").read_text("utf-8"))
    (folder / "model.json").write_text(json.dumps(known | facts), "utf-8")
    return folder


@pytest.mark.parametrize(
    ("facts", "words"),
    [
        ({"sha256": "0" * 64}, "model.json says 000000000000...: restore the model folder"),
        ({"schema_version": 2}, "reads 1: update FlareSeg, or take a model made for this version"),
    ],
)
def test_a_wrong_model_is_one_line_with_a_cure(flareseg, ct, model, tmp_path, facts, words):
    folder = changed_model(model, tmp_path, **facts)
    out = tmp_path / "out" / "o.nii.gz"
    done = flareseg("segment", ct, "-o", out, "--model", folder, "--quiet", *LEAN)
    assert done.returncode == 1
    assert done.stderr.startswith("flareseg: ")
    assert done.stderr.endswith(words + "\n")
    assert not out.parent.exists()


# input that changes while it is read


def test_a_slice_that_vanishes_while_a_series_is_read_is_refused(tmp_path, monkeypatch):
    folder = write_series(tmp_path / "s")
    real = series._series_slices

    def vanish(*words):
        slices = real(*words)
        slices[0][5].path.unlink()
        return slices

    monkeypatch.setattr(series, "_series_slices", vanish)
    with pytest.raises(InputError, match="s cannot be read"):
        read_volume(folder)


@pytest.mark.parametrize("key", ["nii", "niigz", "nrrd", "mha"])
@pytest.mark.parametrize("act", ["remove", "cut", "replace"])
def test_a_file_that_changes_while_it_is_read_is_refused(tmp_path, monkeypatch, key, act):
    path = SEEDS[key](tmp_path / "s")
    real = reading.check_header

    def changing(file: Path, format_name):
        header = real(file, format_name)
        content = file.read_bytes()
        file.unlink()
        if act == "cut":
            file.write_bytes(content[:-100])
        if act == "replace":
            file.write_bytes(content)
        return header

    monkeypatch.setattr(reading, "check_header", changing)
    with pytest.raises(InputError, match=r"cannot be read|cut off|changed while it was read"):
        read_volume(path)
