"""The arguments of the command flareseg: what can be said, and what is refused with exit code 2.

Pure, and light: no numpy, so that help and usage errors are instant.
"""

from __future__ import annotations

import argparse
import contextlib
import math
import threading
from collections.abc import Callable
from pathlib import Path

from FlareSegLib import __version__
from FlareSegLib.labels import ORGANS

SPEEDS = ("fast", "balanced", "accurate")
"""As in config.py, which imports numpy: a test holds the two together."""
RUNTIMES = ("auto", "onnxruntime", "openvino")
"""As in config.py."""
RESTORES = ("mixed", "classwise")
"""As in config.py."""
ABSENT = ("score", "skip")
"""As in scores.py."""
PROGRESS = ("auto", "json")
"""For people, and for programs."""
FORMATS = (".nii.gz", ".nrrd", ".seg.nrrd", ".dcm")
"""Of the labelmaps of a batch."""
MODEL = "model folder (default: the one that ships)"
RAW = argparse.RawDescriptionHelpFormatter

EXAMPLES = """examples:
  flareseg sample -o demo                        fetch a real CT to try things on
  flareseg segment ct.nii.gz -o organs.nii.gz    a file: NIfTI, NRRD, MHA or MHD
  flareseg segment dicom/ -o organs.seg.nrrd     a DICOM series; the result opens in 3D Slicer
  flareseg segment ct.nrrd -o o.nrrd --organs liver,spleen --speed fast --csv --preview
  flareseg evaluate truth/ predictions/          DSC, NSD and HD95 per organ, as FLARE does
  flareseg batch cts/ organs/                    all CTs of a folder, with a table of volumes
  flareseg view demo/organs.seg.nrrd             CT and organs in the browser
  flareseg info                                  versions, models, cores, memory
"""

SEGMENT_EXAMPLES = """examples:
  flareseg segment ct.nii.gz -o organs.nii.gz
  flareseg segment dicom/ -o organs.seg.nrrd --preview --csv
  flareseg segment dicom/ -o organs.nii.gz --series 1.2.840.113619.2.55
  flareseg segment dicom/ -o organs.dcm
  flareseg segment shifted.nii.gz -o organs.nii.gz --hu-offset -1024

OUT ends in .nii.gz, .nii, .nrrd, .mha or .seg.nrrd (with names, colors and codes), or for DICOM
input in .dcm: a DICOM SEG that refers to the series (needs flareseg[dicom]).
Beside organs.nii.gz stands organs.report.json; its flags are printed too: look at them.
"""

EVALUATE_EXAMPLES = """examples:
  flareseg evaluate truth/ predictions/
  flareseg evaluate truth/ predictions/ -o evaluation --plots --images cts/
  flareseg evaluate truth/ predictions/ -o evaluation --against others/
  flareseg evaluate truth/ predictions/ --csv scores.csv --absent skip --sliver-ml 3

TRUTH and PRED hold <case>.nii.gz or <case>/label.nii.gz (also .nii, .nrrd, .seg.nrrd, .mha), with
values 1 to 13. Each case of TRUTH needs its prediction, on the same grid. The rules are those of
FLARE: see docs/evaluation.md. DIR gets scores.csv (a line per case and organ), means.csv,
evaluation.md, paired.csv with --against, and pictures with --plots.
"""

BATCH_EXAMPLES = """examples:
  flareseg batch cts/ organs/
  flareseg batch cts/ organs/ --skip-existing
  flareseg batch dicom/ organs/ --format .dcm --speed fast --preview
  flareseg batch cohort.csv organs/ --jobs 0 --skip-existing --html
  flareseg batch "cts/**/*_venous.nii.gz" organs/ --scheduler tcp://head:8786

A case is an image file (NIfTI, NRRD, MHA, MHD) or a DICOM series, in INPUT or its subfolders; or
INPUT is a pattern, or a table (.csv, .parquet) with the column path, and perhaps case, series. Of
patient/ct.nii.gz come patient_ct_organs.nii.gz and patient_ct_organs.report.json in OUTPUT, and a
line in summary.csv there, and in journal.jsonl as it ends. A CT that cannot be segmented is a line
with the reason; the others go on. Exit codes: 0 all done, 1 some failed, 2 wrong usage or no CT.
"""


VIEW_EXAMPLES = """examples:
  flareseg view demo/
  flareseg view organs/patient_ct_organs.nii.gz --ct cts/patient/ct.nii.gz

CASE is a labelmap of flareseg segment or batch, or a folder that holds one. Its report names the
CT, which is looked for beside it. The page is served to this computer alone, until Ctrl-C.
Needs flareseg[view].
"""


def make_parser() -> argparse.ArgumentParser:
    """Return the parser of the whole command."""
    shared = argparse.ArgumentParser(add_help=False)
    shared.add_argument("--debug", action="store_true", help="show the traceback of an error")
    parser = argparse.ArgumentParser(
        prog="flareseg",
        description="Segment 13 abdominal organs in a CT, on this computer. For research only.",
        epilog=EXAMPLES,
        formatter_class=RAW,
    )
    parser.add_argument("--version", action="version", version=f"flareseg {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    _fill_segment(
        commands.add_parser(
            "segment",
            parents=[shared],
            help="segment one CT",
            description="Segment one CT and write labelmap and report.",
            epilog=SEGMENT_EXAMPLES,
            formatter_class=RAW,
        )
    )
    _fill_evaluate(
        commands.add_parser(
            "evaluate",
            parents=[shared],
            help="score predictions against the truth",
            description="Score a folder of labelmaps against the truth: DSC, NSD, HD95 per organ.",
            epilog=EVALUATE_EXAMPLES,
            formatter_class=RAW,
        )
    )
    _fill_batch(
        commands.add_parser(
            "batch",
            parents=[shared],
            help="segment all CTs of a folder",
            description="Segment all CTs of a folder; a bad one never stops the rest.",
            epilog=BATCH_EXAMPLES,
            formatter_class=RAW,
        )
    )
    _fill_view(
        commands.add_parser(
            "view",
            parents=[shared],
            help="show CT and organs in the browser",
            description="Show a CT and its organs in the browser, in slices and in 3-D.",
            epilog=VIEW_EXAMPLES,
            formatter_class=RAW,
        )
    )
    commands.add_parser("info", parents=[shared], help="versions, models, cores, memory")
    sample = commands.add_parser("sample", parents=[shared], help="fetch a real CT to try")
    into = "where to keep it (default: the user's cache)"
    sample.add_argument("-o", dest="folder", type=Path, metavar="DIR", help=into)
    return parser


def _fill_segment(parser: argparse.ArgumentParser) -> None:
    _add_files(parser.add_argument_group("files"))
    _add_choices(parser.add_argument_group("choices"))
    _add_switches(parser.add_argument_group("switches"))


def _fill_batch(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("files")

    def add(name: str, say: str, **more: object) -> None:
        group.add_argument(name, help=say, **more)  # type: ignore[arg-type]

    add("source", "folder with the CTs, pattern or table", type=Path, metavar="INPUT")
    add("output", "folder for the results", type=Path, metavar="OUTPUT")
    add("--skip-existing", "leave out what an earlier run has finished", action="store_true")
    add("--format", "of the labelmaps (default: .nii.gz)", choices=FORMATS, default=FORMATS[0])
    add("--csv", "an organ table for each CT", action="store_true")
    add("--preview", "a picture of each CT", action="store_true")
    add("--html", "a page of the whole cohort", action="store_true")
    add("--parquet", "the summary as Parquet too", action="store_true")
    add("--model", MODEL, type=Path, metavar="DIR")
    _add_ways(parser.add_argument_group("many at once"))
    _add_choices(parser.add_argument_group("choices"))
    _add_switches(parser.add_argument_group("switches"))


def _add_ways(group: argparse._ArgumentGroup) -> None:
    def add(flag: str, say: str, **more: object) -> None:
        group.add_argument(flag, help=say, **more)  # type: ignore[arg-type]

    hang = "seconds a CT may take; 0: any (default: 600, and 10 per million voxels)"
    dask = "address of a Dask scheduler (tcp://...), or local"
    add("--jobs", "processes; 0: as many as fit (default: 1)", type=_count, default=1, metavar="N")
    add("--timeout", hang, type=_seconds, metavar="SECONDS")
    add("--scheduler", dask, type=_scheduler, metavar="ADDRESS")


def _add_files(group: argparse._ArgumentGroup) -> None:
    def add(*names: str, say: str, name: str, **more: object) -> None:
        group.add_argument(*names, help=say, metavar=name, **more)  # type: ignore[arg-type]

    beside = {"nargs": "?", "const": Path()}
    add("source", type=Path, name="INPUT", say="CT: an image file, or a folder with DICOM files")
    add("-o", dest="labelmap", type=Path, required=True, name="OUT", say="labelmap to write")
    add("--report", type=_ending(".json"), name="PATH", say="report (default: beside OUT)")
    add("--csv", type=_ending(".csv"), **beside, name="PATH", say="organ table (beside OUT)")
    add("--preview", type=_ending(".png"), **beside, name="PATH", say="picture (beside OUT)")
    add("--series", name="UID", say="which DICOM series of the folder")
    add("--model", type=Path, name="DIR", say=MODEL)


def _add_choices(group: argparse._ArgumentGroup) -> None:
    def add(flag: str, say: str, **more: object) -> None:
        group.add_argument(flag, help=f"{say} (default: %(default)s)", **more)  # type: ignore[arg-type]

    add("--speed", "fast is int8, up to a fifth faster", choices=SPEEDS, default="balanced")
    add("--organs", "such as liver,spleen", type=_organ_keys, default="all", metavar="KEYS")
    add("--threads", "at most; 0: automatic", type=_count, default=0, metavar="N")
    add("--restore", "to the grid: the same labels", choices=RESTORES, default="mixed")
    add("--runtime", "what runs the network", choices=RUNTIMES, default="auto")
    add("--progress", "how it is shown; json is for programs", choices=PROGRESS, default="auto")
    add("--hu-offset", "added to every voxel", type=_finite, default=0.0, metavar="HU")


def _add_switches(group: argparse._ArgumentGroup) -> None:
    def add(flag: str, name: str, say: str) -> None:
        group.add_argument(flag, dest=name, help=say, action="store_false")

    add("--no-skip-air", "skip_air", "run windows that hold no body too")
    add("--no-centre-first", "centre_first", "look closely at parts without organs too")
    add("--no-cleanup", "clean", "write what the network said")
    ids = "do not hide what DICOM files say of the patient in names, reports and messages"
    group.add_argument("--keep-ids", help=ids, action="store_true")
    group.add_argument("--quiet", action="store_true", help="say nothing but errors")


def _fill_view(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("case", type=Path, metavar="CASE", help="a labelmap, or a folder that holds one")
    add("--ct", type=Path, metavar="PATH", help="its CT (default: beside it, as its report says)")
    add("--series", metavar="UID", help="which DICOM series of the CT's folder")
    add("--port", type=_count, default=0, metavar="N", help="of the page (default: any)")
    add("--no-browser", dest="browser", action="store_false", help="only say the address")


def _fill_evaluate(parser: argparse.ArgumentParser) -> None:
    _add_folders(parser.add_argument_group("files"))
    group = parser.add_argument_group("choices")
    said = {
        "--organs": "such as liver,spleen (default: all)",
        "--absent": "organs that the truth lacks: 1 or 0 as FLARE, or left out (default: score)",
        "--sliver-ml": "leave organs out of which the truth has less (default: 0)",
    }
    group.add_argument(
        "--organs", help=said["--organs"], type=_organ_keys, default="all", metavar="KEYS"
    )
    group.add_argument("--absent", help=said["--absent"], choices=ABSENT, default="score")
    group.add_argument("--sliver-ml", help=said["--sliver-ml"], type=_ml, default=0.0, metavar="ML")
    group.add_argument(
        "--plots", action="store_true", help="write box plots and the worst cases into DIR"
    )
    group.add_argument("--quiet", action="store_true", help="say nothing but errors")


def _add_folders(group: argparse._ArgumentGroup) -> None:
    def add(*names: str, say: str, name: str = "DIR", **more: object) -> None:
        group.add_argument(*names, help=say, metavar=name, **more)  # type: ignore[arg-type]

    table = {"nargs": "?", "const": Path("scores.csv"), "type": _ending(".csv")}
    add("truth", type=Path, name="TRUTH", say="folder with the truth")
    add("pred", type=Path, name="PRED", say="folder with the predictions")
    add("-o", dest="folder", type=Path, say="folder for tables and plots (default: none written)")
    add("--against", type=Path, say="other predictions of the same cases: paired test")
    add("--csv", **table, name="PATH", say="table per case and organ (scores.csv)")
    add("--images", type=Path, say="CTs for --plots (default: TRUTH/<case>/ct.nii.gz)")


def _organ_keys(text: str) -> tuple[str, ...]:
    """Return the keys, each once; empty for "all"."""
    known = [organ.key for organ in ORGANS]
    keys = tuple(dict.fromkeys(key.strip() for key in text.split(",") if key.strip()))
    if keys == ("all",):
        return ()
    wrong = [key for key in keys if key not in known]
    if wrong or not keys:
        named = ", ".join(wrong) or "nothing"
        raise argparse.ArgumentTypeError(f"{named} is no organ: choose from {', '.join(known)}")
    return keys


def _ml(text: str) -> float:
    with contextlib.suppress(ValueError):
        value = float(text)
        if 0 <= value < math.inf:
            return value
    raise argparse.ArgumentTypeError(f"{text} is no volume: give 0 or more ml")


def _seconds(text: str) -> float:
    with contextlib.suppress(ValueError):
        value = float(text)
        if 0 <= value <= threading.TIMEOUT_MAX:
            return value
    raise argparse.ArgumentTypeError(f"{text} is no time: give 0 (any) or more seconds")


def _scheduler(text: str) -> str:
    if text == "local" or "://" in text:
        return text
    raise argparse.ArgumentTypeError(f"{text} is no address: give local, or one as tcp://head:8786")


def _count(text: str) -> int:
    if not (text.isascii() and text.isdecimal()):
        raise argparse.ArgumentTypeError(f"{text} is no count: give 0 (automatic) or more")
    return int(text)


def _finite(text: str) -> float:
    with contextlib.suppress(ValueError):
        value = float(text)
        if math.isfinite(value):
            return value
    raise argparse.ArgumentTypeError(f"{text} is no number of HU: give one such as -1024")


def _ending(suffix: str) -> Callable[[str], Path]:
    """Return a check that keeps `--csv ct.nii.gz` from writing over a CT."""

    def check(text: str) -> Path:
        if not text.lower().endswith(suffix):
            raise argparse.ArgumentTypeError(f"{text} does not end in {suffix}")
        return Path(text)

    return check
