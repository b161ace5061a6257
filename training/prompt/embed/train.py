"""The teacher learns masks; then the student's encoder learns the teacher's embeddings.

out/teacher.pt and out/encoder.pt are checkpoints, out/student.pt holds what is used: the student's
encoder, and the teacher's prompt encoder and mask decoder as they are (decoupled distillation).
"""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional

from training.loop import checkpoint
from training.loop.run import start
from training.networks.embed import EmbedNet, student, teacher
from training.prompt.cases import Case
from training.prompt.embed.slices import Slices, SliceSource
from training.prompt.learner import Learner, autocast, follow
from training.prompt.settings import EmbedSettings

TEACHER, STUDENT = 0, 1
"""Kinds of steps."""


def train_embed(
    settings: EmbedSettings, cases: list[Case], device: torch.device, *, resume: bool
) -> tuple[EmbedNet, EmbedNet | None]:
    """Train the teacher, then the student, each to the end of its steps or of the time.

    Returns:
        Teacher and student; None for the student as long as the teacher has steps left.
    """
    torch.manual_seed(settings.seed)
    source = SliceSource(cases, settings, device)
    first = teacher(settings.sizes).to(device)
    start(first, settings.start)
    teaching = Learner(first, settings, settings.steps)
    _begin(teaching, settings.out / "teacher.pt", resume=resume)
    follow(teaching, lambda step: _teach(teaching, source, step), settings.out / "teacher.pt")
    taught: EmbedNet = teaching.average.eval()  # type: ignore[assignment]
    if teaching.step < settings.steps:
        return taught, None

    torch.manual_seed(settings.seed)
    found = student(settings.sizes).to(device)
    found.decoder.load_state_dict(taught.decoder.state_dict())
    encoding = Learner(found.encoder, settings, settings.student_steps)
    _begin(encoding, settings.out / "encoder.pt", resume=resume)
    follow(
        encoding, lambda step: _distil(encoding, taught, source, step), settings.out / "encoder.pt"
    )
    found.encoder.load_state_dict(encoding.average.state_dict())
    checkpoint.save(settings.out / "student.pt", found.state_dict())
    return taught, found.eval()


def load_student(settings: EmbedSettings) -> EmbedNet:
    """Return the student that a run wrote.

    Raises:
        ModelError: There is none.
    """
    found = student(settings.sizes)
    found.load_state_dict(checkpoint.load(settings.out / "student.pt"))
    return found.eval()


def _begin(learner: Learner, path: Path, *, resume: bool) -> None:
    if not resume:
        checkpoint.check_new(path)
    elif path.exists():
        learner.load(path)


def _teach(learner: Learner, source: SliceSource, step: int) -> dict[str, float]:
    batch = source.batch(step, TEACHER)
    learner.network.train()
    with autocast(batch.images.device):
        logits, iou = learner.network(batch.images, batch.boxes)
    loss, dsc = objective(logits.float(), iou.float(), batch)
    return learner.descend(loss) | {"dsc": dsc.item()}


def _distil(learner: Learner, taught: EmbedNet, source: SliceSource, step: int) -> dict[str, float]:
    images = source.batch(step, STUDENT).images
    with torch.no_grad():
        wanted = taught.encoder(images)
    learner.network.train()
    return learner.descend(functional.mse_loss(learner.network(images), wanted))


def objective(logits: Tensor, iou: Tensor, batch: Slices) -> tuple[Tensor, Tensor]:
    """Return the loss of paper 4's table 3 and the mean DSC of masks that count.

    Dice with squares, cross-entropy, and the squared error of the IoU that was foretold, 1:1:1.
    """
    truth, weight = batch.masks, batch.weight / batch.weight.sum().clamp_min(1)
    entropy = functional.binary_cross_entropy_with_logits(logits, truth, reduction="none")
    chance = torch.sigmoid(logits)
    soft = _dice(chance, truth, (chance**2 + truth).sum((2, 3)))
    hard = (logits > 0).float()
    both = (hard * truth).sum((2, 3))
    real = both / ((hard + truth) > 0).sum((2, 3)).clamp_min(1)
    loss = entropy.mean((2, 3)) + 1 - soft + (iou - real.detach()) ** 2
    return (loss * weight).sum(), (_dice(hard, truth, (hard + truth).sum((2, 3))) * weight).sum()


def _dice(found: Tensor, truth: Tensor, sums: Tensor) -> Tensor:
    return (2 * (found * truth).sum((2, 3)) + 1e-5) / (sums + 1e-5)
