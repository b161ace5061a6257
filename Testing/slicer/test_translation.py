"""Texts for people go through _(), as constants that a translator can find."""

import ast
import re

from Testing.slicer.conftest import MODULE

FILES = [path for folder in ("", "FlareSegUI") for path in (MODULE.parent / folder).glob("*.py")]
SENTENCE = re.compile(r"^[A-Z][a-z]+ .*[a-z]{2}")
"""What people would read: words, the first one with a capital."""
NOT_SHOWN = {
    "Segmentation category and type - FlareSeg": "the name of a terminology",
    "Segmentation category and type - DICOM master list": "the name of a terminology",
    "Anatomic codes - DICOM master list": "the name of a terminology",
    "Decimation factor": "a parameter of Slicer",
    "Slicer (.seg.nrrd)": "the name of a program",
}
NOT_SHOWN |= dict.fromkeys(
    [
        "No space left|Errno 28",
        "Permission denied|Errno 13|Read-only|Errno 30",
        "No matching distribution|not a supported wheel|Could not find a version",
    ],
    "what pip writes",
)


def texts():
    """Yield file, text and whether it is inside _() or translate(), but for docstrings."""
    for path in FILES:
        tree = ast.parse(path.read_text("utf-8"))
        inside, docs = set(), set()
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and ast.unparse(node.func) in ("_", "translate"):
                inside |= {id(one) for argument in node.args for one in ast.walk(argument)}
            if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
                docs.add(id(node.value))
        for node in ast.walk(tree):
            is_text = isinstance(node, ast.Constant) and isinstance(node.value, str)
            if is_text and id(node) not in docs:
                yield path, node.value, id(node) in inside


def in_self_test(path):
    return path == MODULE


def test_no_text_for_people_is_missed():
    found = list(texts())
    assert sum(is_inside for *_, is_inside in found) > 60
    missed = [
        (path.name, text)
        for path, text, is_inside in found
        if SENTENCE.match(text) and not is_inside and text not in NOT_SHOWN
        if not in_self_test(path)
    ]
    assert missed == []


def test_texts_are_constants_with_named_places():
    """A translator sees the source only: an f-string has no constant text, {} has no name."""
    for path in FILES:
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "_":
                (argument,) = node.args
                assert isinstance(argument, ast.Constant), (path.name, ast.unparse(node))
                assert "{}" not in argument.value, (path.name, argument.value)


def test_nothing_is_translated_when_the_module_is_imported():
    """Slicer may not have loaded its language then."""
    for path in FILES:
        for node in ast.parse(path.read_text("utf-8")).body:
            if not isinstance(node, ast.FunctionDef | ast.ClassDef):
                calls = [one for one in ast.walk(node) if isinstance(one, ast.Call)]
                assert not [one for one in calls if ast.unparse(one.func) == "_"], path.name
