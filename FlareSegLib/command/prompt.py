"""flareseg prompt: one thing for a box, a line or clicks; many of one CT; an organ corrected."""

from __future__ import annotations

import argparse
import re
from pathlib import Path
from typing import TYPE_CHECKING

from FlareSegLib.base.job import beside
from FlareSegLib.base.progress import Progress, Step
from FlareSegLib.command.options import (
    PROGRESS,
    Commands,
    WrongUsageError,
    add_command,
    count,
    ending,
    finite,
)
from FlareSegLib.command.terminal import watched

if TYPE_CHECKING:
    from FlareSegLib.prompting.prompt_table import Wanted
    from FlareSegLib.prompting.run import PromptJob

EXAMPLES = """examples:
  flareseg prompt ct.nii.gz --box 12,58,-40,8,-110,-62 -o lesion.nii.gz
  flareseg prompt ct.nii.gz --line 10,-33,-80,44,-12,-80 -o lesion.seg.nrrd
  flareseg prompt ct.nii.gz --box 12,58,-40,8,-110,-62 --remove 44,-5,-88 -o lesion.nii.gz
  flareseg prompt ct.nii.gz --markups lesion.mrk.json -o lesion.seg.nrrd
  flareseg prompt ct.nii.gz --prompts list.csv -o lesions.seg.nrrd
  flareseg prompt ct.nii.gz --start organs.nii.gz --organ pancreas --add -20,6,-62 -o better.nii.gz

Positions are in mm in RAS, as 3D Slicer shows them; a box is R0,R1,A0,A1,S0,S1. A box of one slice,
a line (the longest diameter) and a click have the rest found. list.csv has a row for each thing,
with the columns name, box, line, add, remove. With --start, clicks correct an organ of a labelmap:
each changes one piece about itself, all else stays.
Beside lesion.nii.gz stands lesion.report.json: ml, HU, longest diameters (RECIST) and flags, which
are printed too: look at them.
"""

NEGATIVE = re.compile(r"-[\d.][-+\d.,;eE\s]*$")
"""So that -40,8,3 is a value, not an option."""


def add(commands: Commands) -> None:
    """Add the subcommand."""
    parser = add_command(
        commands,
        run,
        name="prompt",
        help="segment one thing: a lesion, cyst, node, vessel",
        description="Segment what is in a box, along a line or at a click, and report its size.",
        epilog=EXAMPLES,
    )
    parser._negative_number_matcher = NEGATIVE
    _add_files(parser.add_argument_group("files"))
    _add_prompts(parser.add_argument_group("prompts"))
    _add_choices(parser.add_argument_group("choices"))


def _add_files(group: argparse._ArgumentGroup) -> None:
    say = "CT: an image file, or a folder with DICOM files"
    group.add_argument("source", type=Path, metavar="INPUT", help=say)
    group.add_argument(
        "-o", dest="labelmap", type=Path, required=True, metavar="OUT", help="labelmap to write"
    )
    more = {"nargs": "?", "const": Path(), "type": ending(".csv"), "metavar": "PATH"}
    group.add_argument("--csv", help="table (default: beside OUT)", **more)  # type: ignore[arg-type]
    group.add_argument("--series", metavar="UID", help="which DICOM series of the folder")
    group.add_argument("--model", type=Path, metavar="DIR", help="model folder")


def _add_prompts(group: argparse._ArgumentGroup) -> None:
    box = "R0,R1,A0,A1,S0,S1"
    group.add_argument("--box", metavar=box, help="around the thing")
    group.add_argument("--voxels", metavar="I0,I1,J0,J1,K0,K1", help="box as first and last voxels")
    group.add_argument("--line", metavar="R,A,S,R,A,S", help="its longest diameter")
    group.add_argument("--markups", type=Path, metavar="FILE", help="ROI, line or points of Slicer")
    for name, say in (("add", "a point inside"), ("remove", "a point outside")):
        group.add_argument(f"--{name}", action="append", default=[], metavar="R,A,S", help=say)
    group.add_argument("--prompts", type=Path, metavar="CSV", help="a table of many things")
    start = "labelmap with organs, such as flareseg segment writes"
    group.add_argument("--start", type=Path, metavar="FILE", help=start)
    group.add_argument("--organ", metavar="NAME", help="the one of --start that clicks correct")


def _add_choices(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--name", default="lesion", help="of the thing (default: %(default)s)")
    others = "voxels of earlier things of the table (default: %(default)s)"
    group.add_argument("--others", choices=("keep", "overwrite"), default="keep", help=others)
    grow = "let the box follow what is found where its depth is not given (default: %(default)s)"
    group.add_argument("--grow", choices=("auto", "never"), default="auto", help=grow)
    group.add_argument(
        "--threads", type=count, default=0, metavar="N", help="at most; 0: automatic"
    )
    group.add_argument("--progress", choices=PROGRESS, default="auto", help="json is for programs")
    group.add_argument(
        "--hu-offset", type=finite, default=0.0, metavar="HU", help="added to voxels"
    )
    group.add_argument("--keep-ids", action="store_true", help="do not hide the patient's name")
    group.add_argument("--quiet", action="store_true", help="say nothing but errors")


def run(options: argparse.Namespace) -> None:
    """Segment; print the table and where the files are."""
    for what, path in (("INPUT", options.source), ("--start", options.start)):
        if path and options.labelmap.resolve() == path.resolve():
            raise WrongUsageError(f"OUT is {what} ({path}): choose another name")
    _check_usage(options)
    with watched(is_quiet=options.quiet, form=options.progress) as progress:
        progress(Step("start", 0.0))
        job, table = _segment(options, progress)
    if options.quiet:
        return
    print(table)
    named = (("labelmap", job.labelmap), ("report", job.report), ("table", job.csv))
    for kind, path in named:
        if path is not None:
            print(f"{kind:<9} {path}")


def _segment(options: argparse.Namespace, progress: Progress) -> tuple[PromptJob, str]:
    from FlareSegLib.images.archive import unzipped
    from FlareSegLib.prompting.read_apart import reading

    with (
        unzipped(options.source) as source,
        reading(source, series=options.series, hu_offset=options.hu_offset) as read,
    ):
        from FlareSegLib.prompting.prompt_report import to_table
        from FlareSegLib.prompting.run import run

        job = _job(options, source)
        return job, to_table(run(job, read, options.model, options.threads, progress))


def _job(options: argparse.Namespace, source: Path) -> PromptJob:
    from FlareSegLib.prompting.run import PromptJob

    return PromptJob(
        source=source,
        things=_things(options),
        labelmap=options.labelmap,
        csv=beside(options.labelmap, ".csv") if options.csv == Path() else options.csv,
        series=options.series,
        keep_others=options.others == "keep",
        grow=options.grow == "auto",
        keep_ids=options.keep_ids,
        start=options.start,
    )


def _check_usage(options: argparse.Namespace) -> None:
    begins = [f"--{key}" for key in ("box", "voxels", "line") if getattr(options, key)]
    sources = [f"--{key}" for key in ("markups", "prompts") if getattr(options, key)]
    if len(begins) > 1 or len(sources) > 1:
        raise WrongUsageError(f"{' and '.join([*begins, *sources])} exclude each other: give one")
    clicks = ["--add or --remove"] if options.add or options.remove else []
    if sources and (begins or (clicks and options.prompts)):
        both = " and ".join([*sources, *begins, *clicks])
        raise WrongUsageError(f"{both} exclude each other: give one")
    if bool(options.start) != bool(options.organ):
        raise WrongUsageError("--start and --organ belong together: give both")
    if options.start and (begins or options.prompts):
        words = " and ".join(["--start", *begins, *(["--prompts"] if options.prompts else [])])
        raise WrongUsageError(f"{words} exclude each other: organs are corrected by clicks")
    if not (begins or sources or options.add or (options.start and options.remove)):
        raise WrongUsageError("no prompt: give --box, --line, --add, --markups or --prompts")


def _things(options: argparse.Namespace) -> tuple[Wanted, ...]:
    from FlareSegLib.prompting import markups, prompt_table
    from FlareSegLib.prompting.prompts import ClickPrompt, Prompt, VoxelBox

    if options.prompts:
        return prompt_table.read_table(options.prompts)
    prompts: list[Prompt | VoxelBox] = []
    if options.markups:
        prompts += markups.read_markups(options.markups)
    if options.box:
        prompts.append(prompt_table.to_box(prompt_table.numbers(options.box, 6, "--box")))
    if options.voxels:
        prompts.append(VoxelBox(prompt_table.numbers(options.voxels, 6, "--voxels")))
    if options.line:
        prompts.append(prompt_table.to_line(prompt_table.numbers(options.line, 6, "--line")))
    for key in ("add", "remove"):
        for text in getattr(options, key):
            a, b, c = prompt_table.numbers(text, 3, f"--{key}")
            prompts.append(ClickPrompt((a, b, c), key == "add"))
    return (prompt_table.Wanted(options.organ or options.name, tuple(prompts)),)
