"""What messages tell people to install is what pyproject.toml asks for."""

import tomllib
from pathlib import Path

import pytest

from FlareSegLib.base.extras import EXTRAS, how_to_get

ROOT = Path(__file__).parents[2]
DECLARED = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"][
    "optional-dependencies"
]


@pytest.mark.parametrize("extra", sorted(EXTRAS))
def test_messages_and_pyproject_name_the_same_packages(extra):
    assert list(EXTRAS[extra]) == DECLARED[extra]
    assert all(f"'{package}'" in how_to_get(extra) for package in DECLARED[extra])


def test_no_message_names_an_index_that_has_no_flareseg():
    texts = {path: path.read_text("utf-8") for path in (ROOT / "FlareSegLib").rglob("*.py")}
    assert [path.name for path, text in texts.items() if "install 'flareseg[" in text] == []
