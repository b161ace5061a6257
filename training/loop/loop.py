"""The one training loop: the same on a CPU, a GPU or several, for a teacher and for a student."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from FlareSegLib.base.errors import ModelError
from training.cases.run_folder import RunFolder
from training.loop import checkpoint
from training.loop.run import Run, no_number
from training.losses.objective import Batch, culprits, terms
from training.machine import device, distributed
from training.machine.memory import keep_freed
from training.patches import loader
from training.patches.data import Sample
from training.patches.loader import Order, Samples
from training.patches.teachers import TorchTeacher

LEVELS = 2
"""Lowest encoder levels whose features are distilled (paper 1)."""


@dataclass(frozen=True)
class Supply:
    """Where the batches of a run come from."""

    samples: Samples
    """Drawn by seed."""
    teacher: TorchTeacher | None = None
    """A trained teacher on the device, that labels samples there."""
    seed: int = 0
    """Of the config."""
    easy_share: float = 0.0
    """Share of the schedule with easy cases alone; 0 without a curriculum."""


def train_step(run: Run, batch: Batch) -> dict[str, float]:
    """Update the weights once; return the terms of the loss.

    Args:
        run: The run.
        batch: On the device of the run.
    """
    run.set_rate()
    for item in run.optimizers:
        item.zero_grad(set_to_none=True)
    with device.autocast(run.train, run.device):
        found = terms(run.model, run.heads, batch, run.losses)
    loss = torch.stack(list(found.values())).sum()
    value = distributed.mean(float(loss.detach()))
    if not math.isfinite(value):
        raise no_number(value, run.step, culprits(run.model, run.heads, batch, run.losses))
    loss.backward()
    weights = [weight for _, weight in run.parameters()]
    distributed.average_gradients(weights)
    if run.train.clip_norm:
        torch.nn.utils.clip_grad_norm_(weights, run.train.clip_norm)
    for item in run.optimizers:
        item.step()
    run.track()
    run.schedule.step += 1
    return {name: distributed.mean(float(value.detach())) for name, value in found.items()}


def orders(run: Run, batch: int, seed: int, easy_share: float) -> Iterator[Order]:
    """Yield what each step from here on draws, without end.

    A seed belongs to a place in the whole batch, so that a resumed run, and one of several
    processes, draw what one run from the start would.

    Args:
        run: Where it stands.
        batch: Samples of a step, over all processes.
        seed: Of the config.
        easy_share: Share of the schedule with easy cases alone; 0 without a curriculum.
    """
    step = run.step
    rank, world = distributed.rank(), distributed.world()
    while True:
        first = (seed << 40) + step * batch
        seeds = tuple(first + i for i in range(rank, batch, world))
        yield Order(seeds, is_easy=step < easy_share * run.train.steps)
        step += 1


def labelled(drawn: Batch | list[Sample], teacher: TorchTeacher | None, run: Run) -> Batch:
    """Return a batch on the device of the run.

    Args:
        drawn: As the loader gives it: with targets, or samples that a trained teacher labels here.
        teacher: On the device.
        run: The run.
    """
    if isinstance(drawn, Batch):
        return loader.moved(drawn, run.device)
    said = None
    if teacher is not None:
        scenes = torch.stack([sample.scene for sample in drawn]).to(run.device)
        said = teacher.look(scenes, LEVELS)
    return loader.moved(loader.to_batch(drawn, said, run.losses), run.device)


def fit(
    run: Run,
    supply: Supply,
    folder: RunFolder,
    settings: dict[str, Any],
    validate: Callable[[Run], float] | None = None,
) -> None:
    """Train until the schedule ends; write checkpoint.pt and metrics.csv into the folder.

    Rows tell the mean seconds of a step, and how much of them went by waiting for patches.

    Args:
        run: At its start, or as resumed.
        supply: Where batches come from.
        folder: Of the run.
        settings: What a resumed run must share: see checkpoint.settings.
        validate: Gives the DSC of the averaged network on the validation cases.

    Raises:
        ModelError: A loss is no number, or the batch cannot be shared out.
        OutputError: A checkpoint cannot be written; the last one is kept.
    """
    train, path = run.train, folder.path / "checkpoint.pt"
    keep_freed()
    if train.threads:
        torch.set_num_threads(train.threads)
    run.batch = run.batch or automatic_batch(run, supply)
    if run.batch % distributed.world():
        raise ModelError(
            f"train.batch is {run.batch}: make it a multiple of the {distributed.world()} processes"
        )
    wanted = orders(run, run.batch, supply.seed, supply.easy_share)
    stream = loader.batches(supply.samples, wanted, train.workers)
    while not run.is_done:
        began = time.monotonic()
        batch = labelled(next(stream), supply.teacher, run)
        waited = time.monotonic() - began
        found = train_step(run, batch)
        timing = {"seconds": time.monotonic() - began, "waited": waited}
        for name, value in (*found.items(), *timing.items()):
            run.sums[name] = run.sums.get(name, 0.0) + value / train.log_steps
        if run.step % train.log_steps == 0:
            report(folder, run, run.sums)
            run.sums.clear()
        if validate and train.val_steps and run.step % train.val_steps == 0:
            look(folder, run, validate)
        if run.step % train.checkpoint_steps == 0:
            keep(path, run, settings)
    keep(path, run, settings)


def report(folder: RunFolder, run: Run, values: dict[str, float]) -> None:
    """Log the means of the last steps; process 0 alone."""
    if distributed.is_main():
        folder.log(run.step, {**values, "rate": run.schedule.rate(run.train)})


def look(folder: RunFolder, run: Run, validate: Callable[[Run], float]) -> None:
    """Validate, and let the schedule see whether training still pays (paper 5)."""
    dsc = validate(run)
    run.schedule.look(dsc, run.train)
    if distributed.is_main():
        folder.log(run.step, {"val_dsc": dsc})


def keep(path: Path, run: Run, settings: dict[str, Any]) -> None:
    """Write the checkpoint; process 0 alone, the others wait."""
    if distributed.is_main():
        checkpoint.save(path, {**run.state(), "config": settings})
    distributed.barrier()


def automatic_batch(run: Run, supply: Supply) -> int:
    """Return how many patches fill the device: a forward pass of one patch is weighed (paper 5)."""
    drawn = supply.samples[Order((0,), is_easy=False)]
    one = labelled(drawn, supply.teacher, run)

    def forward() -> Tensor:
        with device.autocast(run.train, run.device):
            found = terms(run.model, run.heads, one, run.losses)
        return torch.stack(list(found.values())).sum()

    state = {name: value.clone() for name, value in run.model.state_dict().items()}
    patch_bytes = device.saved_bytes(forward)
    run.model.load_state_dict(state)  # the statistics of BatchNorm have seen a patch
    fits = device.fitting_batch(device.free_bytes(run.device), patch_bytes)
    return fits * distributed.world()
