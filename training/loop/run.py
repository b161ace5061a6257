"""The state of a training run: network, heads, average, optimizers, and where it stands."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn

from FlareSegLib.base.errors import ModelError
from training.loop import checkpoint
from training.loop.optimizer import optimizers
from training.loop.schedule import Schedule
from training.machine import device, distributed
from training.networks.heads import TrainingHeads
from training.sections import Distill, Train


class Run:
    """What a checkpoint holds."""

    def __init__(
        self,
        network: nn.Module,
        classes: int,
        train: Train,
        losses: Distill,
        *,
        teacher_channels: tuple[int, ...] = (),
        decoder_channels: tuple[int, ...] = (),
    ) -> None:
        """Make a run at its first step.

        Args:
            network: A training.networks.features.Network, with the weights to start from.
            classes: Of its logits.
            train: How it is trained.
            losses: By what.
            teacher_channels: Of the teacher's lowest encoder levels, if features are distilled.
            decoder_channels: Of its decoder levels, finest first, if they are distilled.
        """
        self.train, self.losses = train, losses
        self.device = distributed.device_of(train.device)
        self.heads = TrainingHeads(
            network,  # type: ignore[arg-type]
            classes,
            levels=losses.deep_supervision,
            teacher_channels=teacher_channels,
            decoder_channels=decoder_channels,
        ).to(self.device)
        distributed.share_statistics(network)
        self.model = device.placed(network, self.device)
        self.average = copy.deepcopy(self.model).requires_grad_(False).eval()
        if train.compile:
            self.model.features = torch.compile(self.model.features)
        self.optimizers = optimizers(self.parameters(), train)
        self.schedule = Schedule()
        self.batch = train.batch
        """Patches per step; found by the first step where the config says 0."""
        self.sums: dict[str, float] = {}
        """Of the losses since the last row of metrics.csv."""

    def parameters(self) -> list[tuple[str, nn.Parameter]]:
        """Return all that is trained, by name."""
        return [*self.model.named_parameters(), *self.heads.named_parameters(prefix="heads")]

    @property
    def step(self) -> int:
        """Steps that are done."""
        return self.schedule.step

    @property
    def is_done(self) -> bool:
        """Whether the schedule has ended."""
        return self.schedule.step >= self.schedule.end(self.train)

    def state(self) -> dict[str, object]:
        """Return what a checkpoint holds."""
        parts = {"model": self.model, "heads": self.heads, "average": self.average}
        return {
            **{name: part.state_dict() for name, part in parts.items()},
            "optimizers": [item.state_dict() for item in self.optimizers],
            "schedule": dataclasses.asdict(self.schedule),
            "batch": self.batch,
            "sums": self.sums,
        }

    def load(self, state: Mapping[str, Any]) -> None:
        """Go on from what a checkpoint held."""
        self.model.load_state_dict(state["model"])
        self.heads.load_state_dict(state["heads"])
        self.average.load_state_dict(state["average"])
        for item, saved in zip(self.optimizers, state["optimizers"], strict=True):
            item.load_state_dict(saved)
        self.schedule = Schedule(**state["schedule"])
        self.batch, self.sums = state["batch"], dict(state["sums"])

    def begin(self, path: Path, settings: Mapping[str, object], *, resume: bool) -> None:
        """Bring the run to where it is to begin: anew, or where its checkpoint stands.

        Raises:
            OutputError: A run is there and resume was not asked for.
            ModelError: There is nothing to resume, or it was made with other settings.
        """
        if not resume:
            checkpoint.check_new(path)
            return
        state = checkpoint.load(path)
        checkpoint.check_same(state["config"], settings, path)
        self.load(state)

    def set_rate(self) -> None:
        """Give the optimizers the learning rate of this step."""
        factor = self.schedule.rate(self.train)
        for item in self.optimizers:
            for group in item.param_groups:
                group.setdefault("peak", group["lr"])
                group["lr"] = group["peak"] * factor

    def track(self) -> None:
        """Move the average toward the weights: slower as the run goes on, up to ema_steps.

        From average_from on it is the plain mean of the weights since then (Izmailov et al., UAI
        2018).
        """
        since = self.step - round(self.train.average_from * self.train.steps)
        keep = min(1 - 1 / self.train.ema_steps, (1 + self.step) / (10 + self.step))
        if since >= 0:
            keep = since / (1 + since)
        move(self.average, self.model, keep)


@torch.no_grad()
def move(average: nn.Module, model: nn.Module, keep: float) -> None:
    """Move the weights of an average toward those of a model, keeping that share of them."""
    pairs = zip(average.state_dict().values(), model.state_dict().values(), strict=True)
    for mean, now in pairs:
        if mean.dtype.is_floating_point:
            mean.lerp_(now, 1 - keep)
        else:
            mean.copy_(now)


def start(network: nn.Module, train_from: Any) -> None:
    """Load weights to start from, if there are any: a checkpoint (its average) or weights alone."""
    if train_from:
        network.load_state_dict(checkpoint.weights(train_from))


def no_number(loss: float, step: int, names: tuple[str, ...]) -> ModelError:
    """Return the error that stops a run whose loss is no number, before it changes the weights."""
    return ModelError(
        f"loss is {loss} at step {step}, cases {', '.join(names)}: look at these cases, or "
        "lower train.learning_rate; the last checkpoint is kept"
    )
