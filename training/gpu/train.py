"""Students that learn side by side from the same batches, on a GPU for some minutes.

`python -m training.gpu.train --help`; README.md says what it needs and what it gives back.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import time
from collections import defaultdict
from pathlib import Path

import torch

from FlareSegLib.inference.student import StudentConfig
from training.gpu import augment
from training.gpu.learn import Learner, Lesson, deepened, lesson, widened, write
from training.gpu.store import Drawer, load_cases
from training.gpu.teacher import HU_MEAN, HU_RANGE, HU_SD, CpuTeacher, GpuTeacher, difference
from training.machine.memory import keep_freed
from training.sections import Train

SHIPPED = StudentConfig((16, 32, 64, 128), (1, 2, 2, 2), (1, 1, 2, 4))
"""Sizes of the weights that all students start from."""
STUDENTS = {
    "deep": (StudentConfig((16, 32, 64, 128), (1, 2, 2, 3), (1, 1, 2, 4)), 0.006, 6, 6),
    "wide": (StudentConfig((32, 64, 128, 256), (1, 2, 2, 2), (1, 1, 2, 4)), 0.008, 4, 2),
    "same": (SHIPPED, 0.006, 6, 6),
}
"""Sizes, rate, means of a run, and how many of them go into one file of 16 MiB."""
SHOWN = (
    "/encoder/stages.3/stages.3.0/convs/convs.1/all_modules/nonlin/LeakyRelu_output_0",
    "/encoder/stages.4/stages.4.0/convs/convs.1/all_modules/nonlin/LeakyRelu_output_0",
    "/decoder/stages.2/convs/convs.1/all_modules/nonlin/LeakyRelu_output_0",
    "/decoder/stages.1/convs/convs.0/all_modules/nonlin/LeakyRelu_output_0",
)
CHANNELS = ((128, 192), (32, 64))
"""Tensors of the teacher that are matched: two lowest encoder levels, two finest decoder levels."""
WARMUP, LOG_STEPS, KEEP_SECONDS = 100, 50, 60.0


def options() -> argparse.Namespace:
    """Return what the command line says."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--packs", type=Path, nargs="+", required=True)
    parser.add_argument("--labels", type=Path, required=True)
    parser.add_argument("--teacher", type=Path, required=True)
    parser.add_argument("--start", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--students", nargs="+", choices=sorted(STUDENTS), default=["deep", "wide"])
    parser.add_argument("--patch", type=int, nargs=3, default=(96, 160, 160))
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--rate-factor", type=float, default=1.0, help="less for a smaller batch")
    parser.add_argument(
        "--keep-statistics", action="store_true", help="of BatchNorm: for --batch 1"
    )
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--seconds", type=float, default=480.0, help="wall time of the training")
    parser.add_argument("--until", type=float, help="unix time at which all must be written")
    parser.add_argument("--steps", type=int, default=10**9)
    parser.add_argument("--resume", action="store_true", help="go on from the files in --out")
    parser.add_argument("--check", action="store_true", help="compare the teacher with onnxruntime")
    parser.add_argument("--timed", action="store_true", help="wait for the GPU after each part")
    return parser.parse_args()


def teacher(given: argparse.Namespace, device: torch.device) -> GpuTeacher | CpuTeacher:
    """Return the teacher in the form that is fast on the device: OpenVINO's where there is one."""
    if device.type == "cpu":
        with contextlib.suppress(ImportError):
            return CpuTeacher(given.teacher, SHOWN, tuple(given.patch))
    return GpuTeacher(given.teacher, SHOWN, device)


def new_learner(name: str, start: Path, rate_factor: float, device: torch.device) -> Learner:
    """Return a student that says what the weights in start say."""
    sizes, rate, _, _ = STUDENTS[name]
    weights = torch.load(start, map_location="cpu", weights_only=True)
    if sizes.channels != SHIPPED.channels:
        weights = widened(weights)
    weights = deepened(weights, SHIPPED, sizes)
    return Learner(name, sizes, weights, CHANNELS, Train(learning_rate=rate * rate_factor), device)


class Clock:
    """Seconds by part; exact only where it waits for the GPU."""

    def __init__(self, device: torch.device, is_exact: bool) -> None:
        self.spent: dict[str, float] = defaultdict(float)
        self._waits = is_exact and device.type == "cuda"
        self._last = time.monotonic()

    def mark(self, part: str) -> None:
        """Count the time since the last mark to a part."""
        if self._waits:
            torch.cuda.synchronize()
        now = time.monotonic()
        self.spent[part] += now - self._last
        self._last = now


class Gpu:
    """A run: teacher, source of batches, students."""

    def __init__(self, given: argparse.Namespace) -> None:
        self.given, self.device = given, torch.device(given.device)
        torch.manual_seed(given.seed)
        torch.backends.cudnn.benchmark = True
        torch.set_float32_matmul_precision("high")
        torch.backends.cudnn.allow_tf32 = True
        cases, levels = load_cases(given.packs, given.labels, self.device)
        weights = json.loads((given.labels / "weights.json").read_text(encoding="utf-8"))
        self.drawer = Drawer(cases, levels, tuple(given.patch), given.seed, weights)
        self.teacher = teacher(given, self.device)
        self.learners = [
            new_learner(name, given.start, given.rate_factor, self.device)
            for name in given.students
        ]
        self.clock = Clock(self.device, given.timed)
        self.means: dict[str, list[dict[str, torch.Tensor]]] = {n: [] for n in given.students}
        self.lines: list[str] = []
        if given.resume:
            self._resume()
        if given.keep_statistics:
            for learner in self.learners:
                learner.keep_statistics()

    def _resume(self) -> None:
        for learner in self.learners:
            state = torch.load(self.given.out / f"{learner.name}.pt", weights_only=True)
            learner.load(state)

    def lesson(self) -> Lesson:
        """Return a new batch with its targets."""
        with torch.no_grad():
            cut = augment.mixed(self.drawer.draw(self.given.batch))
            self.clock.mark("cut")
            scene = augment.scene(cut)
            self.clock.mark("scene")
            said = self.teacher(scene)
            self.clock.mark("teacher")
            seen = augment.degraded(scene, cut.labels)
            images = ((seen.clamp(*HU_RANGE) - HU_MEAN) / HU_SD)[:, None]
            phase = int(torch.randint(8, ()))
            made = lesson(images, cut.labels, said.logits, said.features, phase)
            self.clock.mark("view")
        return made

    def step(self) -> list[torch.Tensor]:
        """Let every student learn from one batch."""
        batch, found = self.lesson(), []
        for learner in self.learners:
            found.append(learner.learn(batch, min(1.0, (learner.step + 1) / WARMUP)))
            if learner.step % 2 == 0:
                learner.count()
            self.clock.mark(learner.name)
        return found

    def note(self, step: int, sums: list[torch.Tensor], count: int) -> None:
        """Log the mean loss of the last steps and where the time went."""
        parts = {k: round(1000 * v / count, 1) for k, v in self.clock.spent.items()}
        self.clock.spent.clear()
        told = {
            one.name: [round(float(v), 4) for v in total / count]
            for one, total in zip(self.learners, sums, strict=True)
        }
        self.lines.append(json.dumps({"step": step, "loss": told, "ms": parts}))
        print(self.lines[-1], flush=True)

    def keep(self) -> None:
        """Write all students, their means so far, and the log."""
        self.given.out.mkdir(parents=True, exist_ok=True)
        for learner in self.learners:
            _, _, _, each = STUDENTS[learner.name]
            means, state = self.means[learner.name], learner.state()
            if each >= STUDENTS[learner.name][2]:
                state["means"] = means
            else:
                for first in range(0, len(means), each):
                    path = self.given.out / f"{learner.name}_{first // each}.pt"
                    write(path, {"means": means[first : first + each]})
            write(self.given.out / f"{learner.name}.pt", state)
        (self.given.out / "train.log").write_text("\n".join(self.lines) + "\n", encoding="utf-8")

    def cut_means(self, share: float) -> None:
        """End a mean of each student whose part of the time is over."""
        for learner in self.learners:
            wanted = STUDENTS[learner.name][2]
            if learner.counted and share * wanted >= len(self.means[learner.name]) + 1:
                self.means[learner.name].append(learner.taken())

    def run(self) -> None:
        """Train until the time or the steps are over."""
        given, began = self.given, time.time()
        end = min(began + given.seconds, given.until or float("inf"))
        kept, sums, count = began, [torch.zeros(3, device=self.device) for _ in self.learners], 0
        for step in range(1, given.steps + 1):
            sums = [a + b for a, b in zip(sums, self.step(), strict=True)]
            count += 1
            if step % (10 if given.timed else LOG_STEPS) == 0 or step == given.steps:
                self.note(step, sums, count)
                sums, count = [torch.zeros_like(total) for total in sums], 0
            now = time.time()
            self.cut_means((now - began) / (end - began))
            if now - kept > KEEP_SECONDS:
                self.keep()
                kept = time.time()
            if now > end:
                break
        self.cut_means(1.0 + 1e-6)
        self.keep()


def main() -> None:
    """Train as the command line says."""
    given, began = options(), time.time()
    keep_freed()
    run = Gpu(given)
    print(f"ready after {time.time() - began:.1f} s", flush=True)
    if given.check:
        patch = run.drawer.draw(1).hu[0]
        print(f"teacher differs by {difference(given.teacher, run.teacher, patch):.2g}", flush=True)
    run.run()
    if run.device.type == "cuda":
        print(f"peak {torch.cuda.max_memory_allocated() / 2**30:.1f} GiB", flush=True)


if __name__ == "__main__":
    main()
