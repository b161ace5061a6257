"""Two processes with gloo train as one process with the whole batch."""

import csv
import dataclasses
import json
import subprocess
import sys
from pathlib import Path

import pytest

torch = pytest.importorskip("torch", reason="extra train is not installed")
pytest.importorskip("torchio", reason="extra train is not installed")

from FlareSegLib.base.errors import ModelError  # noqa: E402
from Testing.training.little import a_run, a_train, some_patches  # noqa: E402
from training.cases.run_folder import RunFolder  # noqa: E402
from training.config import Config  # noqa: E402
from training.loop import checkpoint, loop  # noqa: E402
from training.loop.run import Run  # noqa: E402
from training.machine import distributed  # noqa: E402
from training.networks.build import new_teacher  # noqa: E402
from training.patches.loader import Samples  # noqa: E402
from training.sections import Distill, Teacher  # noqa: E402

pytestmark = [pytest.mark.torch, pytest.mark.slow]
ROOT = Path(__file__).parents[3]
KINDS = ("student", "teacher")
BEFORE_A_NORM = ("conv1.bias", "conv2.bias")
"""Of the teacher: InstanceNorm takes them out again, so their gradients are rounding and no more,
which Adam makes whole steps of."""


def train_once(work: Path, kind: str) -> None:
    """Train a small network for six steps of four patches; what each process of torchrun does."""
    distributed.begin(torch.device("cpu"))
    torch.manual_seed(0)
    train = a_train(steps=6, batch=4, checkpoint_steps=6, half_precision=False)
    if kind == "student":
        run = a_run(train, Distill())
    else:
        losses = Distill(hard=1, stored=0, divergence=0, dice=0, supervised=1, deep_supervision=1)
        run = Run(new_teacher(Teacher(channels=(4, 8)), 14), 14, train, losses)
    patches = some_patches("a", "b")
    supply = loop.Supply(Samples(patches, patches, run.losses))
    loop.fit(run, supply, RunFolder(Config(work=work), kind), {})
    distributed.end()


def launched(work: Path, kind: str, processes: int) -> None:
    """Run train_once under torchrun."""
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node"]
    program = ["-m", "Testing.training.loop.test_distributed", str(work), kind]
    found = subprocess.run(
        [*command, str(processes), *program], cwd=ROOT, capture_output=True, text=True, timeout=300
    )
    assert found.returncode == 0, found.stderr


def curve(work: Path, kind: str) -> list[dict[str, float]]:
    with (work / kind / "metrics.csv").open(newline="", encoding="utf-8") as file:
        return [{k: float(v) for k, v in row.items()} for row in csv.DictReader(file)]


@pytest.mark.parametrize("kind", KINDS)
def test_two_processes_have_the_loss_curve_of_one_with_the_same_batch(tmp_path, kind, capsys):
    train_once(tmp_path / "one", kind)
    launched(tmp_path / "two", kind, 2)
    one, two = curve(tmp_path / "one", kind), curve(tmp_path / "two", kind)
    names = set(one[0]) - {"step", "seconds", "waited", "rate"}
    assert len(one) == len(two) == 6
    for first, second in zip(one, two, strict=True):
        for name in names:
            assert second[name] == pytest.approx(first[name], rel=2e-3), (first["step"], name)
    first, second = (
        checkpoint.load(tmp_path / where / kind / "checkpoint.pt")["average"]
        for where in ("one", "two")
    )
    for name, weight in first.items():
        if name.endswith(BEFORE_A_NORM):
            continue
        assert torch.allclose(weight.float(), second[name].float(), rtol=0.02, atol=0.01), name
    assert len(json.loads((tmp_path / "two" / kind / "run.json").read_text())) == 1
    capsys.readouterr()


def test_a_batch_that_cannot_be_shared_out_is_refused(tmp_path, monkeypatch):
    run = a_run(dataclasses.replace(a_train(), batch=3))
    monkeypatch.setattr(distributed, "world", lambda: 2)
    patches = some_patches("a")
    supply = loop.Supply(Samples(patches, patches, run.losses))
    with pytest.raises(ModelError, match=r"train\.batch is 3: make it a multiple of the 2"):
        loop.fit(run, supply, RunFolder(Config(work=tmp_path), "x"), {})


if __name__ == "__main__":
    torch.set_num_threads(1)
    train_once(Path(sys.argv[1]), sys.argv[2])
