"""Every command and every import in README, docs and the help text works as written."""

import ast
import importlib
import re
import shlex
from typing import get_args, get_type_hints

import pytest

from FlareSegLib.base import run_options
from FlareSegLib.command import batch, evaluate, main, options
from FlareSegLib.evaluation import scores
from FlareSegLib.images import writing
from FlareSegLib.images.dicom import seg
from Testing.docs.pages import PAGES, ROOT, blocks, read

BLOCKS = [block for page in PAGES for block in blocks(page)]
LINES = [
    line.split(" #")[0].strip()
    for block in BLOCKS
    if block.kind == "sh"
    for line in block.text.replace("\\\n", " ").splitlines()
]
HELP = [
    line.strip().split("    ")[0]
    for text in (
        module.EXAMPLES for module in (main, *main.SUBCOMMANDS) if hasattr(module, "EXAMPLES")
    )
    for line in text.splitlines()
    if line.startswith("  flareseg ")
]
COMMANDS = sorted({line for line in (*LINES, *HELP) if line.startswith("flareseg ")})
TRAINING = [line for line in LINES if re.match(r"python -m training\.\S+ \S+\.toml", line)]


def test_the_pages_show_commands():
    assert len(COMMANDS) >= 40
    assert len(TRAINING) >= 12


@pytest.mark.parametrize("line", COMMANDS)
def test_flareseg_command_is_understood(line):
    said = shlex.split(line)[1:]
    if said[-1] == "--help":
        with pytest.raises(SystemExit, match="0"):
            main.make_parser().parse_args(said)
    else:
        assert main.make_parser().parse_args(said).command == said[0]


@pytest.mark.parametrize("line", TRAINING)
def test_training_command_names_a_stage_and_a_config(line):
    _, _, module, settings, *_ = shlex.split(line)
    assert (ROOT / f"{module.replace('.', '/')}.py").is_file()
    copied = re.findall(rf"cp (\S+) {re.escape(settings)}", "\n".join(LINES))
    assert all((ROOT / one).is_file() for one in copied or [settings])


@pytest.mark.parametrize("folder", [".", ".ci"])
def test_make_targets_exist(folder):
    texts = {".": "".join(map(read, PAGES)), ".ci": read(".ci/run")}
    named = re.findall(r"(?:^|`)make ([a-z-]+)", texts[folder], re.MULTILINE)
    makefile = read("Makefile")
    targets = re.findall(r"^([a-z-]+):", makefile, re.MULTILINE)
    assert named
    assert set(named) <= set(targets)


def test_python_examples_import_what_exists():
    codes = [block.text for block in BLOCKS if block.kind == "python" and not block.reason]
    assert codes
    for node in [node for code in codes for node in ast.walk(ast.parse(code))]:
        if isinstance(node, ast.ImportFrom):
            module = importlib.import_module(str(node.module))
            assert all(hasattr(module, alias.name) for alias in node.names), node.module


def test_no_figure_is_missing():
    assert [page for page in PAGES if "TBD" in read(page)] == []


def test_choices_of_the_command_are_those_of_the_core():
    assert options.SPEEDS == run_options.SPEEDS
    assert options.RUNTIMES == run_options.RUNTIMES
    assert options.RESTORES == run_options.RESTORES
    assert get_args(get_type_hints(scores.Rules)["absent"]) == evaluate.ABSENT
    assert set(batch.FORMATS) <= {*writing.EXTENSIONS, writing.DICOM_SEG, writing.RTSTRUCT}
    assert get_args(get_type_hints(seg.Provenance)["seg"]) == options.SEGS
