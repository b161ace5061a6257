import dataclasses

import pytest

torch = pytest.importorskip("torch", reason="extra train is not installed")

from FlareSegLib.errors import OutputError  # noqa: E402
from Testing.training.small import a_config, write_cases  # noqa: E402
from training import distill, transfer  # noqa: E402
from training.data import Patches  # noqa: E402
from training.optimizer import orthogonalized  # noqa: E402

pytestmark = pytest.mark.torch


@pytest.fixture(scope="module")
def config(tmp_path_factory):
    config = a_config(tmp_path_factory.mktemp("distill"))
    write_cases(config, ["a", "b"])
    return config


def batch(config, step):
    patches = Patches(config, ["a", "b"])
    return distill.stack([patches.draw(2 * step), patches.draw(2 * step + 1)])


def weights(run):
    return torch.cat([p.detach().ravel() for p in run.model.parameters()])


def test_steps_lower_the_loss(config):
    run, images = distill.Run(config), batch(config, 0)
    found = []
    for _ in range(30):
        run.schedule.step = 3
        found.append(distill.train_step(run, images)["soft"])
    assert found[-1] < 0.6 * found[0]


def test_resume_gives_the_same_as_not_having_stopped(config, tmp_path):
    config = dataclasses.replace(config, work=tmp_path)
    straight, first = distill.Run(config), distill.Run(config)
    soft = torch.rand(2, 14, 8, 16, 16).softmax(1)
    images = torch.randn(2, 1, 16, 32, 32), soft, torch.zeros(2, 16, 32, 32).long()

    def steps(run, count):
        for _ in range(count):
            distill.train_step(run, images)
            run.track()
            run.schedule.step += 1

    steps(straight, 6)
    steps(first, 3)
    first.save()
    second = distill.Run(config)
    second.resume()
    assert second.step == 3
    steps(second, 3)
    assert torch.allclose(weights(second), weights(straight), atol=1e-6)
    for one, two in zip(
        second.average.state_dict().values(), straight.average.state_dict().values(), strict=True
    ):
        assert torch.allclose(one.float(), two.float(), atol=1e-6)


def test_a_full_disk_keeps_the_old_checkpoint(config, tmp_path, monkeypatch):
    run = distill.Run(dataclasses.replace(config, work=tmp_path))
    run.save()
    before = run.path.read_bytes()

    def full(state, file):
        file.write(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(torch, "save", full)
    with pytest.raises(OutputError, match="disk is full"):
        run.save()
    assert run.path.read_bytes() == before


def test_a_loss_that_is_not_a_number_stops_before_the_weights_change(config, monkeypatch):
    run = distill.Run(config)
    before = weights(run)
    monkeypatch.setattr(
        transfer, "imitation", lambda *_: torch.tensor(float("nan"), requires_grad=True)
    )
    with pytest.raises(FloatingPointError, match="nan at step 0"):
        distill.train_step(run, batch(config, 0))
    assert torch.equal(weights(run), before)


def test_orthogonalized_keeps_directions_and_evens_out_lengths():
    torch.manual_seed(0)
    for shape in ((8, 30), (30, 8)):
        matrix = torch.randn(shape) @ torch.diag(torch.logspace(0, -2, shape[1]))
        values = torch.linalg.svdvals(orthogonalized(matrix))
        assert values.max() < 1.3
        assert values.median() > 0.6


def test_the_stage_writes_metrics_and_refuses_to_overwrite_a_run(config, capsys):
    distill.main(config)
    rows = (config.work / "distill" / "metrics.csv").read_text(encoding="utf-8").splitlines()
    assert rows[0] == "step,soft,hard"
    assert len(rows) == 9
    with pytest.raises(OutputError, match="--resume"):
        distill.main(config)
    capsys.readouterr()
