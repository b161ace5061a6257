"""Gather README, docs/, help and docstrings for mkdocs: python docs/make_site.py FOLDER."""

import argparse
import ast
import inspect
import itertools
import re
import shutil
import sys
import textwrap
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

import FlareSegLib  # noqa: E402
from FlareSegLib.command.main import make_parser  # noqa: E402

INTRODUCTION = "What is public: everything else may move. Arrays are (z, y, x), the world is LPS."
WIDTH = 90


def command_page() -> str:
    """Return the help of the command and of each subcommand as Markdown."""
    parser = make_parser()
    action = next(a for a in parser._actions if isinstance(a, argparse._SubParsersAction))
    parts = ["# The command", f"```text\n{parser.format_help()}```"]
    for name, one in action.choices.items():
        parts.append(f"## flareseg {name}\n\n```text\n{one.format_help()}```")
    return "\n\n".join(parts) + "\n"


def api_page() -> str:
    """Return what is public in Python, from signatures and docstrings."""
    parts = ["# In Python", INTRODUCTION, "```python\nimport FlareSegLib\n```"]
    for name in reversed(FlareSegLib.__all__):  # functions first, errors last
        thing = getattr(FlareSegLib, name)
        if not isinstance(thing, str):  # the version
            parts.append(f"## {name}\n\n{_described(name, thing)}")
    return "\n\n".join(parts) + "\n"


def _described(name: str, thing: type) -> str:
    """Return signature, docstring, fields and methods of a class or a function."""
    first, _, rest = (inspect.getdoc(thing) or "").partition("\n\n")
    parts = [first, f"```text\n{rest}\n```" if rest else ""]
    is_error = isinstance(thing, type) and issubclass(thing, Exception)
    if not is_error:
        parts.insert(0, f"```text\n{_signature(name, thing)}\n```")
    if isinstance(thing, type):
        parts += [f"- `{field}`: {said}" for field, said in _fields(thing).items()]
        parts += [
            f"- `{_signature(key, one)}`: {(inspect.getdoc(one) or '').splitlines()[0]}"
            for key, one in vars(thing).items()
            if inspect.isfunction(one) and not key.startswith("_") and not is_error
        ]
    return "\n\n".join(part for part in parts if part)


def _signature(name: str, thing: object) -> str:
    """Return name and arguments, a line for each if they are many; types without quotes."""
    found = inspect.signature(thing)
    said = [str(one) for one in found.parameters.values() if one.name != "self"]
    kinds = [one.kind for one in found.parameters.values() if one.name != "self"]
    if inspect.Parameter.KEYWORD_ONLY in kinds:
        said.insert(kinds.index(inspect.Parameter.KEYWORD_ONLY), "*")
    text = f"{name}({', '.join(said)})"
    if len(text) > WIDTH:
        text = f"{name}(\n    " + ",\n    ".join(said) + ",\n)"
    text = re.sub(r"<function (\w+) at \w+>", r"\1", text)
    return re.sub(r": '([^']*)'", r": \1", text)


def _fields(thing: type) -> dict[str, str]:
    """Return the fields of a class with the strings that stand below them."""
    (body,) = ast.parse(textwrap.dedent(inspect.getsource(thing))).body
    lines = body.body if isinstance(body, ast.ClassDef) else []
    return {
        one.target.id: " ".join(ast.literal_eval(below.value).split())
        for one, below in itertools.pairwise(lines)
        if isinstance(one, ast.AnnAssign)
        and isinstance(one.target, ast.Name)
        and isinstance(below, ast.Expr)
        and isinstance(below.value, ast.Constant)
    }


def main(folder: Path) -> None:
    """Write the pages."""
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(ROOT / "docs", folder, ignore=shutil.ignore_patterns("*.py"))
    readme = (ROOT / "README.md").read_text(encoding="utf-8").replace("](docs/", "](")
    pages = {
        "index": readme,
        "command": command_page(),
        "api": api_page(),
    }
    for name, text in pages.items():
        (folder / f"{name}.md").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
