"""flareseg view: a CT and its organs in the browser."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from FlareSegLib.command.options import Commands, add_command, count, labels_of

EXAMPLES = """examples:
  flareseg view demo/
  flareseg view organs/patient_ct_organs.nii.gz
  flareseg view edited.seg.nrrd --ct cts/patient/ct.nii.gz

CASE is a labelmap of flareseg segment or batch, or a folder that holds one. Its report says where
the CT is. The page is served to this computer alone, until Ctrl-C.
Needs the extra view, see README.
"""


def add(commands: Commands) -> None:
    """Add the subcommand."""
    parser = add_command(
        commands,
        run,
        name="view",
        help="show CT and organs in the browser",
        description="Show a CT and its organs in the browser, in slices and in 3-D.",
        epilog=EXAMPLES,
    )
    _add_words(parser)


def _add_words(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("case", type=Path, metavar="CASE", help="a labelmap, or a folder that holds one")
    add("--ct", type=Path, metavar="PATH", help="its CT (default: where its report says)")
    add("--model", type=Path, metavar="DIR", help="whose organs they are (default: see its report)")
    add("--series", metavar="UID", help="which DICOM series of the CT's folder")
    words = "doubt at each voxel, as segment --uncertainty wrote it: a switch shows it"
    add("--uncertainty", type=Path, metavar="PATH", help=words)
    add("--port", type=count, default=0, metavar="N", help="of the page (default: any)")
    add("--no-browser", dest="browser", action="store_false", help="only say the address")


def run(options: argparse.Namespace) -> None:
    """Show a CT and its organs in the browser, until Ctrl-C."""
    if options.case.exists():  # said before the imports, which take seconds
        print("the viewer starts: its address comes in about 15 s", file=sys.stderr, flush=True)
    from FlareSegLib.images.case_files import labels_in, to_view
    from FlareSegLib.reporting.view import Place, view

    def ready(address: str) -> None:
        print(f"{address}  ends with Ctrl-C", flush=True)

    ct, labelmap = to_view(options.case, options.ct)
    labels = labels_of(options) if options.model else labels_in(labelmap)
    place = Place(options.port, options.browser, ready)
    view(ct, labelmap, labels, place, options.series, options.uncertainty)
