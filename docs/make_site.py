"""Gather README, docs/ and the help of the command for mkdocs: python docs/make_site.py FOLDER."""

import argparse
import shutil
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from FlareSegLib.command.main import make_parser  # noqa: E402


def command_page() -> str:
    """Return the help of the command and of each subcommand as Markdown."""
    parser = make_parser()
    action = next(a for a in parser._actions if isinstance(a, argparse._SubParsersAction))
    parts = ["# The command", f"```text\n{parser.format_help()}```"]
    for name, one in action.choices.items():
        parts.append(f"## flareseg {name}\n\n```text\n{one.format_help()}```")
    return "\n\n".join(parts) + "\n"


def main(folder: Path) -> None:
    """Write the pages."""
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(ROOT / "docs", folder)
    readme = (ROOT / "README.md").read_text(encoding="utf-8").replace("](docs/", "](")
    (folder / "index.md").write_text(readme, encoding="utf-8")
    (folder / "command.md").write_text(command_page(), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
