import dataclasses

import pytest

torch = pytest.importorskip("torch", reason="extra train is not installed")

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
    for run.step in range(30):
        run.seconds = 0.5
        found.append(distill.train_step(run, images)["soft"])
    assert found[-1] < 0.6 * found[0]


def test_resume_gives_the_same_as_not_having_stopped(config, tmp_path):
    config = dataclasses.replace(config, work=tmp_path)
    straight, first = distill.Run(config), distill.Run(config)
    soft = torch.rand(2, 14, 8, 16, 16).softmax(1)
    images = torch.randn(2, 1, 16, 32, 32), soft, torch.zeros(2, 16, 32, 32).long()

    def steps(run, count):
        for _ in range(count):
            run.seconds = 1.0
            distill.train_step(run, images)
            run.track()
            run.step += 1

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

    def full(state, path):
        path.write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(torch, "save", full)
    with pytest.raises(OSError, match="No space"):
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


def test_the_rate_rises_stays_and_falls_to_zero(config):
    run, rates = distill.Run(config), []
    for share in (0.0, 0.01, 0.02, 0.4, 0.7, 1.0):
        run.seconds = share * 60 * config.minutes
        rates.append(run.rate())
    assert rates == pytest.approx([0.00005, 0.50005, 1.0, 1.0, 0.5, 0.0], abs=1e-3)


def test_orthogonalized_keeps_directions_and_evens_out_lengths():
    torch.manual_seed(0)
    for shape in ((8, 30), (30, 8)):
        matrix = torch.randn(shape) @ torch.diag(torch.logspace(0, -2, shape[1]))
        values = torch.linalg.svdvals(orthogonalized(matrix))
        assert values.max() < 1.3
        assert values.median() > 0.6


def test_the_stage_writes_metrics_and_goes_on_where_it_stopped(config, monkeypatch, capsys):
    monkeypatch.setattr(distill, "LOG_STEPS", 1)
    distill.main(config)
    rows = (config.work / "metrics.csv").read_text(encoding="utf-8").splitlines()
    assert rows[0] == "step,minutes,soft,hard"
    again = distill.Run(config)
    again.resume()
    assert again.step == len(rows) - 1 > 0
    distill.main(dataclasses.replace(config, minutes=again.seconds / 60 + 0.001))
    rows = (config.work / "metrics.csv").read_text(encoding="utf-8").splitlines()
    assert int(rows[-1].split(",")[0]) > again.step
    capsys.readouterr()
