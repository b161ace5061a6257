"""Many CTs in Slicer without a window: the command `flareseg batch` under Slicer's own Python.

    Slicer --no-splash --no-main-window --python-script flareseg_batch.py --input DIR --output DIR

Input and output have names, since Slicer takes bare words for files to open; --help and --version
are Slicer's own, so help is --flareseg-help. All else is as for `flareseg batch`, and so are the
exit codes: Slicer ends with the one that sys.exit() is given.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path


def to_command(words: Sequence[str]) -> list[str]:
    """Return the words of `flareseg batch`; ends with exit code 2 if a folder is missing."""
    parser = argparse.ArgumentParser(prog="flareseg_batch.py", add_help=False, allow_abbrev=False)
    parser.add_argument("--flareseg-help", action="store_true")
    asks_for_help, rest = parser.parse_known_args(words)
    if asks_for_help.flareseg_help:
        return ["batch", "--help"]
    for name in ("--input", "--output"):
        parser.add_argument(name, required=True, metavar="DIR")
    folders, rest = parser.parse_known_args(rest)
    return ["batch", *rest, "--", folders.input, folders.output]


def main(words: Sequence[str]) -> int:
    """Run the batch; return its exit code."""
    try:
        from FlareSegLib.command.main import main as run
    except ImportError:  # a source tree, or plain Python: the core lies in a folder above
        parents = Path(__file__).resolve().parents
        folder = next(one for one in parents if (one / "FlareSegLib" / "pipeline.py").is_file())
        sys.path.insert(0, str(folder))
        from FlareSegLib.command.main import main as run
    return run(to_command(words))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
