"""Every command and every import in README.md and in the help text works as written."""

import ast
import importlib
import re
import shlex
from pathlib import Path
from typing import get_args, get_type_hints

import pytest

from FlareSegLib.base import run_options
from FlareSegLib.command import batch, evaluate, main, options
from FlareSegLib.evaluation import scores
from FlareSegLib.images import writing
from FlareSegLib.images.dicom import seg

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```(\w*)\n(.*?)```", README, re.DOTALL)
LINES = [
    line.split(" #")[0].strip()
    for kind, block in BLOCKS
    if kind in ("sh", "console")
    for line in block.splitlines()
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
TRAINING = [line for line in LINES if line.startswith("python -m training.")]
MAKES = sorted(set(re.findall(r"\bmake ([a-z-]+)", "\n".join(LINES))))


def test_the_readme_shows_commands():
    assert len(COMMANDS) >= 8
    assert len(TRAINING) == 4
    assert MAKES == ["demo", "test"]


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
    assert (ROOT / settings).is_file()


@pytest.mark.parametrize("folder", [".", ".ci"])
def test_make_targets_exist(folder):
    texts = {".": README + (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")}
    texts[".ci"] = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    named = re.findall(r"(?:^|`)make ([a-z-]+)", texts[folder], re.MULTILINE)
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = re.findall(r"^([a-z-]+):", makefile, re.MULTILINE)
    assert named
    assert set(named) <= set(targets)


def test_python_examples_import_what_exists():
    codes = [block for kind, block in BLOCKS if kind == "python"]
    assert codes
    for node in [node for code in codes for node in ast.walk(ast.parse(code))]:
        if isinstance(node, ast.ImportFrom):
            module = importlib.import_module(str(node.module))
            assert all(hasattr(module, alias.name) for alias in node.names), node.module


def test_linked_files_exist():
    links = [link for link in re.findall(r"\]\(([^)#]+)\)", README) if "://" not in link]
    assert not [link for link in links if not (ROOT / link).exists()]


def test_no_figure_is_missing():
    assert "TBD" not in README


def test_choices_of_the_command_are_those_of_the_core():
    assert options.SPEEDS == run_options.SPEEDS
    assert options.RUNTIMES == run_options.RUNTIMES
    assert options.RESTORES == run_options.RESTORES
    assert get_args(get_type_hints(scores.Rules)["absent"]) == evaluate.ABSENT
    assert set(batch.FORMATS) <= {*writing.EXTENSIONS, writing.DICOM_SEG, writing.RTSTRUCT}
    assert get_args(get_type_hints(seg.Provenance)["seg"]) == options.SEGS
