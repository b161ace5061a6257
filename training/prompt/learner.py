"""A network that learns: its optimizer, the mean of its weights, its checkpoint. For either way."""

from __future__ import annotations

import copy
import json
import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from FlareSegLib.base.errors import ModelError
from training.config import flat
from training.loop import checkpoint
from training.loop.run import move
from training.machine.device import has_bfloat16
from training.prompt.settings import Common

FREE = ("out", "seconds", "device", "checkpoint_steps", "packs", "labels")
"""Settings that may differ between a run and its resumption."""


class Learner:
    """Network, average of its weights, optimizer, and where they stand."""

    def __init__(self, network: nn.Module, settings: Common, steps: int) -> None:
        self.settings, self.steps, self.step = settings, steps, 0
        self.network, self.average = network, copy.deepcopy(network)
        self.optimizer = torch.optim.AdamW(network.parameters(), settings.rate, weight_decay=1e-2)

    def descend(self, loss: Tensor) -> dict[str, float]:
        """Do one step down a loss; return it and the rate.

        Raises:
            ModelError: The loss is no number.
        """
        rate = self._set_rate()
        if not math.isfinite(loss.item()):
            raise ModelError(f"loss is {loss.item()} at step {self.step}: lower rate")
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), 1.0)
        self.optimizer.step()
        self.step += 1
        move(self.average, self.network, min(0.999, (1 + self.step) / (10 + self.step)))
        return {"step": self.step, "loss": loss.item(), "rate": rate}

    def _set_rate(self) -> float:
        s = self.settings
        warm = min(1.0, (self.step + 1) / max(s.warmup, 1))
        cosine = 0.5 * (1 + math.cos(math.pi * min(self.step / self.steps, 1.0)))
        rate = s.rate * warm * (0.98 * cosine + 0.02)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        return rate

    def save(self, path: Path) -> None:
        """Write a checkpoint, wholly or not at all."""
        state = {
            "model": self.network.state_dict(),
            "average": self.average.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "step": self.step,
            "config": fixed(self.settings),
        }
        checkpoint.save(path, state)

    def load(self, path: Path) -> None:
        """Go on from a checkpoint.

        Raises:
            ModelError: There is none, or it was made with other settings.
        """
        state: dict[str, Any] = checkpoint.load(path)
        checkpoint.check_same(state["config"], fixed(self.settings), path)
        self.network.load_state_dict(state["model"])
        self.average.load_state_dict(state["average"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.step = state["step"]


def autocast(device: torch.device) -> torch.autocast:
    """Return the context of mixed precision: bfloat16 where the device has it."""
    return torch.autocast(device.type, torch.bfloat16, enabled=has_bfloat16(device))


def fixed(settings: Common) -> dict[str, object]:
    """Return the settings that a run may not change, flat, in plain types."""
    return {key: value for key, value in flat(settings).items() if key not in FREE}


def follow(learner: Learner, learn: Callable[[int], dict[str, float]], path: Path) -> None:
    """Learn until the steps are done or the time is over; write checkpoints and metrics.

    Args:
        learner: Where it stands.
        learn: Does the step of a number, counted from 0; returns what it found.
        path: Of the checkpoint; metrics go beside it (.jsonl).
    """
    settings, began = learner.settings, time.monotonic()
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.with_name(f"{path.stem}.jsonl").open("a", encoding="utf-8") as log:
        while learner.step < learner.steps and time.monotonic() - began < settings.seconds:
            row = learn(learner.step)
            log.write(json.dumps({k: round(v, 6) for k, v in row.items()}) + "\n")
            if learner.step % settings.checkpoint_steps == 0:
                learner.save(path)
                log.flush()
                print(row, flush=True)
    learner.save(path)
