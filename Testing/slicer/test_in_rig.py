"""in_rig.sh where the rig cannot be had: it says so, and never passes for a run of the rig."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parent / "in_rig.sh"
TOOLS = ("sh", "dirname", "rm", "cat", "grep", "tail", "touch")


@pytest.fixture
def tree(tmp_path):
    """A source tree with a stand-in for .venv, on a machine without Python 3.12."""
    (tmp_path / "Testing" / "slicer").mkdir(parents=True)
    shutil.copy(SCRIPT, tmp_path / "Testing" / "slicer")
    (tmp_path / "pyproject.toml").write_text("", encoding="utf-8")
    python = tmp_path / ".venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text('#!/bin/sh\necho "plain python: $*"\n', encoding="utf-8")
    python.chmod(0o755)
    (tmp_path / "bin").mkdir()
    for name in TOOLS:
        (tmp_path / "bin" / name).symlink_to(shutil.which(name))
    return tmp_path


def run(tree, **more):
    environment = {"PATH": str(tree / "bin"), "PYTHON": "no-such-python", **more}
    script = tree / "Testing" / "slicer" / "in_rig.sh"
    return subprocess.run(
        [script, "-m", "pytest"], env=environment, capture_output=True, text=True, check=False
    )


pytestmark = pytest.mark.skipif(os.name == "nt", reason="a shell script")


def test_a_missing_rig_is_said_and_plain_python_runs_the_rest(tree):
    done = run(tree)
    assert (done.returncode, done.stdout) == (0, "plain python: -m pytest\n")
    assert "RIG OF THE SLICER MODULE IS MISSING: there is no Python 3.12" in done.stderr
    assert "skipped" in done.stderr


def test_a_missing_rig_is_an_error_where_it_is_required(tree):
    done = run(tree, RIG="required")
    assert (done.returncode, done.stdout) == (1, "")
    assert "MISSING" in done.stderr


def test_the_reason_of_pip_is_passed_on(tree):
    (tree / "bin" / "python3.12").write_text(FAKE, encoding="utf-8")
    (tree / "bin" / "python3.12").chmod(0o755)
    for name in ("mkdir", "cp", "chmod"):
        (tree / "bin" / name).symlink_to(shutil.which(name))
    done = run(tree)
    assert "MISSING: ERROR: No matching distribution found for slicer-core." in done.stderr
    assert done.stdout == "plain python: -m pytest\n"
    assert not (tree / ".venv-rig" / ".ready").exists()


FAKE = """#!/bin/sh
case "$*" in
*"-m venv"*) mkdir -p .venv-rig/bin; cp "$0" .venv-rig/bin/python ;;
*"-m pip"*) echo "ERROR: No matching distribution found for slicer-core" >&2; exit 1 ;;
esac
"""
"""A Python 3.12 for which there is no wheel."""
