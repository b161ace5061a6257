"""Stage 6: the exported model on the validation cases, through inference, scored as FLARE does."""

from __future__ import annotations

import dataclasses
import os
import shutil
from pathlib import Path

from FlareSegLib.base.errors import InputError
from FlareSegLib.base.geometry import Labelmap
from FlareSegLib.base.job import Job
from FlareSegLib.base.labels import LabelSet
from FlareSegLib.base.run_options import RunOptions
from FlareSegLib.evaluation import tables
from FlareSegLib.evaluation.evaluate import EvaluationJob, evaluate
from FlareSegLib.evaluation.scores import Rules
from FlareSegLib.images.reading import read_labelmap
from FlareSegLib.images.writing import write_labelmap
from FlareSegLib.inference.runtimes import loads_once
from FlareSegLib.pipeline import segment_file
from training.cases.index import read_index
from training.cases.layouts import Source, find
from training.cases.run_folder import RunFolder
from training.config import Config, run_stage
from training.result.model_card import write_card


def validation(config: Config) -> list[Source]:
    """Return the validation cases.

    Raises:
        InputError: There is none.
    """
    entries = read_index(config)
    val = {entry.case for entry in entries if entry.split == "val"}
    found = [source for source in find(config.data) if source.case in val and source.label]
    if not found:
        raise InputError(
            "there is no validation case: set data.val, data.val_cases or data.val_share, and run "
            "training.prepare"
        )
    return found


def write_truth(source: Source, folder: Path, labels: LabelSet) -> None:
    """Write the truth of a case in our values, on the grid of its CT."""
    assert source.label is not None  # validation() takes cases with a label
    labelmap = read_labelmap(source.label)
    ours = source.values[labelmap.array]
    ours[ours > len(labels.organs)] = 0  # lesions are not scored: there is no rule for them
    write_labelmap(Labelmap(ours, labelmap.grid), folder / f"{source.case}.nii.gz")


def show(source: Source, folder: Path) -> None:
    """Put the CT of a case where the pictures of the worst cases look for it."""
    if source.ct.is_file():
        ending = "".join(source.ct.suffixes[-2:]) if source.ct.name.endswith(".gz") else None
        target = folder / f"{source.case}{ending or source.ct.suffix}"
        target.unlink(missing_ok=True)
        try:
            os.link(source.ct, target)
        except OSError:  # another disk, or a file system without links
            shutil.copyfile(source.ct, target)


def main(config: Config, resume: bool = False) -> None:
    """Write evaluate/: predictions, tables, box plots, worst cases; figures into the model card."""
    folder = RunFolder(config, "evaluate").path
    model = config.work / config.export.name
    truth, pred, images = (folder / name for name in ("truth", "pred", "images"))
    images.mkdir(exist_ok=True)
    load = loads_once()
    cases = validation(config)
    for i, source in enumerate(cases, start=1):
        write_truth(source, truth, config.data.organs)
        show(source, images)
        target = pred / f"{source.case}.nii.gz"
        if not (resume and target.exists()):
            segment_file(Job(source.ct, target), model, RunOptions(), load=load)
        print(f"{i} of {len(cases)} {source.case}", flush=True)
    options = config.evaluate
    rules = Rules(config.data.organs, absent=options.absent, sliver_ml=options.sliver_ml)
    job = EvaluationJob(truth, pred, folder=folder, has_plots=True, images=images)
    found = evaluate(dataclasses.replace(job, against=options.against), rules)
    table = tables.summary(found, rules)
    said = f"{tables.rule_text(rules)}\n\n{len(cases)} cases that were not trained on.\n\n"
    write_card(config, model, {"figures": said + table})
    print(table)


if __name__ == "__main__":
    run_stage(main)
