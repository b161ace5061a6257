"""Stage 3: the student learns from the teacher's stored labels; resumes where it stopped."""

from __future__ import annotations

import math
from pathlib import Path

import torch
from torch import Tensor

from training import checkpoint, losses, transfer
from training.cases import case_ids
from training.config import Config, run_stage
from training.data import Patch, Patches
from training.model import new_student
from training.optimizer import optimizers
from training.run_folder import RunFolder
from training.schedule import Schedule


class Run:
    """Everything of a run that a checkpoint holds."""

    def __init__(self, config: Config) -> None:
        """Make a run at its first step."""
        torch.manual_seed(config.seed)
        self.config = config
        self.model = new_student(config).to(memory_format=torch.channels_last)
        if config.student.start:
            self.model.load_state_dict(checkpoint.weights(config.student.start))
        self.average = new_student(config)
        self.average.load_state_dict(self.model.state_dict())
        self.optimizers = optimizers(
            self.model, config.train.learning_rate, config.train.weight_decay
        )
        self.schedule = Schedule()

    @property
    def path(self) -> Path:
        """The checkpoint."""
        return self.config.work / "distill" / "checkpoint.pt"

    def save(self) -> None:
        """Write the checkpoint, then let it take the old one's place: a full disk loses nothing."""
        state = {"model": self.model.state_dict(), "average": self.average.state_dict()}
        state |= {"optimizers": [item.state_dict() for item in self.optimizers]}
        state |= {"schedule": vars(self.schedule), "config": self.settings()}
        checkpoint.save(self.path, state)

    def resume(self) -> None:
        """Go on from the checkpoint."""
        state = checkpoint.load(self.path)
        checkpoint.check_same(state["config"], self.settings(), self.path)
        self.model.load_state_dict(state["model"])
        self.average.load_state_dict(state["average"])
        for item, saved in zip(self.optimizers, state["optimizers"], strict=True):
            item.load_state_dict(saved)
        self.schedule = Schedule(**state["schedule"])

    def settings(self) -> dict[str, object]:
        """Return what must be the same when the run is resumed."""
        return checkpoint.settings(self.config, ("data", "student", "augment", "distill", "train"))

    @property
    def step(self) -> int:
        """Steps that are done."""
        return self.schedule.step

    @torch.no_grad()
    def track(self) -> None:
        """Move the average toward the weights."""
        keep = min(1 - 1 / self.config.train.ema_steps, (1 + self.step) / (10 + self.step))
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
            group["lr"] = group["peak"] * run.schedule.rate(run.config.train)
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


def main(config: Config, resume: bool = False) -> None:
    """Train until the schedule ends; write distill/checkpoint.pt and distill/metrics.csv."""
    run, train = Run(config), config.train
    if resume:
        run.resume()
    else:
        checkpoint.check_new(run.path)
    folder = RunFolder(config, "distill")
    patches = Patches(config, case_ids(config.data.cases))

    def batch_at(step: int) -> tuple[Tensor, Tensor, Tensor]:
        first = (config.seed << 32) + step * train.batch
        return stack([patches.draw(first + i) for i in range(train.batch)])

    sums: dict[str, float] = {}
    while run.step < train.steps:
        for name, value in train_step(run, batch_at(run.step)).items():
            sums[name] = sums.get(name, 0.0) + value
        run.track()
        run.schedule.step += 1
        if run.step % train.log_steps == 0:
            folder.log(run.step, {name: total / train.log_steps for name, total in sums.items()})
            sums.clear()
        if run.step % train.checkpoint_steps == 0:
            run.save()
    run.save()


if __name__ == "__main__":
    run_stage(main)
