"""flareseg completion: words that a shell completes with Tab."""

from __future__ import annotations

import argparse

from FlareSegLib.base import extras
from FlareSegLib.command.options import Commands, add_command

SHELLS = ("bash", "zsh", "tcsh")
EXAMPLES = """examples:
  flareseg completion bash
  flareseg completion zsh

Prints a script. Write it to ~/.local/share/bash-completion/completions/flareseg (bash) or
~/.zfunc/_flareseg (zsh), and open a new shell. Needs the package shtab.
"""


def add(commands: Commands) -> None:
    """Add the subcommand."""
    say = "print a script that completes flareseg's words in a shell"
    parser = add_command(
        commands, run, name="completion", help=say, description=say, epilog=EXAMPLES
    )
    parser.add_argument("shell", choices=SHELLS)


def run(options: argparse.Namespace) -> None:
    """Print the script."""
    extras.check("completion", "shtab", "completion")
    import shtab

    from FlareSegLib.command.main import make_parser

    print(shtab.complete(make_parser(), shell=options.shell))
