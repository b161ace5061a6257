"""Stage 2: an nnU-Net-like teacher is trained on labelled CTs; or an ONNX file is checked.

Dice + cross entropy with deep supervision (papers 1 and 3). Partial labels are used as such: an
organ that a case does not label costs nothing there, called by its name or background.
"""

from __future__ import annotations

import torch

from FlareSegLib.base.errors import InputError
from training.augment.patch import Case
from training.cases.index import read_index, taught
from training.cases.run_folder import RunFolder
from training.config import Config, run_stage, settings
from training.labelling.looks import load_labeller, own_facts
from training.loop import loop, validate
from training.loop.run import Run
from training.machine import distributed
from training.networks.build import new_teacher
from training.patches.data import Patches, View, load_case
from training.patches.loader import Samples
from training.sections import Distill, Teacher

SECTIONS = ("data", "teacher", "augment")
"""What must be the same when a run is resumed."""


def loss_of(teacher: Teacher) -> Distill:
    """Return the weights of the loss: the labels alone, at several decoder levels."""
    return Distill(
        hard=1.0, stored=0.0, live=0.0, divergence=0.0, dice=0.0, supervised=1.0,
        deep_supervision=teacher.deep_supervision,
    )  # fmt: skip


def labelled(config: Config) -> list[Case]:
    """Return the training cases that have labels of the kind that the config wants.

    Raises:
        InputError: None has.
    """
    if config.teacher.learns_from == "labels":
        known, is_truth = taught(config), False
    else:
        entries = read_index(config, "train")
        known, is_truth = {e.case: e.known for e in entries if any(e.known)}, True
    if not known:
        raise InputError(
            f"none of the training cases in {config.work} came with a label: add label.nii.gz to "
            "some, or give teacher.onnx"
        )
    return [
        load_case(config.work, case, config.seed, told, with_soft=False, is_truth=is_truth)
        for case, told in known.items()
    ]


def main(config: Config, resume: bool = False) -> None:
    """Train until the schedule ends; write <teacher.name>/checkpoint.pt and metrics.csv."""
    if config.teacher.onnx:
        load_labeller(config)
        print(f"the teacher is {config.teacher.onnx}: it loads, nothing is trained")
        return
    options, data = config.teacher, config.data
    distributed.begin(distributed.device_of(options.train.device))
    torch.manual_seed(config.seed)
    network = new_teacher(options, data.classes)
    run = Run(network, data.classes, options.train, loss_of(options))
    chosen = settings(config, SECTIONS)
    run.begin(config.work / options.name / "checkpoint.pt", chosen, resume=resume)
    view = View(options.train.patch, data.hu_range, data.hu_mean, data.hu_sd)
    patches = Patches(labelled(config), view, config.augment)
    folder = RunFolder(config, options.name)
    folder.cut(run.step)
    supply = loop.Supply(Samples(patches, patches, run.losses), seed=config.seed)
    look = validate.look(config, own_facts(config, options.train.patch))
    loop.fit(run, supply, folder, chosen, look)
    distributed.end()


if __name__ == "__main__":
    run_stage(main)
