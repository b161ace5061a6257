"""Recipes for other package managers say what pyproject.toml says, and no image runs as root."""

import re
import tomllib
from pathlib import Path

import pytest

from FlareSegLib import __version__
from FlareSegLib.base.extras import EXTRAS

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
DOCKER = (ROOT / "packaging" / "Dockerfile").read_text("utf-8")
APPTAINER = (ROOT / "packaging" / "flareseg.def").read_text("utf-8")
CONDA = (ROOT / "packaging" / "conda" / "meta.yaml").read_text("utf-8")
WORKFLOW = (ROOT / ".github" / "workflows" / "test.yml").read_text("utf-8")


def test_conda_needs_what_the_wheel_needs():
    run = CONDA.partition("  run:\n")[2].partition("  run_constrained")[0]
    found = {re.sub(r"[ -]", "", line).lower() for line in run.splitlines() if line.strip()}
    wanted = {one.replace("-", "").lower() for one in PROJECT["dependencies"]}
    assert found == wanted | {"python" + PROJECT["requires-python"]}
    assert f'version = "{__version__}"' in CONDA


def test_the_image_runs_as_a_user_and_needs_no_network_to_run():
    lines = DOCKER.splitlines()
    user = next(i for i, line in enumerate(lines) if line.startswith("USER "))
    assert lines[user] != "USER root"
    assert user > max(i for i, line in enumerate(lines) if line.startswith("RUN"))
    assert 'ENTRYPOINT ["flareseg"]' in lines


@pytest.mark.parametrize("text", [DOCKER, APPTAINER])
def test_images_install_extras_that_there_are(text):
    (said,) = re.findall(r"\[([a-z,]+)\]'", text)
    assert set(said.split(",")) <= set(EXTRAS)


def test_all_three_systems_are_tested_with_the_oldest_and_newest_python():
    assert {"ubuntu-latest", "windows-latest", "macos-latest"} <= set(
        re.findall(r"\w+-latest", WORKFLOW)
    )
    named = [c.rpartition(":: ")[2] for c in PROJECT["classifiers"] if "Python :: 3." in c]
    assert f'"{named[0]}", "{named[-1]}"' in WORKFLOW
