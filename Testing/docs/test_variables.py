"""Every FLARESEG_ variable that the code reads is documented, and no other."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]


def named(*paths):
    return {
        name for path in paths for name in re.findall(r"FLARESEG_[A-Z]+", path.read_text("utf-8"))
    }


def test_variables_are_those_of_the_docs():
    code = named(*(ROOT / "FlareSegLib").rglob("*.py"), ROOT / "docs" / "pacs" / "orthanc.lua")
    table = (ROOT / "docs" / "outputs.md").read_text("utf-8").partition("| variable")[2]
    assert set(re.findall(r"FLARESEG_[A-Z]+", table)) == code
