"""flareseg segment: one CT."""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from FlareSegLib.base.job import Job, beside
from FlareSegLib.base.progress import Progress, Step
from FlareSegLib.command.options import (
    MODEL,
    Commands,
    WrongUsageError,
    add_choices,
    add_command,
    add_extras,
    add_switches,
    check_organs,
    chosen_extras,
    count,
    ending,
    to_run_options,
)
from FlareSegLib.command.terminal import watched

if TYPE_CHECKING:
    from FlareSegLib.reporting.report import Report

EXAMPLES = """examples:
  flareseg segment ct.nii.gz -o organs.nii.gz
  flareseg segment dicom/ -o organs.seg.nrrd --preview --csv
  flareseg segment dicom/ -o organs.nii.gz --series 1.2.840.113619.2.55
  flareseg segment dicom/ -o organs.dcm --seg binary
  flareseg segment dicom/ -o organs.rtstruct.dcm
  flareseg segment ct.nii.gz -o organs.nii.gz --json -
  flareseg segment shifted.nii.gz -o organs.nii.gz --hu-offset -1024

OUT ends in .nii.gz, .nii, .nrrd, .mha or .seg.nrrd (with names, colors and codes), or for DICOM
input in .dcm, a DICOM SEG, or .rtstruct.dcm, contours: both refer to the series (extra dicom).
Beside organs.nii.gz stands organs.report.json; its flags are printed too: look at them. For one of
the files - is stdout; OUT is a .nii.gz then.
"""


def add(commands: Commands) -> None:
    """Add the subcommand."""
    parser = add_command(
        commands,
        run,
        name="segment",
        help="segment one CT",
        description="Segment one CT and write labelmap and report.",
        epilog=EXAMPLES,
    )
    _add_files(parser.add_argument_group("files"))
    add_extras(parser.add_argument_group("beside OUT"))
    add_choices(parser.add_argument_group("choices"))
    add_switches(parser.add_argument_group("switches"))


def _add_files(group: argparse._ArgumentGroup) -> None:
    def add(*names: str, say: str, name: str, **more: object) -> None:
        group.add_argument(*names, help=say, metavar=name, **more)  # type: ignore[arg-type]

    beside = {"nargs": "?", "const": Path()}
    add(
        "source",
        type=Path,
        name="INPUT",
        say="CT: an image file, a folder with DICOM files, or a zip file",
    )
    add("-o", dest="labelmap", type=Path, required=True, name="OUT", say="labelmap to write")
    add("--report", type=ending(".json"), name="PATH", say="report (default: beside OUT)")
    add("--csv", type=ending(".csv"), **beside, name="PATH", say="organ table (beside OUT)")
    add("--preview", type=ending(".png"), **beside, name="PATH", say="picture (beside OUT)")
    unsure = "percent of doubt at each voxel (.nii.gz)"
    add("--uncertainty", type=ending(".nii.gz"), name="PATH", say=unsure)
    add("--json", **{**beside, "const": "-"}, choices=["-"], name="-", say="print the report alone")
    add("--series", name="UID", say="which DICOM series of the folder")
    add("--acquisition", type=count, name="N", say="which acquisition (phase) of the series")
    add("--frame", type=count, name="N", say="which frame of a 4-D file, from 1")
    add("--model", type=Path, name="DIR", say=MODEL)


def run(options: argparse.Namespace) -> None:
    """Segment one CT; print the organ table and where the files are."""
    dash = _dash(options)
    if options.labelmap.resolve() == options.source.resolve():
        raise WrongUsageError(f"OUT is INPUT ({options.source}): choose another name")
    check_organs(options)
    from FlareSegLib.images.safe_read import unpack_ahead

    unpack_ahead(options.source)
    with watched(is_quiet=options.quiet, form=options.progress) as progress:
        progress(Step("start", 0.0))
        if dash:
            _to_stdout(dash, options, progress)
            return
        job = _to_job(options)
        report = _segment(job, options, progress)
    if options.json:
        print(json.dumps(report.to_dict(), ensure_ascii=True))
    elif not options.quiet:
        from FlareSegLib.reporting.report import to_table

        print(to_table(report))
        _print_files(job)


def _segment(job: Job, options: argparse.Namespace, progress: Progress) -> Report:
    from FlareSegLib.pipeline import default_model, segment_file

    return segment_file(job, options.model or default_model(), to_run_options(options), progress)


def _dash(options: argparse.Namespace) -> str:
    """Return which file shall go to stdout: the name of its option; empty if none shall."""
    files = ("labelmap", "report", "csv", "preview")
    found = [name for name in files if getattr(options, name) == Path("-")]
    said = [*found, *(["json"] if options.json else [])]
    if len(said) > 1:
        raise WrongUsageError(f"- is stdout, which one file can have: {', '.join(said)} want it")
    if "labelmap" in found:
        lost = [f"--{name}" for name in ("csv", "preview") if getattr(options, name) == Path()]
        lost += [f"--{kind}" for kind in chosen_extras(options)]
        if lost:
            raise WrongUsageError(f"OUT is stdout: {', '.join(lost)} would lie nowhere")
    return found[0] if found else ""


def _to_stdout(name: str, options: argparse.Namespace, progress: Progress) -> None:
    """Segment, and write one of the files, binary, on stdout instead of the disk."""
    endings = {"labelmap": ".nii.gz", "report": ".json", "csv": ".csv", "preview": ".png"}
    with tempfile.TemporaryDirectory(prefix="flareseg-") as folder:
        path = Path(folder, f"out{endings[name]}")
        setattr(options, name, path)
        _segment(_to_job(options), options, progress)
        sys.stdout.buffer.write(path.read_bytes())
        sys.stdout.buffer.flush()


def _to_job(options: argparse.Namespace) -> Job:
    def named(path: Path | None, suffix: str) -> Path | None:
        """Fill in the name where only --csv or --preview was said."""
        return beside(options.labelmap, suffix) if path == Path() else path

    return Job(
        source=options.source,
        labelmap=options.labelmap,
        report=options.report,
        csv=named(options.csv, ".csv"),
        preview=named(options.preview, ".png"),
        uncertainty=options.uncertainty,
        series=_part(options),
        hu_offset=options.hu_offset,
        seg=options.seg,
        extras=chosen_extras(options),
    )


def _part(options: argparse.Namespace) -> str | None:
    """Return what Job.series calls the series, acquisition or frame that is asked for."""
    if options.acquisition is not None and options.frame is not None:
        raise WrongUsageError("--acquisition is for DICOM and --frame for 4-D files: give one")
    number = options.frame if options.acquisition is None else options.acquisition
    series: str | None = options.series
    return series if number is None else f"{series or ''}#{number}"


def _print_files(job: Job) -> None:
    paths = (job.labelmap, job.report_path, job.csv, job.preview, job.uncertainty)
    kinds = ("labelmap", "report", "table", "preview", "doubt")
    for kind, path in zip(kinds, paths, strict=True):
        if path is not None:
            print(f"{kind:<9} {path}")
    for kind, found in job.extra_paths.items():
        print(f"{kind:<9} {', '.join(map(str, found))}")
