"""How much cheaper training became (paper 5): seconds to the same validation DSC, as a ratio.

    python -m Testing.benchmarks.bench_training [--parts]

Two runs of the same network at the same resolution on the same phantoms, in turns of a few seconds
in one process, so that a busy machine slows both: a plain recipe (float32, AdamW at 0.001 with
poly decay, a schedule that is run to its end) and ours (bfloat16, Muon beside AdamW, average of the
weights, a schedule that is cut short where validation no longer gains). nnU-Net's SGD (0.01,
Nesterov 0.99) still said background everywhere after 600 steps: no baseline here.
The ratio is of the seconds to the same DSC, the lower of what both end at. Looks at the validation
case are not counted. Seconds are CPU seconds of one thread, which neighbours on
the machine disturb least. --parts times single steps instead.
"""

from __future__ import annotations

import argparse
import dataclasses
import math
import statistics
import time
from dataclasses import dataclass, field

import numpy as np
import torch

from FlareSegLib.base.config import ModelConfig
from Testing.flare import ORGANS
from Testing.phantoms import abdomen
from training.augment.patch import Case
from training.loop import loop, validate
from training.loop.run import Run
from training.losses.objective import Batch
from training.networks.build import new_student
from training.patches.data import Patches, View, places_of
from training.patches.loader import Order, Samples
from training.sections import Augment, Distill, Student, Train

SHAPE, SPACING_MM = (40, 60, 72), (8.0, 5.0, 5.3)
VIEW = View((16, 32, 32), (-971.0, 291.0), 83.78, 144.84)
SIZES = Student(channels=(16, 32), blocks=(1, 1), z_dilation=(1, 2))
NOISE_HU = 12.0
"""Organs lie 12 HU apart: with this noise a voxel alone does not tell its organ."""
LOSSES = Distill(hard=1.0, stored=0.0, divergence=0.0, dice=0.0, supervised=1.0)
PLAIN = Train(
    patch=VIEW.shape, steps=3000, optimizer="adamw", learning_rate=0.001, weight_decay=1e-5,
    warmup_share=0.0, decay_share=1.0, decay_power=0.9, half_precision=False, ema_steps=1.0,
    device="cpu",
)  # fmt: skip
CHEAP = Train(
    patch=VIEW.shape, steps=1000, optimizer="muon", learning_rate=0.02, half_precision=True,
    ema_steps=40.0, device="cpu", patience=4, least_gain=0.005,
)  # fmt: skip


def a_case(seed: int) -> Case:
    """Return a phantom in its own noise."""
    volume, truth = abdomen(SHAPE, SPACING_MM, noise_hu=NOISE_HU, seed=seed)
    labels = truth.array
    hu = torch.from_numpy(volume.array.astype(np.int16))
    known = (True,) * 14
    return Case(f"{seed}", hu, torch.from_numpy(labels), None, places_of(labels, seed), known)


@dataclass
class Arm:
    """One of the two runs."""

    name: str
    train: Train
    samples: Samples
    seconds: float = 0.0
    curve: list[tuple[float, int, float]] = field(default_factory=list)
    """Seconds, steps and DSC at each look."""

    def __post_init__(self) -> None:
        torch.manual_seed(0)
        self.run = Run(new_student(SIZES, 14), 14, self.train, LOSSES)
        self.orders = loop.orders(self.run, self.train.batch, 0, 0.0)

    def turn(self, seconds: float) -> None:
        """Train for some seconds, samples included."""
        began = time.process_time()
        while not self.run.is_done and time.process_time() - began < seconds:
            loop.train_step(
                self.run, loop.labelled(self.samples[next(self.orders)], None, self.run)
            )
        self.seconds += time.process_time() - began

    def look(self, facts: ModelConfig, case: Case) -> None:
        """Validate."""
        dsc = validate.mean_dsc(self.run.average, facts, [case], self.run.device)
        self.curve.append((self.seconds, self.run.step, dsc))
        self.run.schedule.look(dsc, self.train)
        print(f"{self.name} {self.seconds:.0f} s, step {self.run.step}: DSC {dsc:.3f}", flush=True)

    def seconds_to(self, target: float) -> float:
        """Return the seconds at the first look that found this DSC; infinity if none did."""
        return next((seconds for seconds, _, dsc in self.curve if dsc >= target), math.inf)


def race(turn: float = 2.0) -> None:
    """Train both in turns to the end of their schedules; print the ratio and both last DSC."""
    patches = Patches([a_case(seed) for seed in range(4)], VIEW, Augment())
    samples = Samples(patches, patches, LOSSES)
    facts = ModelConfig(
        "bench", "0", "0" * 64, SPACING_MM, VIEW.shape, tuple(organ.key for organ in ORGANS),
        VIEW.hu_range, VIEW.hu_mean, VIEW.hu_sd, logits_stride=2,
    )  # fmt: skip
    arms, case = [Arm("plain", PLAIN, samples), Arm("cheap", CHEAP, samples)], a_case(99)
    while any(not arm.run.is_done for arm in arms):
        for arm in arms:
            if not arm.run.is_done:
                arm.turn(turn)
                arm.look(facts, case)
    for arm in arms:
        used, steps, dsc = arm.curve[-1]
        print(f"{arm.name}: {steps} steps in {used:.1f} s, last DSC {dsc:.3f}")
    target = min(arm.curve[-1][2] for arm in arms)
    plain, cheap = (arm.seconds_to(target) for arm in arms)
    print(f"DSC {target:.3f}: {plain:.1f} s against {cheap:.1f} s, ratio {plain / cheap:.1f}")


def one_batch(run: Run, patches: Patches, size: int) -> Batch:
    """Return a batch that every way of a step gets."""
    samples = Samples(patches, patches, LOSSES)
    return loop.labelled(samples[Order(tuple(range(size)), is_easy=False)], None, run)


def parts(rounds: int = 4) -> None:
    """Time single steps of the shipped student's sizes, ways in turn; print medians a patch."""
    view = dataclasses.replace(VIEW, shape=(64, 96, 96))
    patches = Patches([a_case(0)], view, Augment())
    ways = {
        "float32, batch 2": (dataclasses.replace(CHEAP, half_precision=False), 2),
        "bfloat16, batch 1": (CHEAP, 1),
        "bfloat16, batch 2": (CHEAP, 2),
        "bfloat16, batch 4": (CHEAP, 4),
    }
    runs = {
        name: Run(new_student(Student(), 14), 14, train, LOSSES)
        for name, (train, _) in ways.items()
    }
    batches = {name: one_batch(runs[name], patches, size) for name, (_, size) in ways.items()}
    times: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(rounds):
        for name, run in runs.items():
            began = time.process_time()
            loop.train_step(run, batches[name])
            times[name].append(1000 * (time.process_time() - began) / ways[name][1])
    for name, found in times.items():
        print(f"{name}: {statistics.median(found[1:]):.0f} ms a patch (first {found[0]:.0f})")
    began = time.process_time()
    for seed in range(10):
        patches.draw(seed)
    print(f"a patch is made in {100 * (time.process_time() - began):.0f} ms")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m Testing.benchmarks.bench_training")
    parser.add_argument("--parts", action="store_true", help="time single steps instead")
    given = parser.parse_args()
    torch.set_num_threads(1)
    parts() if given.parts else race()
