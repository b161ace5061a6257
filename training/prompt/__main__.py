"""Train the network of prompts: python -m training.prompt CONFIG.toml [--resume]."""

from __future__ import annotations

import argparse
import dataclasses
import json
import math
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch

from FlareSegLib.base.errors import ModelError
from training.loop import checkpoint
from training.networks.prompt import CropNet
from training.prompt.cases import Case, load_cases
from training.prompt.clicks import channels, click
from training.prompt.crops import Crops
from training.prompt.settings import Settings, read_settings
from training.prompt.source import Source, objective

BOX_ALONE, MOST_CLICKS = 0.45, 3
"""Share of steps without a click; clicks of the others are 1 to MOST_CLICKS."""
FREE = ("out", "seconds", "device", "checkpoint_steps", "packs", "labels")
"""Settings that may differ between a run and its resumption."""


class Run:
    """Network, average of its weights, optimizer, and where they stand."""

    def __init__(self, settings: Settings, device: torch.device) -> None:
        torch.manual_seed(settings.seed)
        self.settings, self.device, self.step = settings, device, 0
        self.network = CropNet().to(device, memory_format=torch.channels_last)
        if settings.start:
            self.network.load_state_dict(checkpoint.weights(settings.start))
        self.average = CropNet().to(device)
        self.average.load_state_dict(self.network.state_dict())
        self.optimizer = torch.optim.AdamW(
            self.network.parameters(), settings.rate, weight_decay=1e-2
        )

    def learn(self, source: Source) -> dict[str, float]:
        """Do one step; return its loss and DSC."""
        rate = self._set_rate()
        crops = source.batch(self.step)
        inputs = self._inputs(crops)
        self.network.train()
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.device.type == "cuda"):
            logits = self.network(inputs)
        loss, dsc = objective(logits, crops)
        if not math.isfinite(loss.item()):
            raise ModelError(f"loss is {loss.item()} at step {self.step}: lower rate")
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), 1.0)
        self.optimizer.step()
        self.step += 1
        self._track()
        return {"step": self.step, "loss": loss.item(), "dsc": dsc.item(), "rate": rate}

    @torch.no_grad()
    def _inputs(self, crops: Crops) -> torch.Tensor:
        """Return the channels of a step, after the clicks of a simulated user."""
        rng = np.random.default_rng([self.settings.seed, self.step, 2])
        clicks = 0 if rng.random() < BOX_ALONE else int(rng.integers(1, MOST_CLICKS + 1))
        former = inside = outside = torch.zeros_like(crops.truth)
        self.network.eval()
        for _ in range(clicks):
            logits = self.network(channels(crops, former, inside, outside))
            former = (logits > 0).float()
            inside, outside = click(former, crops.truth, inside, outside)
        return channels(crops, former, inside, outside)

    def _set_rate(self) -> float:
        s = self.settings
        warm = min(1.0, (self.step + 1) / max(s.warmup, 1))
        cosine = 0.5 * (1 + math.cos(math.pi * min(self.step / s.steps, 1.0)))
        rate = s.rate * warm * (0.98 * cosine + 0.02)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        return rate

    @torch.no_grad()
    def _track(self) -> None:
        keep = min(0.999, (1 + self.step) / (10 + self.step))
        pairs = zip(
            self.average.state_dict().values(), self.network.state_dict().values(), strict=True
        )
        for mean, now in pairs:
            if mean.dtype.is_floating_point:
                mean.lerp_(now, 1 - keep)
            else:
                mean.copy_(now)

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


def fixed(settings: Settings) -> dict[str, object]:
    """Return the settings that a run may not change, in plain types."""
    found = {key: v for key, v in dataclasses.asdict(settings).items() if key not in FREE}
    return {
        key: list(v) if isinstance(v, tuple) else str(v) if isinstance(v, Path) else v
        for key, v in found.items()
    }


def train(settings: Settings, cases: list[Case], device: torch.device, *, resume: bool) -> Run:
    """Train to the end of the steps or of the time; return the run."""
    path = settings.out / "checkpoint.pt"
    run = Run(settings, device)
    if resume:
        run.load(path)
    else:
        checkpoint.check_new(path)
    settings.out.mkdir(parents=True, exist_ok=True)
    source, began = Source(cases, settings, device), time.monotonic()
    with (settings.out / "metrics.jsonl").open("a", encoding="utf-8") as log:
        while run.step < settings.steps and time.monotonic() - began < settings.seconds:
            row = run.learn(source)
            log.write(json.dumps({k: round(v, 6) for k, v in row.items()}) + "\n")
            if run.step % settings.checkpoint_steps == 0:
                run.save(path)
                log.flush()
                print(row, flush=True)
    run.save(path)
    return run


def main() -> None:
    """Train what the command line names."""
    parser = argparse.ArgumentParser(prog="python -m training.prompt", description=__doc__)
    parser.add_argument("config", type=Path)
    parser.add_argument("--resume", action="store_true", help="go on from the checkpoint")
    said = parser.parse_args()
    settings = read_settings(said.config)
    wanted = settings.device
    if wanted == "auto":
        wanted = "cuda" if torch.cuda.is_available() else "cpu"
    device = torch.device(wanted)
    cases = load_cases(settings.packs, settings.labels, device)
    print(f"{len(cases)} cases on {device}", flush=True)
    run = train(settings, cases, device, resume=said.resume)
    print(f"{settings.out}: {run.step} steps", flush=True)


if __name__ == "__main__":
    main()
