"""flareseg evaluate: predictions against the truth."""

from __future__ import annotations

import argparse
from pathlib import Path

from FlareSegLib.base import extras
from FlareSegLib.base.progress import Progress
from FlareSegLib.command.options import (
    MODEL,
    Commands,
    WrongUsageError,
    add_command,
    check_organs,
    ending,
    labels_of,
    ml,
    organ_keys,
)
from FlareSegLib.command.terminal import watched

ABSENT = ("score", "skip")
"""As in scores.py."""
EXAMPLES = """examples:
  flareseg evaluate truth/ predictions/
  flareseg evaluate truth/ predictions/ -o evaluation --plots --images cts/
  flareseg evaluate truth/ predictions/ -o evaluation --against others/
  flareseg evaluate truth/ predictions/ --csv scores.csv --absent skip --sliver-ml 3

TRUTH and PRED hold <case>.nii.gz or <case>/label.nii.gz (also .nii, .nrrd, .seg.nrrd, .mha), with
the values of the model's organs (of the one that ships: 1 to 13). Each case of TRUTH needs its
prediction, on the same grid. The rules are those of FLARE: see docs/evaluation.md. DIR gets
scores.csv (a line per case and organ), means.csv, evaluation.md, paired.csv with --against, and
pictures with --plots.
"""


def add(commands: Commands) -> None:
    """Add the subcommand."""
    parser = add_command(
        commands,
        run,
        name="evaluate",
        help="score predictions against the truth",
        description="Score a folder of labelmaps against the truth: DSC, NSD, HD95 per organ.",
        epilog=EXAMPLES,
    )
    _add_folders(parser.add_argument_group("files"))
    _add_rules(parser.add_argument_group("choices"))


def _add_folders(group: argparse._ArgumentGroup) -> None:
    def add(*names: str, say: str, name: str = "DIR", **more: object) -> None:
        group.add_argument(*names, help=say, metavar=name, **more)  # type: ignore[arg-type]

    table = {"nargs": "?", "const": Path("scores.csv"), "type": ending(".csv")}
    add("truth", type=Path, name="TRUTH", say="folder with the truth")
    add("pred", type=Path, name="PRED", say="folder with the predictions")
    add("-o", dest="folder", type=Path, say="folder for tables and plots (default: none written)")
    add("--against", type=Path, say="other predictions of the same cases: paired test")
    add("--csv", **table, name="PATH", say="table per case and organ (scores.csv)")
    add("--model", type=Path, say=MODEL)
    add("--images", type=Path, say="CTs for --plots (default: TRUTH/<case>/ct.nii.gz)")


def _add_rules(group: argparse._ArgumentGroup) -> None:
    said = {
        "--organs": "such as liver,spleen (default: all)",
        "--absent": "organs that the truth lacks: 1 or 0 as FLARE, or left out (default: score)",
        "--sliver-ml": "leave organs out of which the truth has less (default: 0)",
    }
    group.add_argument(
        "--organs", help=said["--organs"], type=organ_keys, default="all", metavar="KEYS"
    )
    group.add_argument("--absent", help=said["--absent"], choices=ABSENT, default="score")
    group.add_argument("--sliver-ml", help=said["--sliver-ml"], type=ml, default=0.0, metavar="ML")
    group.add_argument(
        "--plots", action="store_true", help="write box plots and the worst cases into DIR"
    )
    group.add_argument("--quiet", action="store_true", help="say nothing but errors")


def run(options: argparse.Namespace) -> None:
    """Score a folder of predictions; print the means and where the files are."""
    if options.plots and options.folder is None:
        raise WrongUsageError("--plots needs a folder: say -o DIR")
    extras.check("scipy", "scipy", "evaluate")
    check_organs(options)
    with watched(is_quiet=options.quiet) as progress:
        table = _evaluate(options, progress)
    if not options.quiet:
        print(table)
        for kind, path in (("folder", options.folder), ("table", options.csv)):
            if path is not None:
                print(f"{kind:<9} {path}")


def _evaluate(options: argparse.Namespace, progress: Progress) -> str:
    """Return the table of means."""
    from FlareSegLib.evaluation.evaluate import EvaluationJob, evaluate
    from FlareSegLib.evaluation.scores import Rules
    from FlareSegLib.evaluation.tables import rule_text, summary

    rules = Rules(labels_of(options), options.organs, options.absent, options.sliver_ml)
    job = EvaluationJob(
        truth=options.truth,
        pred=options.pred,
        against=options.against,
        folder=options.folder,
        csv=options.csv,
        has_plots=options.plots,
        images=options.images,
    )
    return f"{summary(evaluate(job, rules, progress), rules)}\n\n{rule_text(rules)}\n"
