"""flareseg measure: volumes and HU of a mask that was edited, or that comes from elsewhere."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from FlareSegLib.base.job import beside
from FlareSegLib.command.options import MODEL, Commands, add_command, ending, labels_of

EXAMPLES = """examples:
  flareseg measure ct.nii.gz edited.seg.nrrd
  flareseg measure dicom/ mask.nii.gz --csv mask.csv
  flareseg measure ct.nii.gz mask.nii.gz --json

MASK is a labelmap with the values of FlareSeg's organs, or of those in the report beside it; a
.seg.nrrd tells its own. The report is the one that flareseg segment writes.
"""


def add(commands: Commands) -> None:
    """Add the subcommand."""
    parser = add_command(
        commands,
        run,
        name="measure",
        help="volumes and HU of an edited or foreign mask",
        description="Measure a mask in a CT: the report that a run would give.",
        epilog=EXAMPLES,
    )
    add = parser.add_argument
    add("ct", type=Path, metavar="CT", help="image file, or folder with a DICOM series")
    add("mask", type=Path, metavar="MASK", help="labelmap: NIfTI, NRRD, .seg.nrrd, MHA")
    add("--report", type=ending(".json"), metavar="PATH", help="report to write")
    add("--csv", type=ending(".csv"), metavar="PATH", help="organ table")
    add("--json", action="store_true", help="print the report instead of a table")
    add("--series", metavar="UID", help="which DICOM series of the CT's folder")
    add("--model", type=Path, metavar="DIR", help=f"whose labels MASK has; {MODEL}")
    add("--keep-ids", action="store_true", help="do not hide what DICOM files say of the patient")


def run(options: argparse.Namespace) -> None:
    """Measure a mask; print the organ table and where the files are."""
    from FlareSegLib.followup.mask import MaskJob, measure_mask
    from FlareSegLib.images.case_files import labels_in
    from FlareSegLib.reporting.report import to_table, write_csv, write_json

    path = options.report or beside(options.mask, ".report.json")  # as seen from there
    labels = labels_of(options) if options.model else labels_in(options.mask)
    ids = {"series": options.series, "keep_ids": options.keep_ids}
    found = measure_mask(MaskJob(options.ct, options.mask, labels, path, **ids))
    if options.report:
        write_json(found, path)
    if options.csv:
        write_csv(found, options.csv)
    if options.json:
        print(json.dumps(found.to_dict(), ensure_ascii=True))
        return
    print(to_table(found))
    for kind, written in (("report", options.report), ("table", options.csv)):
        if written is not None:
            print(f"{kind:<9} {written}")
