"""Stage 5: the student learns from stored labels, from a live teacher, or from both (paper 1)."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

import torch

from FlareSegLib.base.config import ModelConfig
from training.augment.patch import Case
from training.cases.index import courses, taught
from training.cases.run_folder import RunFolder
from training.config import Config, run_stage
from training.loop import checkpoint, loop, validate
from training.loop.run import Run
from training.machine import device, distributed
from training.networks import build
from training.networks.model import new_student
from training.patches.data import Patches, View, load_case
from training.patches.loader import Samples
from training.patches.teachers import LiveTeacher, OnnxTeacher, TorchTeacher, channels_of
from training.sections import Student

SECTIONS = ("data", "teacher", "curriculum", "student", "augment", "distill", "train")
"""What must be the same when a run is resumed."""
NO_FILE = "0" * 64
"""In place of the checksum of an ONNX file, where there is none to be checked."""


def view_of(config: Config) -> View:
    """Return how patches become what the student sees."""
    data = config.data
    train = config.train
    return View(train.patch, data.hu_range, data.hu_mean, data.hu_sd, train.anywhere)


def new_run(config: Config, teacher: TorchTeacher | None) -> Run:
    """Return a run at its start."""
    torch.manual_seed(config.seed)
    network = new_student(config)
    if config.student.start:
        network.load_state_dict(checkpoint.weights(config.student.start))
    return Run(
        network,
        config.data.classes,
        config.train,
        config.distill,
        teacher_channels=teacher_channels(config, teacher),
        decoder_channels=decoder_channels(config),
    )


def teacher_channels(config: Config, teacher: TorchTeacher | None) -> tuple[int, ...]:
    """Return the channels of the teacher's lowest encoder levels, if they are distilled.

    Raises:
        ValueError: They are to be, but no teacher shows its inside.
    """
    if not (config.distill.features or config.distill.attention):
        return ()
    if teacher is not None:
        return teacher.encoder_channels[-loop.LEVELS :]
    if config.teacher.onnx and config.teacher.features:
        return channels_of(config.teacher.onnx, config.teacher.features)
    raise ValueError(
        "distill.features or distill.attention is above 0, but no teacher shows its inside: train "
        "a teacher, name tensors of the ONNX file in teacher.features, or set both to 0"
    )


def decoder_channels(config: Config) -> tuple[int, ...]:
    """Return the channels of the ONNX teacher's decoder levels, if they are distilled."""
    path, names = config.teacher.onnx, config.teacher.decoder_features
    wanted = config.distill.features or config.distill.attention
    if not (path and names and wanted) or config.distill.from_student:
        return ()
    return channels_of(path, names)


def trained_teacher(config: Config) -> TorchTeacher | None:
    """Return the teacher that training made, on the device, if it is to look at patches.

    A first student (second distillation of paper 1), or the network of the teacher stage.
    """
    wanted = config.distill
    is_wanted = wanted.live or wanted.features or wanted.attention
    if not is_wanted or (config.teacher.onnx and not wanted.from_student):
        return None
    if wanted.from_student:
        state = checkpoint.load(wanted.from_student)
        network = build.new_student(first_student(state, config.student), config.data.classes)
    else:
        state = checkpoint.load(config.work / config.teacher.name / "checkpoint.pt")
        network = build.new_teacher(config.teacher, config.data.classes)
    network.load_state_dict(state.get("average", state))
    place = distributed.device_of(config.train.device)
    return TorchTeacher(
        device.placed(network, place), view_of(config), lambda: device.autocast(config.train, place)
    )


def first_student(state: Mapping[str, Any], default: Student) -> Student:
    """Return the sizes of the student in a checkpoint; weights alone do not tell: the default."""
    found = {
        key.removeprefix("student."): tuple(value) if isinstance(value, list) else value
        for key, value in state.get("config", {}).items()
        if key.startswith("student.")
    }
    return dataclasses.replace(default, **{**found, "start": None})


def onnx_teacher(config: Config) -> Callable[[], LiveTeacher] | None:
    """Return what loads the ONNX teacher in a worker, if it is to look at patches."""
    path, wanted = config.teacher.onnx, config.distill
    if not path or not (wanted.live or wanted.features or wanted.attention) or wanted.from_student:
        return None
    facts = {k: tuple(v) if isinstance(v, list) else v for k, v in config.teacher.facts.items()}
    model = ModelConfig(**{"sha256": NO_FILE, "label_set": config.data.label_set, **facts})  # type: ignore[arg-type]
    shown = (*config.teacher.features, *config.teacher.decoder_features)
    return lambda: OnnxTeacher(path, model, config.train.patch, shown)


def facts_of(config: Config, stride: int) -> ModelConfig:
    """Return what inference would be told of the student, for looks at validation cases."""
    data, export = config.data, config.export
    return ModelConfig(
        export.name, export.version, NO_FILE, data.spacing_mm, export.window, data.keys,
        data.hu_range, data.hu_mean, data.hu_sd, logits_stride=stride, label_set=data.label_set,
    )  # fmt: skip


def cases_of(config: Config, names: list[str]) -> list[Case]:
    """Return cases in memory, with soft labels if they are wanted."""
    known, wanted = taught(config), config.distill.stored > 0
    return [
        # what was dropped from soft labels, as not to be trusted, must not be taught as background
        load_case(config.work, n, config.seed, known[n], with_soft=wanted and all(known[n]))
        for n in names
    ]


def supply_of(config: Config, teacher: TorchTeacher | None) -> loop.Supply:
    """Return where batches come from."""
    names, course = courses(config), config.curriculum
    wanted = sorted({*names["easy"], *names["hard"]})
    by_name = {case.name: case for case in cases_of(config, wanted)}
    easy, hard = (
        Patches([by_name[name] for name in names[key]], view_of(config), config.augment)
        for key in ("easy", "hard")
    )
    samples = Samples(hard, easy, config.distill, onnx_teacher(config), is_raw=teacher is not None)
    share = course.easy_share if course.use else 0.0
    return loop.Supply(samples, teacher, config.seed, easy_share=share)


def main(config: Config, resume: bool = False) -> None:
    """Train until the schedule ends; write distill/checkpoint.pt and distill/metrics.csv."""
    distributed.begin(distributed.device_of(config.train.device))
    path, settings = (
        config.work / "distill" / "checkpoint.pt",
        checkpoint.settings(config, SECTIONS),
    )
    teacher = trained_teacher(config)
    run = new_run(config, teacher)
    run.begin(path, settings, resume=resume)
    folder = RunFolder(config, "distill")
    folder.cut(run.step)
    look = validate.look(config, facts_of(config, int(run.model.logits_stride)))  # type: ignore[arg-type]
    loop.fit(run, supply_of(config, teacher), folder, settings, look)
    distributed.end()


if __name__ == "__main__":
    run_stage(main)
