"""What FlareSeg calls of Slicer is in Slicer: held to a list that was recorded from its source."""

import ast
import inspect
import json
import os
import re
from pathlib import Path

import pytest

from Testing.slicer.conftest import MODULE
from Testing.slicer.signatures import LIST, WORDS, record

RECORDED = json.loads(LIST.read_text("utf-8"))
UTIL = "Base/Python/slicer/util.py"
FILES = sorted(MODULE.parent.rglob("*.py"))


def parameters(name, file=UTIL):
    return RECORDED["functions"][f"{file}:{name}"]


def calls_of_util():
    """Yield name and call of each slicer.util.name(...) in the module."""
    for path in FILES:
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            is_call = isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)
            if is_call and ast.unparse(node.func.value) == "slicer.util":
                yield path.name, node.func.attr, node


def test_every_call_of_slicer_util_fits_what_slicer_has():
    found = list(calls_of_util())
    assert len(found) > 15
    for file, name, call in found:
        known = parameters(name)
        takes_more = any(one.startswith("**") for one in known)
        plain = [one for one in known if not one.startswith("*")]
        assert len(call.args) <= len(plain), (file, name)
        for keyword in call.keywords:
            assert takes_more or keyword.arg in plain, (file, name, keyword.arg)


def test_every_name_of_the_application_and_of_widgets_is_one_of_slicers():
    text = "".join(path.read_text("utf-8") for path in FILES)
    qt = {"connect", "disconnect", "clipboard", "processEvents"}  # of QApplication
    names = [word for words in RECORDED["words"].values() for word in words]
    words = {re.split(r"[._]", name)[-1] for name in names}
    used = set(re.findall(r"slicer\.app\.(\w+)", text)) - qt
    assert used <= words, used - words
    assert RECORDED["words"] == WORDS, "a name that is asked for was not found in Slicer"


STAND_INS = {
    "Base/Python/slicer/ScriptedLoadableModule.py": "Testing.slicer.rig.slicer_parts",
    "Modules/Scripted/SampleData/SampleData.py": "Testing.slicer.rig",
    "Base/Python/slicer/i18n.py": "Testing.slicer.rig.slicer_parts",
}


@pytest.mark.skipif(bool(os.environ.get("FLARESEG_SLICER_SOURCE")), reason="no stand-ins are used")
@pytest.mark.parametrize("key", sorted(RECORDED["functions"]))
def test_a_stand_in_takes_nothing_that_slicers_own_does_not(key, module):
    """Its parameters are some of Slicer's, by the same names; a * takes whatever there is."""
    file, name = key.split(":")
    if file not in STAND_INS:
        pytest.skip("real in the rig (slicer-core), or held by other tests")
    import importlib
    import sys

    stem = Path(file).stem
    found = sys.modules.get(stem) or importlib.import_module(f"{STAND_INS[file]}.{stem}")
    for part in name.split("."):
        found = getattr(found, part)
    known = [one.lstrip("*") for one in RECORDED["functions"][key]]
    for one in inspect.signature(found).parameters.values():
        is_open = one.kind in (one.VAR_POSITIONAL, one.VAR_KEYWORD)
        assert is_open or one.name.strip("_") in known, (key, one.name)


def test_the_rigs_own_slicer_util_has_what_was_recorded(module):
    """slicer-core brings Slicer's own util.py: its functions take what the list says."""
    import slicer

    for key, known in RECORDED["functions"].items():
        file, name = key.split(":")
        if file == UTIL and "." not in name:
            found = inspect.signature(getattr(slicer.util, name)).parameters
            assert [one.lstrip("*") for one in known] == list(found), name


@pytest.mark.skipif(
    not os.environ.get("FLARESEG_SLICER_SOURCE"),
    reason="FLARESEG_SLICER_SOURCE names no copy of Slicer's source",
)
def test_the_list_is_that_of_slicers_source():
    source = Path(os.environ["FLARESEG_SLICER_SOURCE"])
    assert record(source, RECORDED["version"]) == RECORDED
