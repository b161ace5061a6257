"""Stage 3: the student learns from the teacher's stored labels; resumes where it stopped."""

from __future__ import annotations

import csv
import math
import time
from pathlib import Path

import torch
from torch import Tensor

from training import losses, transfer
from training.cases import case_ids
from training.config import Config, config_of_command
from training.data import Patch, Patches
from training.model import new_student
from training.optimizer import optimizers

LOG_STEPS = 50


class Run:
    """Everything of a run that a checkpoint holds."""

    def __init__(self, config: Config) -> None:
        """Make a run at its first step."""
        torch.manual_seed(config.seed)
        self.config = config
        self.model = new_student(config).to(memory_format=torch.channels_last)
        if config.start:
            self.model.load_state_dict(torch.load(config.start, weights_only=True))
        self.average = new_student(config)
        self.average.load_state_dict(self.model.state_dict())
        self.optimizers = optimizers(self.model, config.learning_rate, config.weight_decay)
        self.step, self.seconds = 0, 0.0

    @property
    def path(self) -> Path:
        """The checkpoint."""
        return self.config.work / "checkpoint.pt"

    def save(self) -> None:
        """Write the checkpoint, then let it take the old one's place: a full disk loses nothing."""
        part = self.path.with_suffix(".part")
        state = {"model": self.model.state_dict(), "average": self.average.state_dict()}
        state |= {"optimizers": [item.state_dict() for item in self.optimizers]}
        torch.save(state | {"step": self.step, "seconds": self.seconds}, part)
        part.replace(self.path)

    def resume(self) -> None:
        """Go on from the checkpoint, if there is one."""
        if not self.path.exists():
            return
        state = torch.load(self.path, weights_only=True)
        self.model.load_state_dict(state["model"])
        self.average.load_state_dict(state["average"])
        for item, saved in zip(self.optimizers, state["optimizers"], strict=True):
            item.load_state_dict(saved)
        self.step, self.seconds = state["step"], state["seconds"]

    def rate(self) -> float:
        """Return the factor of the learning rate: warm-up, constant, over the last 60 % to 0."""
        done = self.seconds / (60 * self.config.minutes)
        rising = min(1.0, (done + 1e-6) / self.config.warmup_share)
        return min(rising, max(0.0, (1 - done) / 0.6))

    @torch.no_grad()
    def track(self) -> None:
        """Move the average toward the weights."""
        keep = min(1 - 1 / self.config.ema_steps, (1 + self.step) / (10 + self.step))
        for mean, now in zip(
            self.average.state_dict().values(), self.model.state_dict().values(), strict=True
        ):
            if mean.dtype.is_floating_point:
                mean.lerp_(now, 1 - keep)
            else:
                mean.copy_(now)


def stack(patches: list[Patch]) -> tuple[Tensor, Tensor, Tensor]:
    """Return images, soft labels and labels of a batch."""
    return (
        torch.stack([patch.image for patch in patches]),
        torch.stack([patch.soft for patch in patches]),
        torch.stack([patch.labels for patch in patches]),
    )


def corner(step: int, seed: int, shape: tuple[int, ...]) -> tuple[int, int, int]:
    """Return where the full-resolution block of a step begins, in logits."""
    generator = torch.Generator().manual_seed(seed * 1_000_003 + step)
    z, y, x = (int(torch.randint(0, n - n // 2 + 1, (), generator=generator)) for n in shape)
    return z, y, x


def train_step(run: Run, batch: tuple[Tensor, Tensor, Tensor]) -> dict[str, float]:
    """Update the weights once; return the losses."""
    images, soft, labels = batch
    for item in run.optimizers:
        for group in item.param_groups:
            group.setdefault("peak", group["lr"])
            group["lr"] = group["peak"] * run.rate()
        item.zero_grad(set_to_none=True)
    with torch.autocast("cpu", torch.bfloat16):
        logits = run.model(images).float()
    soft_loss = transfer.imitation(logits, soft)
    place = corner(run.step, run.config.seed, tuple(logits.shape[2:]))
    hard_loss = losses.hard(logits, labels, place)
    loss = soft_loss + hard_loss
    found = float(loss.detach())
    if not math.isfinite(found):
        raise FloatingPointError(f"loss is {found} at step {run.step}: lower learning_rate")
    loss.backward()
    for item in run.optimizers:
        item.step()
    return {"soft": float(soft_loss.detach()), "hard": float(hard_loss.detach())}


def main(config: Config) -> None:
    """Train until the schedule ends; write checkpoint.pt and metrics.csv."""
    run = Run(config)
    run.resume()
    patches = Patches(config, case_ids(config.cases))

    def batch_at(step: int) -> tuple[Tensor, Tensor, Tensor]:
        first = (config.seed << 32) + step * config.batch
        return stack([patches.draw(first + i) for i in range(config.batch)])

    sums: dict[str, float] = {}
    saved = time.monotonic()
    while run.seconds < 60 * config.minutes:
        began = time.monotonic()
        for name, value in train_step(run, batch_at(run.step)).items():
            sums[name] = sums.get(name, 0.0) + value
        run.track()
        run.step += 1
        run.seconds += time.monotonic() - began
        if run.step % LOG_STEPS == 0:
            log(run, {name: total / LOG_STEPS for name, total in sums.items()})
            sums.clear()
        if time.monotonic() - saved > 60 * config.checkpoint_minutes:
            run.save()
            saved = time.monotonic()
    run.save()


def log(run: Run, means: dict[str, float]) -> None:
    """Append a row to metrics.csv and print it."""
    row = {"step": run.step, "minutes": round(run.seconds / 60, 2)}
    row |= {name: round(value, 4) for name, value in means.items()}
    path = run.config.work / "metrics.csv"
    is_new = not path.exists()
    with path.open("a", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, row)
        if is_new:
            writer.writeheader()
        writer.writerow(row)
    print(row, flush=True)


if __name__ == "__main__":
    main(config_of_command())
