"""The command flareseg: arguments in, exit code out. Nothing outside this room prints.

Nothing heavy is imported at file scope, so that help and usage errors are instant.
Exit codes: 0 done, 1 failed (of a batch: some), 2 wrong usage or no CT found, 130 and 143 stopped
by Ctrl-C and by SIGTERM.
"""

from __future__ import annotations

import argparse
import contextlib
import logging
import os
import signal
import sys
import traceback
from collections.abc import Sequence

from FlareSegLib import __version__
from FlareSegLib.base.errors import Cancelled, to_line
from FlareSegLib.base.threads import one_blas_thread
from FlareSegLib.command import (
    batch,
    compare,
    completion,
    evaluate,
    info,
    measure,
    model,
    prompt,
    sample,
    segment,
    view,
    watch,
)
from FlareSegLib.command.options import WrongUsageError, close_to
from FlareSegLib.command.terminal import Stopped

SUBCOMMANDS = (
    segment,
    prompt,
    measure,
    compare,
    evaluate,
    batch,
    watch,
    model,
    view,
    info,
    sample,
    completion,
)
"""A file each, with its arguments and its run together."""
EXAMPLES = """examples:
  flareseg sample -o demo                        fetch a real CT to try things on
  flareseg segment ct.nii.gz -o organs.nii.gz    a file: NIfTI, NRRD, MHA or MHD
  flareseg segment dicom/ -o organs.seg.nrrd     a DICOM series; the result opens in 3D Slicer
  flareseg segment ct.nrrd -o o.nrrd --organs liver,spleen --speed fast --csv --preview
  flareseg prompt ct.nii.gz --box 12,58,-40,8,-110,-62 -o lesion.nii.gz    one lesion in a box
  flareseg measure ct.nii.gz edited.seg.nrrd     volumes and HU of a mask that was edited
  flareseg compare 2024.nii.gz 2026.nii.gz       two dates, beside what changes by itself
  flareseg evaluate truth/ predictions/          DSC, NSD and HD95 per organ, as FLARE does
  flareseg batch cts/ organs/                    all CTs of a folder, with a table of volumes
  flareseg watch incoming/ organs/               each CT that comes into a folder
  flareseg view demo/organs.seg.nrrd             CT and organs in the browser
  flareseg model import nnunet.zip               run your own trained nnU-Net v2
  flareseg info                                  versions, models, cores, memory
"""


def make_parser() -> argparse.ArgumentParser:
    """Return the parser of the whole command."""
    parser = argparse.ArgumentParser(
        prog="flareseg",
        description="Segment 13 abdominal organs in a CT, on this computer. For research only.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"flareseg {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for subcommand in SUBCOMMANDS:
        subcommand.add(commands)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; return its exit code.

    Args:
        argv: Arguments without the program's name; None takes those of the process.

    Raises:
        SystemExit: With 0 after help and version, 2 after wrong usage.
    """
    one_blas_thread()
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # a path may not fit the encoding of a terminal
            stream.reconfigure(errors="backslashreplace")
    parser = make_parser()
    _check_command(parser, sys.argv[1:] if argv is None else argv)
    options = parser.parse_args(argv)
    level = logging.ERROR if getattr(options, "quiet", False) else logging.WARNING
    logging.basicConfig(format="flareseg: %(message)s", level=level)
    code = 0
    try:
        _find_model(options)
        code = options.run(options) or 0
        sys.stdout.flush()
    except WrongUsageError as error:
        parser.error(str(error))
    except BrokenPipeError:  # the reader left, as in `flareseg info | head -1`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001  every end gets a line and a code
        return _failed(error, options)
    return code


def _check_command(parser: argparse.ArgumentParser, words: Sequence[str]) -> None:
    """Check the first word, which is the command: say which one was probably meant."""
    word = words[0] if words else ""
    names = [one.__name__.rpartition(".")[2] for one in SUBCOMMANDS]
    if word.startswith("-") or word in ("", *names):
        return
    near = close_to(word, names)
    cure = f"did you mean {near[0]}?" if near else f"choose from {', '.join(names)}"
    parser.error(f"{word} is no command: {cure}")


def _find_model(options: argparse.Namespace) -> None:
    """Put the folder in the place of a model's name or zip file."""
    if getattr(options, "model", None):
        from FlareSegLib.models.store import find_model

        options.model = find_model(options.model)


def _failed(error: BaseException, options: argparse.Namespace) -> int:
    """Say in one line what ended the run; return the exit code."""
    if options.debug:
        traceback.print_exception(error)
    text, code = _text_and_code(error, options.stopped)
    with contextlib.suppress(OSError):
        print(f"flareseg: {text}", file=sys.stderr, flush=True)
    return code


def _text_and_code(error: BaseException, stopped: str) -> tuple[str, int]:
    if isinstance(error, Stopped):
        return stopped, error.exit_code
    if isinstance(error, KeyboardInterrupt | Cancelled):
        return stopped, 128 + signal.SIGINT
    return to_line(error), 1
