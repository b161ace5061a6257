"""Batches: samples drawn by worker processes ahead of the training step, labelled by a teacher."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch.utils.data import DataLoader, Dataset

from training.losses import targets
from training.losses.objective import Batch
from training.patches.data import Patches, Sample
from training.patches.teachers import LiveTeacher, Said
from training.sections import Distill


@dataclass(frozen=True)
class Order:
    """What a worker is asked for."""

    seeds: tuple[int, ...]
    """One a sample."""
    is_easy: bool
    """From the easy cases alone (curriculum)."""


class Samples(Dataset[list[Sample] | Batch]):
    """Batches by order, with their targets; or samples, where a teacher on the device follows."""

    def __init__(
        self,
        patches: Patches,
        easy: Patches,
        sources: Distill,
        new_teacher: Callable[[], LiveTeacher] | None = None,
        *,
        is_raw: bool = False,
    ) -> None:
        """Draw from patches, or from easy where the order says so.

        Args:
            patches: All cases.
            easy: The easy cases.
            sources: Weights of the labels.
            new_teacher: Loads the live teacher; called once in each worker, where a session that
                was opened before the fork would hang.
            is_raw: Give the samples as they are.
        """
        self._patches, self._easy, self._sources = patches, easy, sources
        self._new_teacher, self._is_raw = new_teacher, is_raw
        self._teacher: LiveTeacher | None = None

    def __getitem__(self, order: Order) -> Batch | list[Sample]:
        """Return the batch of an order."""
        patches = self._easy if order.is_easy else self._patches
        samples = [patches.draw(seed) for seed in order.seeds]
        if self._is_raw:
            return samples
        if self._new_teacher and self._teacher is None:
            self._teacher = self._new_teacher()
        said = [self._teacher(sample.scene) for sample in samples] if self._teacher else None
        return to_batch(samples, said, self._sources)


def to_batch(samples: Sequence[Sample], said: Sequence[Said] | None, sources: Distill) -> Batch:
    """Return samples with their targets.

    Args:
        samples: As drawn.
        said: What a teacher says of each sample; None without one.
        sources: Weights of the labels.
    """
    mixed = []
    is_asked = said is not None and sources.live > 0
    for i, one in enumerate(samples):
        live = (
            targets.live_target(said[i].logits, one.labels, one.known, one.phase)
            if is_asked
            else None
        )
        mixed.append(targets.mixture(one.labels, one.stored, live, sources, one.known, one.phase))
    phases = tuple(one.phase for one in samples)
    return Batch(
        images=torch.stack([one.image for one in samples]),
        target=torch.stack(mixed),
        labels=torch.stack([targets.at_phase(s.labels[None], s.phase, 1)[0] for s in samples]),
        phases=phases,
        known=torch.tensor([one.known for one in samples]),
        names=tuple(one.name for one in samples),
        features=tuple(map(torch.stack, zip(*(one.features for one in said), strict=True)))
        if said
        else (),
        is_taught=is_asked or all(one.stored is not None for one in samples),
    )


def batches(
    samples: Samples, orders: Iterable[Order], workers: int, prefetch: int = 3
) -> Iterator[Batch | list[Sample]]:
    """Return the batches of the orders; with workers they are made ahead, in other processes."""
    ahead = {"prefetch_factor": prefetch, "multiprocessing_context": "fork"} if workers else {}
    loader = DataLoader(
        samples,
        batch_size=None,
        sampler=orders,
        num_workers=workers,
        worker_init_fn=_one_thread,
        **ahead,  # type: ignore[arg-type]
    )
    return iter(loader)


def _one_thread(_worker: int) -> None:
    torch.set_num_threads(1)


def moved(batch: Batch, device: torch.device) -> Batch:
    """Return a batch on a device."""
    tensors = {
        name: getattr(batch, name).to(device, non_blocking=True)
        for name in ("images", "target", "labels", "known")
    }
    features = tuple(level.to(device, torch.float32) for level in batch.features)
    return dataclasses.replace(batch, **tensors, features=features)
